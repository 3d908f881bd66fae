// Along one axis: running sums, the place of the extreme, the k best in order.
#pragma once
#include "kernels/device/barrier.cuh"
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
    const Ranked<M> other = {__shfl_xor_sync(0xffffffffu, x.value, lanes),
                             __shfl_xor_sync(0xffffffffu, x.index, lanes)};
    x = precedes<kLargest>(other, x) ? other : x;
  }
  return x;
}

// Where row `row` of x, which has all its dimensions but kAxis, begins.
template <int kAxis, typename T, int R>
__device__ __forceinline__ const T* row_of(const View<const T, R>& x, int64_t row) {
  int64_t at = 0;
#pragma unroll
  for (int d = R - 1; d >= 0; --d) {
    if (d != kAxis) {
      const int64_t size = x.size(d), rest = row / size;
      at += (row - rest * size) * x.stride(d);
      row = rest;
    }
  }
  return x.data + at;
}

// Element i of a row of n, if it is better.  NaNs are not; of equal ones the first is, or the last: the first in the
// order of falling indices.
template <bool kLargest, bool kLast, typename M, typename T>
__device__ __forceinline__ void take_better(Ranked<M>& best, T element, int64_t i, int64_t n) {
  const M v = Folded<T>::from(element);
  const Ranked<M> next = {v, kLast ? n - 1 - i : i};
  if (v == v && precedes<kLargest>(next, best)) {
    best = next;
  }
}
template <bool kLast, typename M>
__device__ __forceinline__ int64_t index_of(const Ranked<M>& best, int64_t n) {
  return best.index < 0 ? 0 : kLast ? n - 1 - best.index : best.index;
}

// A warp a row: the index (i64) of the largest or smallest element; of equal ones the first, or the last.  NaNs never
// win, and a row of nothing else gives 0.
template <int kAxis, bool kLargest, bool kLast, typename T, int R, int Q>
__device__ __forceinline__ void arg_reduce(const Step* step, const Arg<R>& xa, const Arg<Q>& ya) {
  using M = typename Folded<T>::type;
  const View<const T, R> x(step, xa);
  const View<int64_t, Q> y(step, ya);
  const int64_t n = x.size(kAxis), rows = product(x, 0, kAxis) * product(x, kAxis + 1, R), stride = x.stride(kAxis);
  const int lane = threadIdx.x % 32;
  for (int64_t row = blockIdx.x * int64_t(4) + threadIdx.x / 32; row < rows; row += gridDim.x * int64_t(4)) {
    const T* const from = row_of<kAxis>(x, row);
    Ranked<M> best = {M(0), -1};
    for (int64_t i = lane; i < n; i += 32) {
      take_better<kLargest, kLast>(best, from[i * stride], i, n);
    }
    best = warp_first<kLargest>(best);
    if (lane == 0) {
      y.data[row] = index_of<kLast>(best, n);
    }
  }
}

// To where `to` is in the shared memory of the cluster's first block; cluster_publish() shows it.
template <typename M>
__device__ __forceinline__ void store_first_block(Ranked<M>* to, const Ranked<M>& x) {
  static_assert(sizeof(x) == 16);
  const ulonglong2 bits = bits_as<ulonglong2>(x);
  asm volatile("st.shared::cluster.v2.u64 [%0], {%1, %2};" ::"r"(peer_address(shared_address(to), 0)), "l"(bits.x),
               "l"(bits.y)
               : "memory");
}

// The same of rows that are few and long (logits): a cluster of kBlocks blocks a row, in words of 16 bytes where the
// row has them.
template <int kAxis, bool kLargest, bool kLast, int kBlocks, int kThreads, typename T, int R, int Q>
__device__ __forceinline__ void arg_reduce_long(const Step* step, const Arg<R>& xa, const Arg<Q>& ya) {
  using M = typename Folded<T>::type;
  constexpr int kWarps = kBlocks * kThreads / 32, kWord = 16 / sizeof(T);
  // What each warp of the cluster found, in its first block; rows take turns, so that one barrier a row is enough.
  __shared__ Ranked<M> found[2][kWarps];
  const View<const T, R> x(step, xa);
  const View<int64_t, Q> y(step, ya);
  const int64_t n = x.size(kAxis), rows = product(x, 0, kAxis) * product(x, kAxis + 1, R), stride = x.stride(kAxis);
  const int rank = cluster_rank(), lane = threadIdx.x % 32, warp = rank * (kThreads / 32) + threadIdx.x / 32;
  const int64_t thread = rank * kThreads + threadIdx.x;
  cluster_sync();  // the first block is there
  int turn = 0;
  for (int64_t row = blockIdx.x / kBlocks; row < rows; row += gridDim.x / kBlocks, turn ^= 1) {
    const T* const from = row_of<kAxis>(x, row);
    const int64_t words = stride == 1 && aligned16(from) ? n / kWord : 0;
    Ranked<M> best = {M(0), -1};
#pragma unroll 4
    for (int64_t w = thread; w < words; w += kBlocks * kThreads) {
      const Pack<T, kWord> word = reinterpret_cast<const Pack<T, kWord>*>(from)[w];
#pragma unroll
      for (int i = 0; i < kWord; ++i) {
        take_better<kLargest, kLast>(best, word.at[i], w * kWord + i, n);
      }
    }
#pragma unroll 4
    for (int64_t i = words * kWord + thread; i < n; i += kBlocks * kThreads) {
      take_better<kLargest, kLast>(best, from[i * stride], i, n);
    }
    best = warp_first<kLargest>(best);
    if (lane == 0) {
      store_first_block(&found[turn][warp], best);
    }
    cluster_publish();
    if (warp == 0) {
      for (int w = lane; w < kWarps; w += 32) {
        const Ranked<M> other = found[turn][w];
        best = precedes<kLargest>(other, best) ? other : best;
      }
      best = warp_first<kLargest>(best);
      if (lane == 0) {
        y.data[row] = index_of<kLast>(best, n);
      }
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
        const Ranked<M> next = {Folded<T>::from(from[i * inner]), i};
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
      const M v = Folded<T>::from(x.data[at]);
      const double real_before = real;
      const uint64_t whole_before = whole;
      if constexpr (kFloat) {
        real += static_cast<double>(v);
        y.data[at] = Folded<T>::to(static_cast<M>(kExclusive ? real_before : real));
      } else {
        whole += static_cast<uint64_t>(v);
        y.data[at] = static_cast<T>(kExclusive ? whole_before : whole);
      }
    }
  }
}

}  // namespace sl
