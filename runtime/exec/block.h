// Memory that grows and is reused: arenas, caches, results.
//
//   Block arena(&counters);
//   RETURN_IF_ERROR(arena.Reserve(1 << 20));   // allocates; a smaller Reserve later does nothing
#ifndef SLUICE_RUNTIME_EXEC_BLOCK_H_
#define SLUICE_RUNTIME_EXEC_BLOCK_H_

#include <cstdint>
#include <utility>

#include "runtime/base/status.h"

namespace sluice::exec {

// What a context has cost so far: tests assert that a steady state adds nothing.
struct Counters {
  int64_t plans_made = 0;
  int64_t allocations = 0;
  int64_t bytes_allocated = 0;  // over all allocations
  int64_t launches = 0;         // kernels run
  int64_t queue_ns = 0;         // on a GPU: from the start of a run until all its work is queued, without waits
};

// Owned, 64-byte aligned, uninitialised.  Move-only.
class Block {
 public:
  explicit Block(Counters* counters) : counters_(counters) {}
  Block(Block&& other) noexcept
      : counters_(other.counters_),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(counters_, other.counters_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Block();

  // At least `bytes`; the content is lost when it grows.  kResourceExhausted.
  absl::Status Reserve(int64_t bytes);
  // The same, keeping the first `keep` bytes.
  absl::Status Grow(int64_t bytes, int64_t keep);

  // An empty one that counts where `other` does.
  static Block Like(const Block& other) { return Block(other.counters_); }

  uint8_t* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  Counters* counters_;
  uint8_t* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_BLOCK_H_
