// The loops of kernels over elements: a thread takes neighbours at a time, as many as 16 bytes hold.
//
//   sl::walk_packs<4, 2>(blocks, total, sl::aligned<4>(x) && sl::aligned<4>(y), [&](auto at, auto lanes) {
//     constexpr int kLanes = decltype(lanes)::value;
//     const auto r = sl::pack_at<kLanes>(x + at);
//     return [=] { sl::pack_at<kLanes>(y + at) = …; };
//   });
#pragma once
#include "kernels/device/scalar.cuh"
#include "kernels/device/step.cuh"

namespace sl {

template <int N>
struct Lanes {
  static constexpr int value = N;
};

// With 32-bit index arithmetic where it is enough.
template <typename Run>
__device__ __forceinline__ void with_index(int64_t total, Run run) {
  if (total <= 0xf0000000) {  // and what a step goes beyond it
    run(uint32_t(0));
  } else {
    run(uint64_t(0));
  }
}

// body(element, lanes): whole packs, then single elements.
template <int kLanes, typename Body>
__device__ __forceinline__ void walk(const Share& blocks, int64_t total, Body body) {
  with_index(total, [&](auto zero) {
    using I = decltype(zero);
    const I packs = static_cast<I>(total / kLanes);
    const I step = static_cast<I>(blocks.count) * blockDim.x;
    const I first = static_cast<I>(blocks.index) * blockDim.x + threadIdx.x;
    for (I i = first; i < packs; i += step) {
      body(static_cast<I>(i * kLanes), Lanes<kLanes>());
    }
    if constexpr (kLanes > 1) {
      for (I i = packs * kLanes + first; i < static_cast<I>(total); i += step) {
        body(i, Lanes<1>());
      }
    }
  });
}
template <int kLanes, typename Body>
__device__ __forceinline__ void walk(int64_t total, Body body) {
  walk<kLanes>(Share(), total, body);
}

// The first part of kCount packs, then what each has left.
template <int kCount, int kLanes, typename I, typename Body>
__device__ __forceinline__ void ahead(I pack, I step, Body& body) {
  auto rest = body(static_cast<I>(pack * kLanes), Lanes<kLanes>());
  if constexpr (kCount > 1) {
    ahead<kCount - 1, kLanes>(static_cast<I>(pack + step), step, body);
  }
  rest();
}

// body(element, lanes) reads, and returns what is to be done with it: a thread has kAhead packs on their way at a time,
// a block's side by side where each has so many.  `whole`: packs may be moved as one access; else all is done by single
// elements.
template <int kLanes, int kAhead, typename Body>
__device__ __forceinline__ void walk_packs(const Share& blocks, int64_t total, bool whole, Body body) {
  with_index(total, [&](auto zero) {
    using I = decltype(zero);
    constexpr int kNow = sizeof(I) == 4 ? kAhead : 1;  // 64-bit divisions are calls, across which registers are kept
    const I packs = kLanes > 1 && !whole ? 0 : static_cast<I>(total / kLanes);
    const I block = blockDim.x, all = static_cast<I>(blocks.count) * block;
    const I first = static_cast<I>(blocks.index) * block + threadIdx.x;
    const bool many = kNow > 1 && packs > (all - block) * kNow;  // all blocks but the last have their packs
    const I next = many ? block : all;
    I i = many ? first + static_cast<I>(blocks.index) * block * (kNow - 1) : first;
    for (; i + (kNow - 1) * next < packs; i += kNow * all) {
      ahead<kNow, kLanes>(i, next, body);
    }
    for (int k = 1; k < kNow && i < packs; ++k, i += next) {
      ahead<1, kLanes>(i, next, body);
    }
    for (I at = packs * kLanes + first; kLanes > 1 && at < static_cast<I>(total); at += all) {
      ahead<1, 1>(at, all, body);
    }
  });
}

// Whether N elements from here on are one access; then, they.
template <int N, typename T>
__device__ __forceinline__ bool aligned(const T* p) {
  return (reinterpret_cast<uint64_t>(p) & (sizeof(T) * N - 1)) == 0;
}
template <int N, typename T>
__device__ __forceinline__ const Pack<T, N>& pack_at(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <int N, typename T>
__device__ __forceinline__ Pack<T, N>& pack_at(T* p) {
  return *reinterpret_cast<Pack<T, N>*>(p);
}

// N elements: one access when they are aligned.
template <int N, typename T>
__device__ __forceinline__ Pack<T, N> load(const T* p) {
  Pack<T, N> r;
  if (aligned<N>(p)) {
    r = pack_at<N>(p);
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
  if (aligned<N>(p)) {
    pack_at<N>(p) = x;
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
