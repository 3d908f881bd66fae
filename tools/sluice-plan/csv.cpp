#include "tools/sluice-plan/csv.h"

#include <charconv>
#include <optional>

namespace sluice::tools {
namespace {

// The sum of all sizes, and so every offset, stays far from overflow, also after rounding up.
constexpr int64_t kMaxTotal = int64_t{1} << 60;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else if (c != '\r' && c != ' ' && c != '\t') {
      parts.back() += c;
    }
  }
  return parts;
}

std::string Join(const std::vector<std::string>& fields, std::optional<size_t> without) {
  std::string out;
  bool first = true;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i != without) {
      out += (first ? "" : ",") + fields[i];
      first = false;
    }
  }
  return out;
}

std::optional<size_t> Column(const std::vector<std::string>& header, const std::string& name) {
  for (size_t i = 0; i < header.size(); ++i) {
    if (header[i] == name) {
      return i;
    }
  }
  return std::nullopt;
}

absl::StatusOr<int64_t> Field(const std::vector<std::string>& fields, size_t column, const std::string& where) {
  const std::string& text = fields[column];
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size()) {
    return absl::InvalidArgumentError(where + ": \"" + text + "\" is not a whole number (give one of 64 bits)");
  }
  return value;
}

}  // namespace

absl::StatusOr<BufferFile> ParseBufferFile(const std::string& text, const std::string& path) {
  BufferFile file;
  std::vector<std::string> header;
  std::optional<size_t> columns[3];
  static constexpr const char* kNames[3] = {"lower", "upper", "size"};
  int64_t total = 0;
  size_t number = 0;
  for (size_t at = 0; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::vector<std::string> fields = Split(text.substr(at, end - at), ',');
    at = end + 1;
    const std::string where = absl::StrCat(path, ":", number + 1);
    if (fields.size() == 1 && fields[0].empty()) {
      continue;
    }
    if (header.empty()) {
      header = fields;
      for (int i = 0; i < 3; ++i) {
        columns[i] = Column(header, kNames[i]);
        if (!columns[i]) {
          return absl::InvalidArgumentError(where + ": no column \"" + kNames[i] +
                                            "\" (the first line is id,lower,upper,size)");
        }
      }
      file.header = Join(header, Column(header, "offset"));
      continue;
    }
    if (fields.size() != header.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": ", fields.size(), " fields (the first line has ", header.size(), ")"));
    }
    int64_t values[3];
    for (int i = 0; i < 3; ++i) {
      ASSIGN_OR_RETURN(values[i], Field(fields, *columns[i], where + ": " + kNames[i]));
    }
    const auto [lower, upper, size] = values;
    if (lower > upper) {
      return absl::InvalidArgumentError(where + ": upper: is before lower (give lower <= upper)");
    }
    if (size < 0 || __builtin_add_overflow(total, size, &total) || total > kMaxTotal) {
      return absl::InvalidArgumentError(where + ": size: is negative, or all sizes exceed 2^60 (give bytes)");
    }
    file.buffers.push_back({lower, upper, size});
    file.lines.push_back(Join(fields, Column(header, "offset")));
  }
  if (header.empty()) {
    return absl::InvalidArgumentError(path + ":1: the file is empty (the first line is id,lower,upper,size)");
  }
  return file;
}

std::string WithOffsets(const BufferFile& file, const std::vector<int64_t>& offsets) {
  std::string out = file.header + ",offset\n";
  for (size_t i = 0; i < offsets.size(); ++i) {
    absl::StrAppend(&out, file.lines[i], ",", offsets[i], "\n");
  }
  return out;
}

}  // namespace sluice::tools
