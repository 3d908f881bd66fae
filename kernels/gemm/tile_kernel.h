// The tile form of a contraction (gemm_ops.h): an outer product of kRows broadcast activations and kTiles·16 weights
// per k, all accumulators in registers.  Compiled once per instruction set.
//
// Registers: AVX-512 14 rows × 2 tiles = 28 of 32, AVX2 6 rows × 1 tile (2 vectors) = 12 of 16.  Every output is one
// chain of FMAs over k, so neither kRows nor kTiles can change it.
#ifndef SLUICE_KERNELS_GEMM_TILE_KERNEL_H_
#define SLUICE_KERNELS_GEMM_TILE_KERNEL_H_

#include "kernels/gemm/gemm_ops.h"
#include "kernels/simd/vec.h"

namespace sluice::kernels::SLUICE_ISA {

inline constexpr int kVecs = static_cast<int>(kTile) / kLanes;  // vectors of a tile's 16 columns

// x[r][k] is at r * kXRow + k * kXStep: constants, so that one pointer walks all rows.
template <typename W, int kRows, int kTiles, int kXRow, int kXStep>
void TileKernel(const TileArgs& a) {
  constexpr int kCols = kTiles * kVecs;
  VF acc[kRows][kCols];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const VF start = a.row_bias != nullptr ? Set1(a.row_bias[r]) : Zero();
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      acc[r][c] = a.accumulate ? LoadN(a.out + r * a.out_row + c * kLanes, a.cols - c * kLanes) : start;
    }
  }
  const float* x = a.x;
  const W* w = static_cast<const W*>(a.w);
  const int64_t tile = a.w_tile;
#pragma unroll 2
  for (int64_t k = 0; k < a.k; ++k) {
    VF wv[kCols];
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      wv[c] = Load(w + (c / kVecs) * tile + (c % kVecs) * kLanes);
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const VF xv = Set1(x[r * kXRow]);
#pragma unroll
      for (int c = 0; c < kCols; ++c) {
        acc[r][c] = Fma(xv, wv[c], acc[r][c]);
      }
    }
    x += kXStep;
    w += a.w_k;
  }
  const bool whole = a.cols == kTiles * kTile;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    float* out = a.out + r * a.out_row;
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      if (whole) {
        Store(out + c * kLanes, acc[r][c]);
      } else if (a.cols > c * kLanes) {
        StoreN(out + c * kLanes, acc[r][c], a.cols - c * kLanes);
      }
    }
  }
}

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_TILE_KERNEL_H_
