// C = epilogue(A B) of any float types, sizes and strides: what tensor maps cannot describe, and f32.
//
// Operands go through registers into shared memory as f32 and are multiplied as tf32 (10 explicit bits) by mma.sync.  A
// 16-bit type is exact in one term; f32 is split, v = high + low, and low·high + high·low + high·high keeps 21 bits:
// "3xTF32".
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/gemm/gemm_epilogue.cuh"

namespace sl {

// Element (i, depth) lies at data[i * row + depth * col].  kDepthFirst: the depth is what usually lies dense, so a warp
// reads along it.
template <typename T, bool kDepthFirst_>
struct Matrix {
  using Element = T;
  static constexpr bool kDepthFirst = kDepthFirst_;
  const T* data;
  int64_t row, col;
};

// Where matrix `batch` of a tensor [..., rows, cols] begins.
template <typename T, int R>
SL_DEVICE T* matrix_of(const View<T, R>& view, int batch) {
  T* data = view.data;
#pragma unroll
  for (int d = R - 3; d >= 0; --d) {
    const int size = int(view.size(d));
    data += batch % size * view.stride(d);
    batch /= size;
  }
  return data;
}

// kTf32: f32 is not split, products keep 10 bits; kParts: of the epilogue
template <int kRows_, int kCols_, bool kTf32_, int kParts_>
struct AnyPlan {
  static constexpr bool kTf32 = kTf32_;
  static constexpr int kParts = kParts_;
  static constexpr int kRows = kRows_, kCols = kCols_;
  static constexpr int kDepth = kRows <= 16 ? 64 : kRows <= 64 ? 32 : 16;
  static constexpr int kWarpsDown = kRows <= 16 ? 1 : 2, kWarpsAcross = kRows <= 16 ? 4 : kCols / 32;
  static constexpr int kThreads = 32 * kWarpsDown * kWarpsAcross, kBlocks = kRows <= 16   ? 3
                                                                            : kRows <= 64 ? 2
                                                                                          : 1;  // of an SM, at least
  static constexpr int kDown = kRows / kWarpsDown / 16, kAcross = kCols / kWarpsAcross / 8;  // 16 x 8 blocks of a warp
  static constexpr int kPitch = kDepth + 4;  // the 8 rows and 4 columns of a fragment meet 32 banks
  static_assert(kAcross % kParts == 0);
};

// One [kRows, kDepth] block of an operand; a thread holds kEach elements, kStep apart in one dimension.
template <int kRows, int kDepth, int kThreads, class From>
struct BlockLoader {
  static constexpr int kEach = kRows * kDepth / kThreads, kStep = kThreads / (From::kDepthFirst ? kDepth : kRows);
  using Held = typename SumOf<typename From::Element>::type;
  From from;
  int row0, rows, depth;
  Held held[kEach];

  SL_DEVICE int row(int i) const { return From::kDepthFirst ? threadIdx.x / kDepth + i * kStep : threadIdx.x % kRows; }
  SL_DEVICE int col(int i) const { return From::kDepthFirst ? threadIdx.x % kDepth : threadIdx.x / kRows + i * kStep; }
  SL_DEVICE void fetch(int depth0) {
    const typename From::Element* p = from.data + (row0 + row(0)) * from.row + (depth0 + col(0)) * from.col;
    const int64_t step = kStep * (From::kDepthFirst ? from.row : from.col);
#pragma unroll
    for (int i = 0; i < kEach; ++i, p += step) {
      held[i] = row0 + row(i) < rows && depth0 + col(i) < depth ? as_held(*p) : Held(0);
    }
  }
  template <typename T, int kPitch>
  SL_DEVICE void put(T (&to)[kRows][kPitch]) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      to[row(i)][col(i)] = static_cast<T>(held[i]);
    }
  }

 private:
  static SL_DEVICE Held as_held(typename From::Element x) {
    if constexpr (sizeof(x) == 1) {
      return x;
    } else {
      return to_float(x);
    }
  }
};

