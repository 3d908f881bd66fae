// Lists that flags give.
#include <algorithm>
#include <charconv>

#include "tools/sluice-bench/bench.h"

namespace sluice::tools {

absl::StatusOr<Dims> ParseDims(const std::string& text) {
  Dims dims;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    const size_t equals = std::min(part.find('='), part.size());
    const char* first = part.data() + std::min(equals + 1, part.size());
    const char* last = part.data() + part.size();
    int64_t value = 0;
    const auto [p, error] = std::from_chars(first, last, value);
    if (equals == 0 || error != std::errc() || p != last || value < 0) {
      return absl::InvalidArgumentError("--dims: '" + part + "' (give NAME=SIZE,NAME=SIZE)");
    }
    dims[part.substr(0, equals)] = value;
    at = end + 1;
  }
  return dims;
}

absl::StatusOr<std::vector<int64_t>> ParseList(const std::string& text, const std::string& flag) {
  std::vector<int64_t> values;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 1 || (next != end && *next != ',')) {
      return absl::InvalidArgumentError(flag + ": '" + text + "' (give numbers like 1,8,32)");
    }
    values.push_back(value);
    at = next == end ? end : next + 1;
  }
  return values;
}

}  // namespace sluice::tools
