// A cache that lives in a context and grows along one axis: keys and values of one layer.
//
// Bytes: row-major over the sizes, with the capacity in place of the size along the axis, so that an append touches
// only new positions.  [2, 4, past, 16] with 9 positions in use and capacity 64 is [2, 4, 64, 16], 9 of each 64 valid.
#ifndef SLUICE_RUNTIME_EXEC_STATE_H_
#define SLUICE_RUNTIME_EXEC_STATE_H_

#include <array>
#include <cstdint>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/exec/block.h"
#include "runtime/exec/sizes.h"

namespace sluice::exec {

class StateBuffer {
 public:
  StateBuffer(const StateDesc& desc, Counters* counters) : desc_(desc), block_(counters) {}

  // Room for `positions` along the axis, with the other dimensions of `sizes` (its entry at the axis is not read).
  // Keeps what it holds, unless told that its bytes are elsewhere; rounds the capacity up.  kFailedPrecondition when it
  // holds positions of other sizes.
  absl::Status Reserve(const std::array<int64_t, kernels::kMaxRank>& sizes, int64_t positions, bool keep = true);

  // Takes a dense past from the caller, whatever was held before, and makes room for `positions`.
  absl::Status CopyIn(const kernels::Tensor& past, int64_t positions);

  // The first `length` positions, as a strided view.
  kernels::Tensor View(int64_t length) const;

  int64_t length() const { return shape_.length; }
  void set_length(int64_t length) { shape_.length = length; }
  const StateSizes& shape() const { return shape_; }
  int64_t capacity() const { return capacity_; }
  int64_t bytes() const { return block_.bytes(); }
  uint8_t* data() const { return block_.data(); }
  // How the bytes lie: `rows` runs of one position's bytes after the other, `pitch` bytes apart.
  struct Rows {
    int64_t rows = 0, pitch = 0, position = 0;
  };
  Rows layout() const;
  // Elements from one index of dimension d to the next.
  int64_t stride(int d) const { return strides_[d]; }
  // Forgets everything but the memory.
  void Reset();

 private:
  bool SameSizes(const std::array<int64_t, kernels::kMaxRank>& sizes) const;
  int64_t Layout(int64_t capacity);  // sets strides, returns bytes

  const StateDesc& desc_;
  Block block_;
  StateSizes shape_;
  int64_t capacity_ = 0;
  std::array<int64_t, kernels::kMaxRank> strides_{};
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_STATE_H_
