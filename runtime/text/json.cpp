#include "runtime/text/json.h"

#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

// Components are built by recursion over the file.
constexpr size_t kMaxDepth = 100;

// nlohmann's parser calls these; no exception is thrown on the way.
class Builder {
 public:
  explicit Builder(JsonDocument* doc) : doc_(doc) {}

  bool null() { return Add({.kind = JsonKind::kNull}); }
  bool boolean(bool v) { return Add({.kind = JsonKind::kBool, .integer = v}); }
  bool number_integer(int64_t v) { return Add({.kind = JsonKind::kInteger, .integer = v}); }
  bool number_unsigned(uint64_t v) {
    const uint64_t max = std::numeric_limits<int64_t>::max();
    if (v > max) {
      return AddText(JsonKind::kFloat, std::to_string(v));
    }
    return number_integer(static_cast<int64_t>(v));
  }
  bool number_float(double, const std::string& spelling) { return AddText(JsonKind::kFloat, spelling); }
  bool string(const std::string& v) { return AddText(JsonKind::kString, v); }
  bool binary(const nlohmann::json::binary_t&) { return false; }
  bool start_object(size_t) { return Open(JsonKind::kObject); }
  bool start_array(size_t) { return Open(JsonKind::kArray); }
  bool end_object() { return Close(); }
  bool end_array() { return Close(); }
  bool key(const std::string& v) {
    AppendText(JsonKind::kString, v);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 9: …": the tag says nothing to a user.
    error = e.what();
    const size_t tag = error.find("] ");
    error = tag == std::string::npos ? error : error.substr(tag + 2);
    error = error.empty() ? absl::StrCat("broken at byte ", position) : error;
    return false;
  }

  std::string error;

 private:
  void AppendText(JsonKind kind, const std::string& v) {
    doc_->nodes.push_back(
        {.kind = kind, .begin = static_cast<uint32_t>(doc_->arena.size()), .size = static_cast<uint32_t>(v.size())});
    doc_->arena.append(v);
  }
  bool AddText(JsonKind kind, const std::string& v) {
    CountChild();
    AppendText(kind, v);
    return true;
  }
  bool Add(JsonNode node) {
    CountChild();
    doc_->nodes.push_back(node);
    return true;
  }
  bool Open(JsonKind kind) {
    if (open_.size() >= kMaxDepth) {
      error = absl::StrCat("nested deeper than ", kMaxDepth);
      return false;
    }
    Add({.kind = kind});
    open_.push_back(doc_->nodes.size() - 1);
    return true;
  }
  bool Close() {
    doc_->nodes[open_.back()].next = static_cast<uint32_t>(doc_->nodes.size() - open_.back());
    open_.pop_back();
    return true;
  }
  void CountChild() {
    if (!open_.empty()) {
      ++doc_->nodes[open_.back()].size;
    }
  }

  JsonDocument* doc_;
  std::vector<size_t> open_;  // indices of the arrays and objects around
};

const char* Describe(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "a boolean";
    case JsonKind::kInteger:
      return "an integer";
    case JsonKind::kFloat:
      return "a number with a fraction or beyond 64 bits";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kObject:
      return "an object";
  }
  return "nothing";
}

}  // namespace

absl::StatusOr<JsonDocument> JsonDocument::Parse(absl::string_view text, absl::string_view name) {
  if (text.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": larger than 4 GiB"));
  }
  JsonDocument doc;
  doc.name = std::string(name);
  doc.nodes.reserve(text.size() / 6 + 1);
  doc.arena.reserve(text.size() / 2 + 1);
  Builder builder(&doc);
  if (!nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &builder)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": not valid JSON: ", builder.error));
  }
  return doc;
}

absl::StatusOr<JsonDocument> JsonDocument::Read(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  }
  std::string text;
  char buffer[1 << 16];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof(buffer), file)) > 0) {
    text.append(buffer, n);
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) {
    return absl::DataLossError(absl::StrCat(path, ": cannot be read"));
  }
  return Parse(text, name);
}

