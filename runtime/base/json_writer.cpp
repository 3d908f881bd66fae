#include "runtime/base/json_writer.h"

#include <charconv>
#include <cmath>

#include "runtime/base/log.h"

namespace sluice {
namespace {

// Length of the well-formed UTF-8 sequence at text[i], 0 when it is none (Unicode 15, table 3-7).
size_t Utf8Length(const std::string& text, size_t i) {
  const auto at = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  const auto tail = [&](size_t k) { return (at(k) & 0xc0u) == 0x80u; };
  const unsigned a = at(i);
  const unsigned b = at(i + 1);
  if (a < 0x80) {
    return 1;
  }
  if (a >= 0xc2 && a <= 0xdf && tail(i + 1)) {
    return 2;
  }
  if (a >= 0xe0 && a <= 0xef && tail(i + 1) && tail(i + 2)) {
    return (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ? 0 : 3;
  }
  if (a >= 0xf0 && a <= 0xf4 && tail(i + 1) && tail(i + 2) && tail(i + 3)) {
    return (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f) ? 0 : 4;
  }
  return 0;
}

template <typename T>
void AppendNumber(T value, std::string* out) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  out->append(buffer, end.ptr);
}

}  // namespace

void JsonWriter::Begin() {
  if (open_.empty()) {
    SLUICE_CHECK(out_.empty(), "a second JSON document");
    return;
  }
  if (open_.back() == '{') {
    SLUICE_CHECK(keyed_, "a JSON value without a key");
    keyed_ = false;
    return;
  }
  if (!first_) {
    out_ += ',';
  }
  first_ = false;
}

JsonWriter& JsonWriter::BeginObject() {
  Begin();
  out_ += '{';
  open_.push_back('{');
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::BeginArray() {
  Begin();
  out_ += '[';
  open_.push_back('[');
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  SLUICE_CHECK(!open_.empty() && open_.back() == '{' && !keyed_, "no JSON object to end");
  out_ += '}';
  open_.pop_back();
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::EndArray() {
  SLUICE_CHECK(!open_.empty() && open_.back() == '[', "no JSON array to end");
  out_ += ']';
  open_.pop_back();
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::Key(const std::string& key) {
  SLUICE_CHECK(!open_.empty() && open_.back() == '{' && !keyed_, "a JSON key outside an object");
  if (!first_) {
    out_ += ',';
  }
  first_ = false;
  Quote(key);
  out_ += ':';
  keyed_ = true;
  return *this;
}

void JsonWriter::Quote(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out_ += '"';
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const size_t length = Utf8Length(text, i);
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += static_cast<char>(c);
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (c < 0x20 || c == 0x7f) {
      out_ += "\\u00";
      out_ += kHex[c >> 4];
      out_ += kHex[c & 15];
    } else if (length == 0) {
      out_ += "\xef\xbf\xbd";
    } else {
      out_.append(text, i, length);
    }
    i += length == 0 ? 1 : length;
  }
  out_ += '"';
}

JsonWriter& JsonWriter::Value(const std::string& text) {
  Begin();
  Quote(text);
  return *this;
}

JsonWriter& JsonWriter::Value(bool value) {
  Begin();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::Value(double value) {
  if (!std::isfinite(value)) {
    return Null();
  }
  Begin();
  AppendNumber(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::Value(float value) {
  if (!std::isfinite(value)) {
    return Null();
  }
  Begin();
  AppendNumber(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::Signed(int64_t value) {
  Begin();
  AppendNumber(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::Unsigned(uint64_t value) {
  Begin();
  AppendNumber(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::Null() {
  Begin();
  out_ += "null";
  return *this;
}

const std::string& JsonWriter::text() const {
  SLUICE_CHECK(open_.empty(), "an unfinished JSON document");
  return out_;
}

}  // namespace sluice
