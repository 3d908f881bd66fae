// The loops of a reduction: dimensions of size 1 dropped, neighbours that are both kept or both reduced merged.
//
//   [2, 3, 4, 5] over {1, 2}:  kept {2 (stride 60), 5 (stride 1)}, reduced {12 (stride 5)}, columns = 5
#ifndef SLUICE_KERNELS_REDUCE_REDUCE_PLAN_H_
#define SLUICE_KERNELS_REDUCE_REDUCE_PLAN_H_

#include <array>

#include "kernels/desc.h"

namespace sluice::kernels {

struct LoopNest {
  int rank = 0;
  std::array<int64_t, kMaxRank> sizes{};
  std::array<int64_t, kMaxRank> strides{};

  int64_t count() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) {
      n *= sizes[d];
    }
    return n;
  }
  // The offset of iteration i, row-major.
  int64_t Offset(int64_t i) const {
    int64_t offset = 0;
    for (int d = rank - 1; d >= 0; --d) {
      offset += i % sizes[d] * strides[d];
      i /= sizes[d];
    }
    return offset;
  }
};

struct ReducePlan {
  LoopNest kept;        // outer kept dimensions
  LoopNest reduced;     // outer reduced dimensions
  int64_t columns = 1;  // innermost kept dimension (its elements are neighbours), when that is the last one
  int64_t run = 1;      // innermost reduced dimension, when that is the last one; one of columns and run is 1
  int64_t count = 1;    // elements that one result is made of
};

// x is dense; bit d of `axes`: dimension d is reduced.
ReducePlan PlanReduce(const Tensor& x, uint32_t axes);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_REDUCE_REDUCE_PLAN_H_
