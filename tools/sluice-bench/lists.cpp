// Lists that flags give.
#include <charconv>

#include "tools/sluice-bench/bench.h"

namespace sluice::tools {

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