JsonField JsonDocument::root() const { return JsonField(JsonValue(this, nodes.data()), name); }

absl::Status JsonField::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(where_, ": ", what));
}

absl::Status JsonField::Unknown(absl::string_view what) const {
  return absl::UnimplementedError(absl::StrCat(where_, ": ", what));
}

absl::Status JsonField::Expect(JsonKind kind) const {
  if (value_.kind() == kind) {
    return absl::OkStatus();
  }
  return Error(absl::StrCat("expected ", Describe(kind), ", found ", Describe(value_.kind())));
}

JsonField JsonField::Find(absl::string_view key) const {
  JsonValue found;
  if (value_.kind() == JsonKind::kObject) {
    value_.ForEachMember([&](absl::string_view k, JsonValue v) { found = k == key ? v : found; });
  }
  const absl::string_view separator = absl::StrContains(where_, ": ") ? "." : ": ";
  return JsonField(found, absl::StrCat(where_, separator, key));
}

absl::StatusOr<JsonField> JsonField::At(absl::string_view key) const {
  RETURN_IF_ERROR(Expect(JsonKind::kObject));
  JsonField field = Find(key);
  if (!field.present()) {
    return field.Error("missing");
  }
  return field;
}

absl::StatusOr<std::vector<JsonField>> JsonField::Elements() const {
  RETURN_IF_ERROR(Expect(JsonKind::kArray));
  std::vector<JsonField> elements;
  value_.ForEachElement(
      [&](JsonValue v) { elements.emplace_back(v, absl::StrCat(where_, "[", elements.size(), "]")); });
  return elements;
}

absl::StatusOr<std::string> JsonField::String() const {
  RETURN_IF_ERROR(Expect(JsonKind::kString));
  return std::string(value_.text());
}

absl::StatusOr<bool> JsonField::Bool() const {
  RETURN_IF_ERROR(Expect(JsonKind::kBool));
  return value_.integer() != 0;
}

absl::StatusOr<int64_t> JsonField::Integer() const {
  RETURN_IF_ERROR(Expect(JsonKind::kInteger));
  return value_.integer();
}

absl::StatusOr<double> JsonField::Number() const {
  if (value_.kind() == JsonKind::kInteger) {
    return static_cast<double>(value_.integer());
  }
  double number;
  if (value_.kind() != JsonKind::kFloat || !absl::SimpleAtod(value_.text(), &number)) {
    return Error(absl::StrCat("expected a number, found ", Describe(value_.kind())));
  }
  return number;
}

absl::StatusOr<char32_t> JsonField::Character() const {
  RETURN_IF_ERROR(Expect(JsonKind::kString));
  const absl::string_view text = value_.text();
  size_t pos = 0;
  const char32_t c = text.empty() ? 0 : NextChar(text, &pos);
  if (text.empty() || pos != text.size()) {
    return Error(absl::StrCat("expected one character, found \"", text, "\""));
  }
  return c;
}

absl::StatusOr<std::string> JsonField::StringAt(absl::string_view key) const {
  ASSIGN_OR_RETURN(JsonField field, At(key));
  return field.String();
}

absl::StatusOr<std::string> JsonField::StringOr(absl::string_view key, absl::string_view otherwise) const {
  const JsonField field = Find(key);
  return field.present() ? field.String() : std::string(otherwise);
}

absl::StatusOr<bool> JsonField::BoolAt(absl::string_view key) const {
  ASSIGN_OR_RETURN(JsonField field, At(key));
  return field.Bool();
}

absl::StatusOr<bool> JsonField::BoolOr(absl::string_view key, bool otherwise) const {
  const JsonField field = Find(key);
  return field.present() ? field.Bool() : otherwise;
}

absl::StatusOr<int64_t> JsonField::IntegerOr(absl::string_view key, int64_t otherwise) const {
  const JsonField field = Find(key);
  return field.present() ? field.Integer() : otherwise;
}

}  // namespace sluice::text
