// Reductions over any axes: sums of f32 and narrower in f32, partial sums joined in an order that depends on how many
// elements a result has, and on nothing else.
#pragma once
#include "kernels/device/barrier.cuh"
#include "kernels/device/block_reduce.cuh"
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"

namespace sl {

// What is folded of each element, how two join, and what is done at the end.
enum class Fold { kSum, kAbs, kSquare, kMax, kMin, kProduct };
enum class Finish { kNone, kMean, kSqrt, kLog };

// What a type is folded in: 64-bit integers, or what its sums are computed in.
template <typename T, bool kInteger = T(1) / T(2) == T(0)>
struct FoldedNumber {
  using type = int64_t;
};
template <>
struct FoldedNumber<uint64_t> {
  using type = uint64_t;
};
template <typename T>
struct FoldedNumber<T, false> {
  using type = T;
};
template <typename T>
struct Folded : FoldedNumber<T> {
  __device__ static __forceinline__ auto from(T x) { return static_cast<typename FoldedNumber<T>::type>(x); }
  __device__ static __forceinline__ T to(typename FoldedNumber<T>::type x) { return static_cast<T>(x); }
};
template <>
struct Folded<f16> : FoldedNumber<float> {
  __device__ static __forceinline__ float from(f16 x) { return to_float(x); }
  __device__ static __forceinline__ f16 to(float x) { return from_float<f16>(x); }
};
template <>
struct Folded<bf16> : FoldedNumber<float> {
  __device__ static __forceinline__ float from(bf16 x) { return to_float(x); }
  __device__ static __forceinline__ bf16 to(float x) { return from_float<bf16>(x); }
};

template <typename M, Fold kFold>
__device__ __forceinline__ M neutral() {
  constexpr bool kFloat = M(0.5f) != M(0);
  if constexpr (kFold == Fold::kProduct) {
    return M(1);
  } else if constexpr (kFold == Fold::kMax) {
    return kFloat ? M(-bits_as<float>(0x7f800000u)) : M(-1) < M(0) ? static_cast<M>(0x8000000000000000ull) : M(0);
  } else if constexpr (kFold == Fold::kMin) {
    return kFloat ? M(bits_as<float>(0x7f800000u)) : M(-1) < M(0) ? static_cast<M>(0x7fffffffffffffffull) : static_cast<M>(~0ull);
  } else {
    return M(0);
  }
}

template <Fold kFold, typename M>
__device__ __forceinline__ M join(M a, M b) {
  return kFold == Fold::kMax       ? Largest()(a, b)
         : kFold == Fold::kMin     ? Smallest()(a, b)
         : kFold == Fold::kProduct ? a * b
                                   : a + b;
}

// What reduces, and to what: an element's part in a result, and what is stored.
template <Fold kFold_, Finish kFinish_, typename T_>
struct Reduction {
  static constexpr Fold kFold = kFold_;
  using T = T_;
  using M = typename Folded<T>::type;

  __device__ static __forceinline__ M start() { return neutral<M, kFold>(); }
  __device__ __forceinline__ M operator()(M a, M b) const { return join<kFold>(a, b); }
  __device__ static __forceinline__ M with(M sum, T x) {
    M v = Folded<T>::from(x);
    if constexpr (kFold == Fold::kAbs) {
      v = v < M(0) ? M(0) - v : v;
    } else if constexpr (kFold == Fold::kSquare) {
      v = v * v;
    }
    return join<kFold>(sum, v);
  }
  __device__ static __forceinline__ T finish(M sum, int64_t count) {
    if constexpr (kFinish_ == Finish::kMean) {
      sum = sum / static_cast<M>(count);
    } else if constexpr (kFinish_ == Finish::kSqrt) {
      sum = static_cast<M>(sqrt_(static_cast<wide<T>>(sum)));
    } else if constexpr (kFinish_ == Finish::kLog) {
      sum = static_cast<M>(log_(static_cast<wide<T>>(sum)));
    }
    return Folded<T>::to(sum);
  }
};

// The loops of a dense x; bit d of kAxes: dimension d is folded.  Neighbours of a kind are one: the last of them has
// the work of all.
template <unsigned kAxes, int R>
struct FoldLoops {
  int64_t size[R], stride[R], results = 1, count = 1;

