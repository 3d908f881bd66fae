// C = epilogue(A B) of 8-bit codes of any sizes and strides, summed exactly in s32: what tensor maps cannot describe.
//
// Codes go through registers into shared memory and are multiplied by mma.sync, 32 of the depth at a time.
#pragma once
#include "kernels/gemm/gemm_any.cuh"

namespace sl {

struct CodesPlan {
  static constexpr int kRows = 64, kCols = 64, kDepth = 64;
  static constexpr int kThreads = 128, kBlocks = 3;  // of an SM, at least
  static constexpr int kDown = 2, kAcross = 4;       // 16 x 8 blocks of each of 2 x 2 warps
  static constexpr int kPitch = kDepth + 16;         // the 8 rows and 4 words of a fragment meet 32 banks
};

// One tile of one matrix; b is seen as [n, k].  CodesPlan::kThreads threads; `out` is dense.
template <class P, class A, class B, class Out, class Epilogue>
SL_DEVICE void gemm_codes(A a, B b, Out* out, int tile_row, int tile_col, int batch, const GemmSizes& sizes,
                          const Epilogue& epilogue) {
  using Left = typename A::Element;
  using Right = typename B::Element;
  __shared__ alignas(16) Left left[2][P::kRows][P::kPitch];
  __shared__ alignas(16) Right right[2][P::kCols][P::kPitch];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = lane / 4, quad = lane % 4;
  const int row0 = warp / 2 * P::kDown * 16, col0 = warp % 2 * P::kAcross * 8;
  BlockLoader<P::kRows, P::kDepth, P::kThreads, A> load_a{a, tile_row * P::kRows, sizes.m, sizes.k};
  BlockLoader<P::kCols, P::kDepth, P::kThreads, B> load_b{b, tile_col * P::kCols, sizes.n, sizes.k};
  auto word = [](const auto& at) { return *reinterpret_cast<const uint32_t*>(&at); };
  int32_t sums[P::kDown][P::kAcross][4] = {};
  const int blocks = ceil_div(sizes.k, P::kDepth);
  load_a.fetch(0), load_b.fetch(0);
  for (int s = 0; s < blocks; ++s) {  // the buffer written now was last read before the barrier of the step before
    load_a.put(left[s % 2]), load_b.put(right[s % 2]);
    __syncthreads();
    load_a.fetch((s + 1) * P::kDepth), load_b.fetch((s + 1) * P::kDepth);
#pragma unroll
    for (int step = 0; step < P::kDepth / 32; ++step) {
      const int k = step * 32 + quad * 4;
      uint32_t rows[P::kDown][4];
#pragma unroll
      for (int i = 0; i < P::kDown; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          rows[i][j] = word(left[s % 2][row0 + i * 16 + group + j % 2 * 8][k + j / 2 * 16]);
        }
#pragma unroll
      for (int j = 0; j < P::kAcross; ++j) {
        const Right* const col = &right[s % 2][col0 + j * 8 + group][k];
#pragma unroll
        for (int i = 0; i < P::kDown; ++i) {
          mma_16x8x32<Left, Right>(sums[i][j], rows[i], word(col[0]), word(col[16]));
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < P::kDown; ++i)
#pragma unroll
    for (int j = 0; j < P::kAcross; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = tile_row * P::kRows + row0 + i * 16 + group + half * 8;
        const int col = tile_col * P::kCols + col0 + j * 8 + quad * 2;
        const PairOf<int32_t> pair{sums[i][j][2 * half], sums[i][j][2 * half + 1]};
        store_result(finish(epilogue, pair, row, col, batch, sizes), out, row, col, batch, sizes.m, sizes.n);
      }
}

}  // namespace sl
