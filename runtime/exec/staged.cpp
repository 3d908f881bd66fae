#include "runtime/exec/staged.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace sluice::exec {
namespace {

constexpr int64_t kAlignment = 256;      // as memory of its own would have
constexpr int64_t kFurtherCopy = 65536;  // bytes that travel while the driver queues one more copy
constexpr int64_t kCompared = 4096;

// Where the two begin to differ, rounded down; n: nowhere.
int64_t Common(const uint8_t* a, const uint8_t* b, int64_t n) {
  int64_t i = 0;
  while (i < n && std::memcmp(a + i, b + i, static_cast<size_t>(std::min(kCompared, n - i))) == 0) {
    i += kCompared;
  }
  return std::min(i, n);
}

}  // namespace

bool Staged::Place(std::span<const int64_t> rooms) {
  bool fits = parts_.size() == rooms.size();
  parts_.resize(rooms.size());
  for (size_t p = 0; p < rooms.size(); ++p) {
    fits = fits && rooms[p] <= parts_[p].room;
  }
  if (fits) {
    return false;
  }
  changes_.clear();
  bytes_ = 0;
  for (size_t p = 0; p < rooms.size(); ++p) {
    parts_[p] = {.offset = bytes_, .room = std::max(rooms[p], parts_[p].room)};
    bytes_ += (parts_[p].room + kAlignment - 1) / kAlignment * kAlignment;
  }
  return true;
}

void Staged::Set(size_t index, const void* from_data, int64_t bytes, int64_t kept) {
  Part& part = parts_[index];
  uint8_t* const to = memory_ + part.offset;
  const uint8_t* const from = static_cast<const uint8_t*>(from_data);
  const int64_t held = std::min(bytes, part.held);
  kept = std::min(kept, held);
  const int64_t same = kept + Common(to + kept, from + kept, held - kept);
  if (same == bytes) {
    return;
  }
  std::memcpy(to + same, from + same, static_cast<size_t>(bytes - same));
  part.held = std::max(part.held, bytes);
  changes_.push_back({index, {part.offset + same, part.offset + bytes}});
}

void Staged::Forget(size_t part) {
  parts_[part].held = 0;
  std::erase_if(changes_, [&](const Change& change) { return change.part == part; });
}

// Neighbours go together with what lies between them.  That is theirs: a part between two others may be another's.
std::vector<Staged::Range>& Staged::TakeChanged() {
  std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) {
    return std::tie(a.part, a.range.begin) < std::tie(b.part, b.range.begin);
  });
  taken_.clear();
  for (size_t i = 0; i < changes_.size(); ++i) {
    const auto& [part, range] = changes_[i];
    if (i > 0 && part <= changes_[i - 1].part + 1 && range.begin - taken_.back().end <= kFurtherCopy) {
      taken_.back().end = std::max(taken_.back().end, range.end);
    } else {
      taken_.push_back(range);
    }
  }
  changes_.clear();
  return taken_;
}

}  // namespace sluice::exec
