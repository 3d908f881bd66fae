// The loop of generated element-wise kernels: each thread takes kLanes neighbouring elements at a time.
//
//   sl::walk<4>(total, [&](auto at, auto lanes) { … sl::load<lanes.value>(x + at) … });
#pragma once
#include "kernels/device/scalar.cuh"
#include "kernels/device/step.cuh"

namespace sl {

template <int N>
struct Lanes {
  static constexpr int value = N;
};

// Whole packs, then single elements; 32-bit index arithmetic where it is enough.
template <int kLanes, typename Body>
__device__ __forceinline__ void walk(int64_t total, Body body) {
  const auto run = [&](auto zero) {
    using I = decltype(zero);
    const I packs = static_cast<I>(total / kLanes);
    const I step = static_cast<I>(gridDim.x) * blockDim.x;
    const I first = static_cast<I>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (I i = first; i < packs; i += step) {
      body(static_cast<I>(i * kLanes), Lanes<kLanes>());
    }
    if constexpr (kLanes > 1) {
      for (I i = packs * kLanes + first; i < static_cast<I>(total); i += step) {
        body(i, Lanes<1>());
      }
    }
  };
  if (total <= 0x3fffffff) {
    run(uint32_t(0));
  } else {
    run(uint64_t(0));
  }
}

// N elements: one access when they are aligned.
template <int N, typename T>
__device__ __forceinline__ Pack<T, N> load(const T* p) {
  Pack<T, N> r;
  if (N == 1 || (reinterpret_cast<uint64_t>(p) & (sizeof(T) * N - 1)) == 0) {
    r = *reinterpret_cast<const Pack<T, N>*>(p);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      r.at[i] = p[i];
    }
  }
  return r;
}
template <int N, typename T>
__device__ __forceinline__ void store(T* p, const Pack<T, N>& x) {
  if (N == 1 || (reinterpret_cast<uint64_t>(p) & (sizeof(T) * N - 1)) == 0) {
    *reinterpret_cast<Pack<T, N>*>(p) = x;
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      p[i] = x.at[i];
    }
  }
}

}  // namespace sl
