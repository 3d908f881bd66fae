#include "runtime/exec/block.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace sluice::exec {
namespace {

constexpr int64_t kHugePage = 2 << 20;

uint8_t* Allocate(int64_t bytes) {
  // Huge pages save most of the address translations of a big arena; small blocks stay small.
  const int64_t alignment = bytes >= 2 * kHugePage ? kHugePage : 64;
  const int64_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(rounded));
  if (data != nullptr && alignment == kHugePage) {
    madvise(data, static_cast<size_t>(rounded), MADV_HUGEPAGE);
  }
  return static_cast<uint8_t*>(data);
}

}  // namespace

Block::~Block() { std::free(data_); }

absl::Status Block::Reserve(int64_t bytes) {
  if (bytes <= bytes_) {
    return absl::OkStatus();
  }
  std::free(data_);
  data_ = nullptr;
  bytes_ = 0;
  return Grow(bytes, 0);
}

absl::Status Block::Grow(int64_t bytes, int64_t keep) {
  if (bytes <= bytes_) {
    return absl::OkStatus();
  }
  uint8_t* data = bytes > (int64_t{1} << 56) ? nullptr : Allocate(bytes);
  if (data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrFormat("no memory for %d bytes (use smaller sizes)", bytes));
  }
  if (keep > 0) {
    std::memcpy(data, data_, static_cast<size_t>(std::min(keep, bytes_)));
  }
  std::free(data_);
  data_ = data;
  bytes_ = bytes;
  counters_->allocations += 1;
  counters_->bytes_allocated += bytes;
  return absl::OkStatus();
}

}  // namespace sluice::exec