  __device__ static constexpr bool inside(int d) { return (kAxes >> d & 1) != 0; }
  // Dimensions that are folded, or kept, neighbours counted once.
  __device__ static constexpr int groups(bool folded) {
    int n = 0;
    for (int d = 0; d < R; ++d) {
      n += inside(d) == folded && (d == 0 || inside(d - 1) != folded) ? 1 : 0;
    }
    return n;
  }
  template <typename T>
  __device__ __forceinline__ explicit FoldLoops(const View<const T, R>& x) {
    int64_t step = 1;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      size[d] = x.size(d);
      stride[d] = step;
      step *= size[d];
      (inside(d) ? count : results) *= size[d];
    }
#pragma unroll
    for (int d = 1; d < R; ++d) {
      if (inside(d) == inside(d - 1)) {
        size[d] *= size[d - 1];
        size[d - 1] = 1;
      }
    }
  }
  // The offset of number `number` of what is folded, or of what is kept.
  template <bool kFolded>
  __device__ __forceinline__ int64_t offset(int64_t number) const {
    int64_t at = 0;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      if (inside(d) == kFolded && (d == R - 1 || inside(d + 1) != kFolded)) {
        if constexpr (groups(kFolded) == 1) {
          return number * stride[d];
        } else {
          const int64_t upper = number / size[d];
          at += (number - upper * size[d]) * stride[d];
          number = upper;
        }
      }
    }
    return at;
  }
};

// What the blocks that share a tile leave for the last of them: [kParts, results].
template <typename M>
struct Partials {
  M* data;
  int64_t results;
  uint32_t* counter;

  // Results [first, first + N) of this part.
  template <int N>
  __device__ __forceinline__ void leave(int part, int64_t first, const M (&sums)[N]) const {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      data[part * results + first + j] = sums[j];
    }
  }
  // Whether this block comes last: it sees what all have left.  All threads together.
  template <int kParts>
  __device__ __forceinline__ bool last() const {
    __shared__ bool is_last;
    __syncthreads();
    if (threadIdx.x == 0) {
      is_last = add_acquire_release(reinterpret_cast<int*>(counter), 1) == kParts - 1;
      if (is_last) {
        *counter = 0;
      }
    }
    __syncthreads();
    return is_last;
  }
  // Every `step`-th part from `part` on.
  template <class Reduction, int kParts, int N>
  __device__ __forceinline__ void gather(int part, int step, int64_t first, M (&sums)[N]) const {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      sums[j] = Reduction::start();
    }
#pragma unroll 4
    for (int p = part; p < kParts; p += step) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        sums[j] = Reduction()(sums[j], data[p * results + first + j]);
      }
    }
  }
};

// Part `part` of kParts of n, in steps of `each`.
template <int kParts>
__device__ __forceinline__ void part_of(int64_t n, int64_t each, int part, int64_t& from, int64_t& to) {
  const int64_t size = ((n + each - 1) / each + kParts - 1) / kParts * each;
  from = part * size < n ? part * size : n;
  to = from + size < n ? from + size : n;
}

// The last dimension is folded: kThreads read a result's neighbours in words of kVector, of which that is a multiple.
// At most 32, of which a block has 256 in all, or a block; kParts blocks share a result.
template <class Reduction, int kThreads, int kVector, int kParts, unsigned kAxes, int R, int Q>
__device__ __forceinline__ void reduce_rows(const Step* step, const Arg<R>& xa, const Arg<Q>& ya, void* workspace,
                                            uint32_t* counters) {
  using T = typename Reduction::T;
  using M = typename Reduction::M;
  constexpr int kRows = kThreads < 256 ? 256 / kThreads : 1;
  const View<const T, R> x(step, xa);
  T* const y = View<T, Q>(step, ya).data;
  const FoldLoops<kAxes, R> loops(x);
  const int64_t run = loops.size[R - 1], words = run / kVector, lines = words == 0 ? 0 : loops.count / run;
  const bool whole = aligned<kVector>(x.data);
  const int part = static_cast<int>(blockIdx.x % kParts), thread = threadIdx.x % kThreads;
  for (int64_t tile = blockIdx.x / kParts; tile * kRows < loops.results; tile += gridDim.x / kParts) {
    const int64_t result = tile * kRows + threadIdx.x / kThreads;
    const bool own = result < loops.results;
    M sum[1] = {Reduction::start()};
    int64_t from, to;
    part_of<kParts>(lines * words, kThreads, part, from, to);
    const T* const row = x.data + (own && lines > 0 ? loops.template offset<false>(result) : 0);
    const auto fold = [&](auto load_word) {
#pragma unroll 4
      for (int64_t w = from + thread; w < (own ? to : 0); w += kThreads) {
        int64_t at = w * kVector;
        if constexpr (FoldLoops<kAxes, R>::groups(true) > 1) {
          const int64_t line = w / words;
          at = loops.template offset<true>(line * run) + (w - line * words) * kVector;
        }
        const Pack<T, kVector> word = load_word(row + at);
#pragma unroll
        for (int j = 0; j < kVector; ++j) {
          sum[0] = Reduction::with(sum[0], word.at[j]);
        }
      }
    };
    if (whole) {
      fold([](const T* p) { return pack_at<kVector>(p); });
    } else {
      fold([](const T* p) { return load<kVector>(p); });
    }
    const auto join_threads = [&] {
      if constexpr (kRows == 1) {
        sum[0] = block_reduce<kThreads>(sum[0], Reduction());
      } else {
#pragma unroll
        for (int lanes = kThreads / 2; lanes > 0; lanes /= 2) {
          sum[0] = Reduction()(sum[0], __shfl_xor_sync(0xffffffffu, sum[0], lanes));
        }
      }
    };
    join_threads();
    if constexpr (kParts > 1) {
      static_assert(kRows == 1, "a tile is one result");
      const Partials<M> partials{static_cast<M*>(workspace), loops.results, counters + tile};
      if (thread == 0) {
        partials.leave(part, result, sum);
      }
      if (!partials.template last<kParts>()) {
        continue;
      }
      partials.template gather<Reduction, kParts>(thread, kThreads, result, sum);
      join_threads();
    }
    if (own && thread == 0) {
      y[result] = Reduction::finish(sum[0], loops.count);
    }
  }
}

