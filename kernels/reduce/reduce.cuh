// Reductions over any axes: sums of f32 and narrower in f32, partial sums joined in a fixed order.
#pragma once
#include "kernels/device/block_reduce.cuh"
#include "kernels/device/index.cuh"

namespace sl {

// What is folded of each element, how two join, and what is done at the end.
enum class Fold { kSum, kAbs, kSquare, kMax, kMin, kProduct };
enum class Finish { kNone, kMean, kSqrt, kLog };

template <typename T>
struct Folded {
  using type = int64_t;
};
template <>
struct Folded<uint64_t> {
  using type = uint64_t;
};
template <>
struct Folded<float> {
  using type = float;
};
template <>
struct Folded<double> {
  using type = double;
};
template <>
struct Folded<f16> {
  using type = float;
};
template <>
struct Folded<bf16> {
  using type = float;
};

template <typename M, typename T>
__device__ __forceinline__ M folded(T x) {
  return static_cast<M>(x);
}
template <>
__device__ __forceinline__ float folded<float, f16>(f16 x) {
  return to_float(x);
}
template <>
__device__ __forceinline__ float folded<float, bf16>(bf16 x) {
  return to_float(x);
}
template <typename T, typename M>
__device__ __forceinline__ T unfolded(M x) {
  if constexpr (sizeof(T) == 2 && sizeof(M) == 4) {
    return from_float<T>(x);
  } else {
    return static_cast<T>(x);
  }
}

template <typename M, Fold kFold>
__device__ __forceinline__ M neutral() {
  constexpr bool kFloat = M(0.5f) != M(0);
  if constexpr (kFold == Fold::kProduct) {
    return M(1);
  } else if constexpr (kFold == Fold::kMax) {
    return kFloat ? M(-bits_as<float>(0x7f800000u)) : M(-1) < M(0) ? static_cast<M>(0x8000000000000000ull) : M(0);
  } else if constexpr (kFold == Fold::kMin) {
    return kFloat ? M(bits_as<float>(0x7f800000u)) : M(-1) < M(0) ? static_cast<M>(0x7fffffffffffffffull) : ~M(0);
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

// What a launch folds.  Bit d of kAxes: dimension d of x is folded; y has the others, in order, dense.
template <unsigned kAxes, typename T, int R>
struct Folding {
  int64_t sizes[R], strides[R], results = 1, count = 1;

  __device__ __forceinline__ explicit Folding(const View<const T, R>& x) {
    int64_t stride = 1;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      sizes[d] = x.size(d);
      strides[d] = stride;
      stride *= sizes[d];
      results *= (kAxes >> d & 1) != 0 ? 1 : sizes[d];
      count *= (kAxes >> d & 1) != 0 ? sizes[d] : 1;
    }
  }
  // Where the digits of `number` in the dimensions that are folded, or in the others, lead to.
  __device__ __forceinline__ int64_t offset(int64_t number, bool inside) const {
    int64_t at = 0;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      if (((kAxes >> d & 1) != 0) == inside) {
        at += number % sizes[d] * strides[d];
        number /= sizes[d];
      }
    }
    return at;
  }
};

template <Fold kFold, typename M, typename T>
__device__ __forceinline__ M taken(T x) {
  const M v = folded<M>(x);
  return kFold == Fold::kAbs ? (v < M(0) ? M(0) - v : v) : kFold == Fold::kSquare ? v * v : v;
}
template <Finish kFinish, typename T, typename M>
__device__ __forceinline__ T finished(M sum, int64_t count) {
  if constexpr (kFinish == Finish::kMean) {
    sum = sum / static_cast<M>(count);
  } else if constexpr (kFinish == Finish::kSqrt) {
    sum = static_cast<M>(sqrt_(static_cast<wide<T>>(sum)));
  } else if constexpr (kFinish == Finish::kLog) {
    sum = static_cast<M>(log_(static_cast<wide<T>>(sum)));
  }
  return unfolded<T>(sum);
}

// A block a result.
template <int kThreads, unsigned kAxes, Fold kFold, Finish kFinish, typename T, int R, int Q>
__device__ __forceinline__ void reduce(const Step* step, const Arg<R>& xa, const Arg<Q>& ya) {
  using M = typename Folded<T>::type;
  const View<const T, R> x(step, xa);
  const View<T, Q> y(step, ya);
  const Folding<kAxes, T, R> all(x);
  for (int64_t result = blockIdx.x; result < all.results; result += gridDim.x) {
    const T* const from = x.data + (all.count == 0 ? 0 : all.offset(result, false));
    M sum = neutral<M, kFold>();
    for (int64_t i = threadIdx.x; i < all.count; i += kThreads) {
      sum = join<kFold>(sum, taken<kFold, M>(from[all.offset(i, true)]));
    }
    sum = block_reduce<kThreads>(sum, [](M a, M b) { return join<kFold>(a, b); });
    if (threadIdx.x == 0) {
      y.data[result] = finished<kFinish, T>(sum, all.count);
    }
  }
}

// The innermost dimension is kept: a warp reads 32 neighbouring results at once, and the warps of a block share what is
// folded into them.
template <int kThreads, unsigned kAxes, Fold kFold, Finish kFinish, typename T, int R, int Q>
__device__ __forceinline__ void reduce_columns(const Step* step, const Arg<R>& xa, const Arg<Q>& ya) {
  using M = typename Folded<T>::type;
  constexpr int kWarps = kThreads / 32, kBatch = 8;  // loads that do not wait for each other
  const View<const T, R> x(step, xa);
  const View<T, Q> y(step, ya);
  const Folding<kAxes, T, R> all(x);
  __shared__ M parts[kWarps][32];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int64_t first = int64_t(blockIdx.x) * 32; first < all.results; first += int64_t(gridDim.x) * 32) {
    const int64_t result = first + lane < all.results ? first + lane : all.results - 1;
    const T* const from = x.data + (all.count == 0 ? 0 : all.offset(result, false));
    M sum = neutral<M, kFold>();
    for (int64_t i = warp; i < all.count; i += kWarps * kBatch) {
      M values[kBatch];
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
        const int64_t at = i + j * kWarps;
        values[j] = at < all.count ? taken<kFold, M>(from[all.offset(at, true)]) : neutral<M, kFold>();
      }
#pragma unroll
      for (int j = 0; j < kBatch; ++j) {
        sum = join<kFold>(sum, values[j]);
      }
    }
    parts[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && first + lane < all.results) {
#pragma unroll
      for (int w = 1; w < kWarps; ++w) {
        sum = join<kFold>(sum, parts[w][lane]);
      }
      y.data[result] = finished<kFinish, T>(sum, all.count);
    }
    __syncthreads();
  }
}

}  // namespace sl
