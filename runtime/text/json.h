// A parsed JSON file, read-only, in two flat arrays: a vocabulary of 150,000 entries costs a few milliseconds instead
// of one allocation an entry.  Strict (nlohmann-json's grammar: no comments, no trailing commas, valid UTF-8).
//
//   ASSIGN_OR_RETURN(JsonDocument doc, JsonDocument::Read(dir + "/tokenizer.json"));
//   ASSIGN_OR_RETURN(JsonField model, doc.root().At("model"));
//   ASSIGN_OR_RETURN(bool fuse, model.BoolOr("fuse_unk", false));
//   // errors: "tokenizer.json: model.fuse_unk: expected a boolean, found a string"
#ifndef SLUICE_RUNTIME_TEXT_JSON_H_
#define SLUICE_RUNTIME_TEXT_JSON_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace sluice::text {

enum class JsonKind : uint8_t { kNull, kBool, kInteger, kFloat, kString, kArray, kObject };

// One value, and its children behind it: a node's next sibling is `next` nodes further.
struct JsonNode {
  JsonKind kind = JsonKind::kNull;
  uint32_t next = 1;    // nodes of this value with all below it
  uint32_t begin = 0;   // string, or the spelling of a float: where in the arena
  uint32_t size = 0;    // bytes of it; children of an array or an object (an object's keys not counted)
  int64_t integer = 0;  // kInteger, kBool
};

class JsonField;

class JsonDocument {
 public:
  // `name` leads every message.  Errors: kInvalidArgument with the place of the fault.
  static absl::StatusOr<JsonDocument> Parse(absl::string_view text, absl::string_view name);
  // kNotFound if there is no such file; messages carry the file's base name.
  static absl::StatusOr<JsonDocument> Read(const std::string& path);

  JsonField root() const;

  std::vector<JsonNode> nodes;
  std::string arena;
  std::string name;
};

// A cheap view of one value; the document must outlive it and stay where it is.
class JsonValue {
 public:
  JsonValue() = default;  // null
  JsonValue(const JsonDocument* doc, const JsonNode* node) : doc_(doc), node_(node) {}

  JsonKind kind() const { return node_ == nullptr ? JsonKind::kNull : node_->kind; }
  size_t size() const { return node_ == nullptr ? 0 : node_->size; }
  int64_t integer() const { return node_->integer; }
  // A string's text, a float's spelling.
  absl::string_view text() const { return absl::string_view(doc_->arena).substr(node_->begin, node_->size); }

  // f(JsonValue element) over an array; f(string_view key, JsonValue value) over an object, in file order.
  template <typename F>
  void ForEachElement(F f) const {
    const JsonNode* child = node_ + 1;
    for (size_t i = 0; i < size(); ++i, child += child->next) {
      f(JsonValue(doc_, child));
    }
  }
  template <typename F>
  void ForEachMember(F f) const {
    const JsonNode* child = node_ + 1;
    for (size_t i = 0; i < size(); ++i) {
      f(JsonValue(doc_, child).text(), JsonValue(doc_, child + 1));
      child += 1 + child[1].next;
    }
  }

 private:
  const JsonDocument* doc_ = nullptr;
  const JsonNode* node_ = nullptr;
};

// A value and the way to it, for messages.
class JsonField {
 public:
  JsonField() = default;
  JsonField(JsonValue value, std::string where) : value_(value), where_(std::move(where)) {}

  const JsonValue& value() const { return value_; }
  bool present() const { return value_.kind() != JsonKind::kNull; }  // neither missing nor null

  // The member, which must be there (At) or may be missing or null (Find; the last one of equal keys).
  absl::StatusOr<JsonField> At(absl::string_view key) const;
  JsonField Find(absl::string_view key) const;

  absl::StatusOr<std::vector<JsonField>> Elements() const;
  absl::Status Expect(JsonKind kind) const;
  absl::StatusOr<std::string> String() const;
  absl::StatusOr<bool> Bool() const;
  absl::StatusOr<int64_t> Integer() const;
  absl::StatusOr<double> Number() const;
  absl::StatusOr<char32_t> Character() const;  // a string of exactly one

  absl::StatusOr<std::string> StringAt(absl::string_view key) const;
  absl::StatusOr<std::string> StringOr(absl::string_view key, absl::string_view otherwise) const;
  absl::StatusOr<bool> BoolAt(absl::string_view key) const;
  absl::StatusOr<bool> BoolOr(absl::string_view key, bool otherwise) const;
  absl::StatusOr<int64_t> IntegerOr(absl::string_view key, int64_t otherwise) const;

  // "tokenizer.json: model.vocab: WHAT"
  absl::Status Error(absl::string_view what) const;
  absl::Status Unknown(absl::string_view what) const;  // the same, kUnimplemented

 private:
  JsonValue value_;
  std::string where_;  // "tokenizer.json: model.vocab"
};

// make(object) for each object of the list `key`: the parts of a "Sequence".
template <typename Part>
absl::StatusOr<std::vector<std::unique_ptr<Part>>> MakeEach(
    const JsonField& field, absl::string_view key,
    absl::StatusOr<std::unique_ptr<Part>> (*make)(const JsonField& object)) {
  ASSIGN_OR_RETURN(const JsonField list, field.At(key));
  ASSIGN_OR_RETURN(const std::vector<JsonField> elements, list.Elements());
  std::vector<std::unique_ptr<Part>> parts;
  for (const JsonField& element : elements) {
    RETURN_IF_ERROR(element.Expect(JsonKind::kObject));
    ASSIGN_OR_RETURN(parts.emplace_back(), make(element));
  }
  return parts;
}

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_JSON_H_
