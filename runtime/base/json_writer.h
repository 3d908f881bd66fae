// Writes strict JSON (RFC 8259), for the tools' --json.
//
//   JsonWriter w;
//   w.BeginObject();
//   w.Field("name", "gemm").Field("gb_s", 12.5);
//   w.Key("dims").BeginArray().Value(1).Value(2).EndArray();
//   w.EndObject();
//   w.text()   // {"name":"gemm","gb_s":12.5,"dims":[1,2]}
//
// Doubles print with the fewest digits that read back equal; NaN and infinities, which JSON lacks, become null.  Bytes
// that are not UTF-8 become U+FFFD.  Misuse (a value without a key in an object, …) is our fault and aborts.
#ifndef SLUICE_RUNTIME_BASE_JSON_WRITER_H_
#define SLUICE_RUNTIME_BASE_JSON_WRITER_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

class JsonWriter {
 public:
  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(const std::string& key);

  JsonWriter& Value(const std::string& text);
  JsonWriter& Value(const char* text) { return Value(std::string(text)); }
  JsonWriter& Value(bool value);
  JsonWriter& Value(double value);
  JsonWriter& Value(float value);
  template <std::integral T>
  JsonWriter& Value(T value) {
    if constexpr (std::is_unsigned_v<T>) {
      return Unsigned(value);
    } else {
      return Signed(value);
    }
  }
  template <typename T>
  JsonWriter& Value(const std::vector<T>& values) {
    BeginArray();
    for (const T& v : values) {
      Value(v);
    }
    return EndArray();
  }
  JsonWriter& Null();

  template <typename T>
  JsonWriter& Field(const std::string& key, const T& value) {
    return Key(key).Value(value);
  }

  // The document.  Only when every object and array has been ended.
  const std::string& text() const;

 private:
  JsonWriter& Signed(int64_t value);
  JsonWriter& Unsigned(uint64_t value);
  void Begin();  // the comma before a value, and the checks
  void Quote(const std::string& text);

  std::string out_;
  std::vector<char> open_;  // '{' or '['
  bool first_ = true;       // nothing yet in the innermost one
  bool keyed_ = false;      // a key waits for its value
};

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_JSON_WRITER_H_