template <class P, bool kSplit>
SL_DEVICE void multiply_block(float (&sums)[P::kDown][P::kAcross][4], const float (&a)[P::kRows][P::kPitch],
                              const float (&b)[P::kCols][P::kPitch], int row0, int col0) {
  const int lane = threadIdx.x % 32, group = lane / 4, quad = lane % 4;
#pragma unroll 1
  for (int k = 0; k < P::kDepth; k += 8) {
    uint32_t high[P::kDown][4], low[P::kDown][4];
#pragma unroll
    for (int i = 0; i < P::kDown; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const SplitTf32 v(a[row0 + i * 16 + group + j % 2 * 8][k + quad + j / 2 * 4]);
        high[i][j] = v.high, low[i][j] = v.low;
      }
#pragma unroll
    for (int j = 0; j < P::kAcross; ++j) {
      const SplitTf32 b0(b[col0 + j * 8 + group][k + quad]), b1(b[col0 + j * 8 + group][k + quad + 4]);
#pragma unroll
      for (int i = 0; i < P::kDown; ++i) {
        if constexpr (kSplit) {
          mma_16x8x8_tf32(sums[i][j], low[i], b0.high, b1.high);
          mma_16x8x8_tf32(sums[i][j], high[i], b0.low, b1.low);
        }
        mma_16x8x8_tf32(sums[i][j], high[i], b0.high, b1.high);
      }
    }
  }
}

// One tile of one matrix; b is seen as [n, k].  AnyPlan::kThreads threads; `out` is dense.
template <class P, class A, class B, class Out, class Epilogue>
SL_DEVICE void gemm_any(A a, B b, Out* out, int tile_row, int tile_col, int batch, const GemmSizes& sizes,
                        const Epilogue& epilogue) {
  constexpr bool kSplit = !P::kTf32 && (sizeof(typename A::Element) > 2 || sizeof(typename B::Element) > 2);
  __shared__ float shared_a[2][P::kRows][P::kPitch], shared_b[2][P::kCols][P::kPitch];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int row0 = warp / P::kWarpsAcross * P::kDown * 16, col0 = warp % P::kWarpsAcross * P::kAcross * 8;
  BlockLoader<P::kRows, P::kDepth, P::kThreads, A> load_a{a, tile_row * P::kRows, sizes.m, sizes.k};
  BlockLoader<P::kCols, P::kDepth, P::kThreads, B> load_b{b, tile_col * P::kCols, sizes.n, sizes.k};
  float sums[P::kDown][P::kAcross][4] = {};
  const int blocks = ceil_div(sizes.k, P::kDepth);
  load_a.fetch(0), load_b.fetch(0);
  for (int i = 0; i < blocks; ++i) {  // the buffer written now was last read before the barrier of the step before
    load_a.put(shared_a[i % 2]), load_b.put(shared_b[i % 2]);
    __syncthreads();
    load_a.fetch((i + 1) * P::kDepth), load_b.fetch((i + 1) * P::kDepth);
    multiply_block<P, kSplit>(sums, shared_a[i % 2], shared_b[i % 2], row0, col0);
  }
#pragma unroll
  for (int i = 0; i < P::kDown; ++i)
#pragma unroll
    for (int j = 0; j < P::kAcross; j += P::kParts)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = tile_row * P::kRows + row0 + i * 16 + lane / 4 + half * 8;
        const int col = (tile_col * P::kCols + col0 + j * 8) / P::kParts + lane % 4 * 2;
        const Pair first{sums[i][j][2 * half], sums[i][j][2 * half + 1]};
        Pair v;
        if constexpr (P::kParts == 2) {
          v = finish(epilogue, first, {sums[i][j + 1][2 * half], sums[i][j + 1][2 * half + 1]}, row, col, batch, sizes);
        } else {
          v = finish(epilogue, first, row, col, batch, sizes);
        }
        store_result(v, out, row, col, batch, sizes.m, sizes.n / P::kParts);
      }
}

}  // namespace sl
