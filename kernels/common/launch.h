// Small helpers every kernel's `run` needs: optional operands, how finely to split a loop, errors from parallel code.
#ifndef SLUICE_KERNELS_COMMON_LAUNCH_H_
#define SLUICE_KERNELS_COMMON_LAUNCH_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <span>

#include "kernels/desc.h"

namespace sluice::kernels {

// The operand, or null when it is absent.
inline const Tensor* Optional(std::span<const Tensor> operands, size_t i) {
  return i < operands.size() && operands[i].present() ? &operands[i] : nullptr;
}

// Items a thread should take at once when one costs about `cost` (bytes moved or multiplications done): below some
// tens of thousands a second thread costs more than it gives.
inline int64_t Grain(int64_t cost) { return std::max<int64_t>(1, 32768 / std::max<int64_t>(1, cost)); }

// Product of sizes[from, to).
inline int64_t SizesProduct(const Tensor& t, int from, int to) {
  int64_t n = 1;
  for (int d = from; d < to; ++d) {
    n *= t.sizes[d];
  }
  return n;
}

// `axis` counted from the front.  Axes were checked by the compiler; this keeps a wrong one from reading beside.
inline absl::StatusOr<int> Axis(int64_t axis, int rank) {
  const int64_t a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank) {
    return absl::InvalidArgumentError(absl::StrCat("axis: ", axis, " is not one of a tensor of rank ", rank));
  }
  return static_cast<int>(a);
}

// Collects the first (by position) of the faults that threads find: the same one whatever the number of threads.
class FirstFault {
 public:
  void Record(int64_t position) {
    int64_t seen = first_.load(std::memory_order_relaxed);
    while (position < seen && !first_.compare_exchange_weak(seen, position, std::memory_order_relaxed)) {
    }
  }
  bool any() const { return position() != std::numeric_limits<int64_t>::max(); }
  int64_t position() const { return first_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> first_{std::numeric_limits<int64_t>::max()};
};

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_COMMON_LAUNCH_H_
