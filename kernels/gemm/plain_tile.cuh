// A product on CUDA cores whose operands are computed as they are read (coded weights).  Tiles of 64 × 64, 16 deep; sums
// run along k in order, so a row's result does not depend on the others.
#pragma once
#include "kernels/device/index.cuh"

namespace sl {

// One matrix of a product: element (i, j) at i · row + j · col.
template <typename T>
struct PlainMatrix {
  const T* data;
  int64_t row, col;
  __device__ __forceinline__ wide<T> operator()(int64_t i, int64_t j) const { return widen(data[i * row + j * col]); }
};

// Tile (tile_m, tile_n) of out[m, n] = a(m, k) · b(k, n); `put(i, j, sum)` stores.  256 threads.  along_a, along_b:
// neighbours in memory lie along k.
template <typename M, typename A, typename B, typename Put>
__device__ __forceinline__ void plain_tile(A a, bool along_a, B b, bool along_b, int64_t m, int64_t n, int64_t k,
                                           int64_t tile_m, int64_t tile_n, Put put) {
  constexpr int kTile = 64, kDepth = 16;
  __shared__ M left[kDepth][kTile + 1], right[kDepth][kTile + 1];
  const int thread = threadIdx.x, ty = thread / 16, tx = thread % 16;
  const int64_t m0 = tile_m * kTile, n0 = tile_n * kTile;
  M sum[4][4] = {};
  for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
    // Neighbouring threads read neighbours in memory.
#pragma unroll
    for (int e = thread; e < kDepth * kTile; e += 256) {
      const int ai = along_a ? e / kDepth : e % kTile, ak = along_a ? e % kDepth : e / kTile;
      left[ak][ai] = m0 + ai < m && k0 + ak < k ? static_cast<M>(a(m0 + ai, k0 + ak)) : M(0);
      const int bj = along_b ? e / kDepth : e % kTile, bk = along_b ? e % kDepth : e / kTile;
      right[bk][bj] = n0 + bj < n && k0 + bk < k ? static_cast<M>(b(k0 + bk, n0 + bj)) : M(0);
    }
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      M u[4], v[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        u[i] = left[d][ty + 16 * i];
        v[i] = right[d][tx + 16 * i];
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sum[i][j] += u[i] * v[j];
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (m0 + ty + 16 * i < m && n0 + tx + 16 * j < n) {
        put(m0 + ty + 16 * i, n0 + tx + 16 * j, sum[i][j]);
      }
    }
  }
}

}  // namespace sl
