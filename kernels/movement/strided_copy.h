// Copies between two strided views of the same sizes: what transposes, slices, broadcasts and concatenations are.
//
//   CopyLoops loops;                       // out[j][i] = in[i][j]: a [3, 5] transposed
//   loops.Add(/*size=*/5, /*in=*/1, /*out=*/3);
//   loops.Add(3, 5, 1);
//   StridedCopy(loops, in, out, /*bits=*/32, pool);
#ifndef SLUICE_KERNELS_MOVEMENT_STRIDED_COPY_H_
#define SLUICE_KERNELS_MOVEMENT_STRIDED_COPY_H_

#include <array>
#include <cstdint>

#include "kernels/desc.h"

namespace sluice::kernels {

// A loop nest, outermost first; strides and offsets in elements.  In-strides may be 0 (broadcast) or negative.
struct CopyLoops {
  static constexpr int kMaxLoops = 2 * kMaxRank;  // tile has two loops a dimension
  int rank = 0;
  std::array<int64_t, kMaxLoops> sizes{};
  std::array<int64_t, kMaxLoops> in{};
  std::array<int64_t, kMaxLoops> out{};
  int64_t in_offset = 0;
  int64_t out_offset = 0;

  void Add(int64_t size, int64_t in_stride, int64_t out_stride) {
    sizes[rank] = size;
    in[rank] = in_stride;
    out[rank++] = out_stride;
  }
};

// `bits` is the width of an element: 4 (packed, low nibble first), 8, 16, 32 or 64.  No two iterations may write one
// element.  `in` and `out` must not overlap.
void StridedCopy(CopyLoops loops, const void* in, void* out, int bits, ThreadPool* pool);

// Copies a contiguous run of bytes with all threads.
void ParallelMemcpy(const void* in, void* out, int64_t bytes, ThreadPool* pool);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_MOVEMENT_STRIDED_COPY_H_
