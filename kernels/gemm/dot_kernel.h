// The dot form of a contraction (gemm_ops.h): both operands contiguous along k.  Compiled once per instruction set.
//
// Each output has one accumulator of kLanes partial sums (lane l sums k ≡ l mod kLanes, upwards), reduced by
// ReduceAdd's fixed tree, so neither kRows nor kCols can change it.  Registers: AVX-512 4 × 6 = 24 accumulators, AVX2 3
// × 4 = 12.
#ifndef SLUICE_KERNELS_GEMM_DOT_KERNEL_H_
#define SLUICE_KERNELS_GEMM_DOT_KERNEL_H_

#include "kernels/gemm/gemm_ops.h"
#include "kernels/simd/vec.h"

namespace sluice::kernels::SLUICE_ISA {

template <typename W, int kRows, int kCols>
void DotKernel(const DotArgs& a) {
  VF acc[kRows][kCols];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      acc[r][c] = Zero();
    }
  }
  const float* x = a.x;
  const W* w = static_cast<const W*>(a.w);
  const int64_t whole = a.k / kLanes * kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
    VF xv[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      xv[r] = Load(x + r * a.x_row + k);
    }
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      const VF wv = Load(w + c * a.w_row + k);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        acc[r][c] = Fma(xv[r], wv, acc[r][c]);
      }
    }
  }
  if (whole < a.k) {
    const int64_t rest = a.k - whole;
    VF xv[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      xv[r] = LoadN(x + r * a.x_row + whole, rest);
    }
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      const VF wv = LoadN(w + c * a.w_row + whole, rest);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        acc[r][c] = Fma(xv[r], wv, acc[r][c]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      a.out[r * a.out_row + c] = ReduceAdd(acc[r][c]);
    }
  }
}

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_DOT_KERNEL_H_
