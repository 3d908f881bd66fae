// The loop of generated element-wise kernels: each thread takes kLanes neighbouring elements at a time.
//
//   sl::walk<4>(blocks, total, [&](auto at, auto lanes) { … sl::load<lanes.value>(x + at) … });
#pragma once
#include "kernels/device/scalar.cuh"
#include "kernels/device/step.cuh"

namespace sl {

template <int N>
struct Lanes {
  static constexpr int value = N;
};

// Whole packs, then single elements; 32-bit index arithmetic where it is enough.  In two steps: a thread reads kAhead
// packs before it writes the first, so that their loads are in flight together; not where indices have 64 bits, which
// are so rare that their text should be short.
template <int kLanes, int kAhead, typename Read, typename Write>
__device__ __forceinline__ void walk_ahead(const Share& blocks, int64_t total, Read read, Write write) {
  const auto run = [&](auto zero, auto ahead) {
    using I = decltype(zero);
    constexpr int kHeld = ahead.value;
    const I packs = static_cast<I>(total / kLanes);
    const I step = static_cast<I>(blocks.count) * blockDim.x;
    const I first = static_cast<I>(blocks.index) * blockDim.x + threadIdx.x;
    for (I i = first; i < packs; i += step * kHeld) {
      decltype(read(i, Lanes<kLanes>())) held[kHeld];
#pragma unroll
      for (int k = 0; k < kHeld; ++k) {
        if (i + k * step < packs) {
          held[k] = read(static_cast<I>((i + k * step) * kLanes), Lanes<kLanes>());
        }
      }
#pragma unroll
      for (int k = 0; k < kHeld; ++k) {
        if (i + k * step < packs) {
          write(held[k]);
        }
      }
    }
    if constexpr (kLanes > 1) {
      for (I i = packs * kLanes + first; i < static_cast<I>(total); i += step) {
        write(read(i, Lanes<1>()));
      }
    }
  };
  if (total <= 0xf0000000) {  // and what a step goes beyond it
    run(uint32_t(0), Lanes<kAhead>());
  } else {
    run(uint64_t(0), Lanes<1>());
  }
}
// In one step: body(element, lanes).
template <int kLanes, typename Body>
__device__ __forceinline__ void walk(const Share& blocks, int64_t total, Body body) {
  struct Nothing {};
  walk_ahead<kLanes, 1>(
      blocks, total,
      [&](auto at, auto lanes) {
        body(at, lanes);
        return Nothing();
      },
      [](auto) {});
}
template <int kLanes, typename Body>
__device__ __forceinline__ void walk(int64_t total, Body body) {
  walk<kLanes>(Share(), total, body);
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

// The same of elements `step` apart.
template <int N, typename T>
__device__ __forceinline__ Pack<T, N> load(const T* p, int64_t step) {
  if (N == 1 || step == 1) {
    return load<N>(p);
  }
  Pack<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    r.at[i] = p[i * step];
  }
  return r;
}
template <int N, typename T>
__device__ __forceinline__ void store(T* p, int64_t step, const Pack<T, N>& x) {
  if (N == 1 || step == 1) {
    store(p, x);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    p[i * step] = x.at[i];
  }
}

}  // namespace sl
