// Along one axis: running sums, the place of the extreme, the k best in order.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/reduce/reduce.cuh"

namespace sl {

// An element and where it is; `precedes` is a total order: NaN beyond every number, equal elements by index.
template <typename M>
struct Ranked {
  M value;
  int64_t index;  // -1: none
};
template <bool kLargest, typename M>
__device__ __forceinline__ bool precedes(const Ranked<M>& a, const Ranked<M>& b) {
  if (a.index < 0 || b.index < 0) {
    return b.index < 0 && a.index >= 0;
  }
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan || b_nan) {
    return a_nan == b_nan ? a.index < b.index : a_nan == kLargest;
  }
  return a.value != b.value ? (kLargest ? a.value > b.value : a.value < b.value) : a.index < b.index;
}
template <bool kLargest, typename M>
__device__ __forceinline__ Ranked<M> warp_first(Ranked<M> x) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const Ranked<M> other = {__shfl_xor_sync(0xffffffffu, x.value, lanes), __shfl_xor_sync(0xffffffffu, x.index, lanes)};
    x = precedes<kLargest>(other, x) ? other : x;
  }
  return x;
}

// A warp a row: the index (i64) of the largest or smallest element; of equal ones the first, or the last.  NaNs never
// win against a number before them.
template <int kAxis, bool kLargest, bool kLast, typename T, int R, int Q>
__device__ __forceinline__ void arg_reduce(const Step* step, const Arg<R>& xa, const Arg<Q>& ya) {
  using M = typename Folded<T>::type;
  const View<const T, R> x(step, xa);
  const View<int64_t, Q> y(step, ya);
  const int64_t n = x.size(kAxis), inner = product(x, kAxis + 1, R), rows = product(x, 0, kAxis) * inner;
  const int lane = threadIdx.x % 32;
  for (int64_t row = blockIdx.x * int64_t(4) + threadIdx.x / 32; row < rows; row += gridDim.x * int64_t(4)) {
    const T* const from = x.data + row / inner * n * inner + row % inner;
    Ranked<M> best = {M(0), -1};
    for (int64_t i = lane; i < n; i += 32) {
      const M v = folded<M>(from[i * inner]);
      // The last of equal ones is the first in the order of falling indices.
      const Ranked<M> next = {v, kLast ? n - 1 - i : i};
      if (v == v && precedes<kLargest>(next, best)) {
        best = next;
      }
    }
    best = warp_first<kLargest>(best);
    if (lane == 0) {
      y.data[row] = best.index < 0 ? 0 : kLast ? n - 1 - best.index : best.index;
    }
  }
}

// A warp a row: the k best in order, k the result's size; each is the first of those behind the one before.
template <int kAxis, bool kLargest, typename T, int R>
__device__ __forceinline__ void top_k(const Step* step, const Arg<R>& xa, const Arg<R>& va, const Arg<R>& ia) {
  using M = typename Folded<T>::type;
  const View<const T, R> x(step, xa);
  const View<T, R> values(step, va);
  const View<int64_t, R> indices(step, ia);
  const int64_t n = x.size(kAxis), k = values.size(kAxis), inner = product(x, kAxis + 1, R);
  const int64_t rows = product(x, 0, kAxis) * inner;
  const int lane = threadIdx.x % 32;
  for (int64_t row = blockIdx.x * int64_t(4) + threadIdx.x / 32; row < rows; row += gridDim.x * int64_t(4)) {
    const T* const from = x.data + row / inner * n * inner + row % inner;
    const int64_t to = row / inner * k * inner + row % inner;
    Ranked<M> last = {M(0), -1};
    for (int64_t chosen = 0; chosen < k; ++chosen) {
      Ranked<M> best = {M(0), -1};
      for (int64_t i = lane; i < n; i += 32) {
        const Ranked<M> next = {folded<M>(from[i * inner]), i};
        if ((last.index < 0 || precedes<kLargest>(last, next)) && precedes<kLargest>(next, best)) {
          best = next;
        }
      }
      last = warp_first<kLargest>(best);
      if (lane == 0 && last.index >= 0) {
        values.data[to + chosen * inner] = from[last.index * inner];
        indices.data[to + chosen * inner] = last.index;
      }
    }
  }
}

// A thread a row: running sums, floats in f64.
template <int kAxis, bool kExclusive, bool kReverse, typename T, int R>
__device__ __forceinline__ void cumsum(const Step* step, const Arg<R>& xa, const Arg<R>& ya) {
  using M = typename Folded<T>::type;
  constexpr bool kFloat = M(0.5f) != M(0);
  const View<const T, R> x(step, xa);
  const View<T, R> y(step, ya);
  const int64_t n = x.size(kAxis), inner = product(x, kAxis + 1, R), rows = product(x, 0, kAxis) * inner;
  for (int64_t row = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; row < rows;
       row += int64_t(gridDim.x) * blockDim.x) {
    const int64_t base = row / inner * n * inner + row % inner;
    double real = 0;
    uint64_t whole = 0;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = base + (kReverse ? n - 1 - i : i) * inner;
      const M v = folded<M>(x.data[at]);
      const double real_before = real;
      const uint64_t whole_before = whole;
      if constexpr (kFloat) {
        real += static_cast<double>(v);
        y.data[at] = unfolded<T>(static_cast<M>(kExclusive ? real_before : real));
      } else {
        whole += static_cast<uint64_t>(v);
        y.data[at] = static_cast<T>(kExclusive ? whole_before : whole);
      }
    }
  }
}

}  // namespace sl