// The last dimension is kept: neighbouring threads have neighbouring words of kVector results, 32 across and 8 lines of
// them at a time; kParts blocks share a tile's lines.
template <class Reduction, int kVector, int kParts, unsigned kAxes, int R, int Q>
__device__ __forceinline__ void reduce_columns(const Step* step, const Arg<R>& xa, const Arg<Q>& ya, void* workspace,
                                               uint32_t* counters) {
  using T = typename Reduction::T;
  using M = typename Reduction::M;
  constexpr int kAcross = 32, kDown = 8;
  __shared__ M sums_of[kDown][kAcross][kVector + (kVector > 1)];  // words in different banks
  const View<const T, R> x(step, xa);
  T* const y = View<T, Q>(step, ya).data;
  const FoldLoops<kAxes, R> loops(x);
  const int64_t words = loops.results / kVector, tiles = (words + kAcross - 1) / kAcross;
  const bool whole = aligned<kVector>(x.data);
  const int part = static_cast<int>(blockIdx.x % kParts), lane = threadIdx.x % kAcross, down = threadIdx.x / kAcross;
  for (int64_t tile = blockIdx.x / kParts; tile < tiles; tile += gridDim.x / kParts) {
    const int64_t first = (tile * kAcross + lane) * kVector;
    const bool inside = first < loops.results;
    M sums[kVector];
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      sums[j] = Reduction::start();
    }
    int64_t from, to;
    part_of<kParts>(loops.count, kDown, part, from, to);
    const T* const column = x.data + (inside ? loops.template offset<false>(first) : 0);
    const auto fold = [&](auto load_word) {
#pragma unroll 4
      for (int64_t i = from + down; i < (inside ? to : 0); i += kDown) {
        const Pack<T, kVector> word = load_word(column + loops.template offset<true>(i));
#pragma unroll
        for (int j = 0; j < kVector; ++j) {
          sums[j] = Reduction::with(sums[j], word.at[j]);
        }
      }
    };
    if (whole) {
      fold([](const T* p) { return pack_at<kVector>(p); });
    } else {
      fold([](const T* p) { return load<kVector>(p); });
    }
    const auto join_lines = [&] {
      __syncthreads();  // what was there before is read
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        sums_of[down][lane][j] = sums[j];
      }
      __syncthreads();
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        sums[j] = sums_of[0][lane][j];
#pragma unroll
        for (int d = 1; d < kDown; ++d) {
          sums[j] = Reduction()(sums[j], sums_of[d][lane][j]);
        }
      }
    };
    join_lines();
    if constexpr (kParts > 1) {
      const Partials<M> partials{static_cast<M*>(workspace), loops.results, counters + tile};
      if (inside && down == 0) {
        partials.leave(part, first, sums);
      }
      if (!partials.template last<kParts>()) {
        continue;
      }
      partials.template gather<Reduction, kParts>(inside ? down : kParts, kDown, first, sums);
      join_lines();
    }
    if (inside && down == 0) {
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        y[first + j] = Reduction::finish(sums[j], loops.count);
      }
    }
  }
}

}  // namespace sl
