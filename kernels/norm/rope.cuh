// Rotary embedding: every element is read and written once, angles once for several heads.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"

namespace sl {

// Two packs of a head: the pairs (first[j], second[j]) of the half style, of the interleaved one their neighbours in
// order.
template <bool kInterleaved, typename M, typename T, typename C, int N>
__device__ __forceinline__ void turn(Pack<T, N>& first, Pack<T, N>& second, const Pack<C, N>& c, const Pack<C, N>& s) {
  const Pack<T, N> in[2] = {first, second};
  Pack<T, N> out[2];
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const int p = kInterleaved ? 2 * j : j, q = kInterleaved ? 2 * j + 1 : j + N;
    const M a = widen(in[p / N].at[p % N]), b = widen(in[q / N].at[q % N]);
    const M cosine = static_cast<M>(widen(c.at[j])), sine = static_cast<M>(widen(s.at[j]));
    out[p / N].at[p % N] = narrow<T>(a * cosine - b * sine);
    out[q / N].at[q % N] = narrow<T>(b * cosine + a * sine);
  }
  first = out[0];
  second = out[1];
}

// Whether packs of N neighbours are one access, where the first is at a multiple of N.
template <int N, typename T, int R>
__device__ __forceinline__ bool in_words(const Known<T, R>& x) {
  int64_t strides = 0;
#pragma unroll
  for (int d = 0; d < R - 1; ++d) {
    strides |= x.stride(d);
  }
  return x.stride(R - 1) == 1 && (strides & (N - 1)) == 0 &&
         (reinterpret_cast<uint64_t>(x.data) & (sizeof(T) * N - 1)) == 0;
}

// A thread takes kLanes pairs of kHeads heads, or kLanes elements that are only copied; every pack is one access.
// I: what counts the threads' shares, `groups` · width of them.
template <bool kInterleaved, int kLanes, int kHeads, typename I, typename T, typename C, int RC>
__device__ __forceinline__ void turn_heads(const Share& blocks, const Known<const T, 4>& x,
                                           const Known<const C, RC>& cosine, const Known<const C, RC>& sine,
                                           const Known<T, 4>& y) {
  using M = wide<T>;
  const int64_t heads = x.size(1), half = cosine.size(RC - 1);
  const int64_t in_step = kLanes > 1 ? 1 : x.stride(3), out_step = kLanes > 1 ? 1 : y.stride(3);
  const int64_t of_batch = RC == 3 && cosine.size(0) > 1 ? x.size(2) * half : 0;
  const I length = static_cast<I>(x.size(2)), pairs = static_cast<I>(half) / kLanes;
  const I width = pairs + static_cast<I>(x.size(3) - 2 * half) / kLanes;
  const I groups = static_cast<I>(heads + kHeads - 1) / kHeads,
          total = static_cast<I>(x.size(0)) * groups * length * width;
  for (I at = static_cast<I>(blocks.index) * blockDim.x + threadIdx.x; at < total;
       at += static_cast<I>(blocks.count) * blockDim.x) {
    const I row = at / width, i = at - row * width;
    const I group = row / length, s = row - group * length;
    const I b = group / groups, h = (group - b * groups) * kHeads;
    const bool turns = i < pairs;
    // Where its two packs are; what is only copied has one.
    const int64_t first = !turns ? half + static_cast<int64_t>(i) * kLanes : kInterleaved ? i * 2 * kLanes : i * kLanes;
    const int64_t second = !turns ? first : kInterleaved ? first + kLanes : first + half;
    const T* const in = x.data + b * x.stride(0) + h * x.stride(1) + s * x.stride(2);
    T* const out = y.data + b * y.stride(0) + h * y.stride(1) + s * y.stride(2);
    Pack<T, kLanes> p[kHeads], q[kHeads];
#pragma unroll
    for (int k = 0; k < kHeads; ++k) {
      if (h + k < heads) {
        p[k] = *reinterpret_cast<const Pack<T, kLanes>*>(in + k * x.stride(1) + first * in_step);
        q[k] = *reinterpret_cast<const Pack<T, kLanes>*>(in + k * x.stride(1) + second * in_step);
      }
    }
    if (turns) {
      const int64_t angle = b * of_batch + s * half + i * kLanes;
      const auto c = *reinterpret_cast<const Pack<C, kLanes>*>(cosine.data + angle),
                 r = *reinterpret_cast<const Pack<C, kLanes>*>(sine.data + angle);
#pragma unroll
      for (int k = 0; k < kHeads; ++k) {
        turn<kInterleaved, M>(p[k], q[k], c, r);
      }
    }
#pragma unroll
    for (int k = 0; k < kHeads; ++k) {
      if (h + k < heads) {
        *reinterpret_cast<Pack<T, kLanes>*>(out + k * y.stride(1) + first * out_step) = p[k];
        *reinterpret_cast<Pack<T, kLanes>*>(out + k * y.stride(1) + second * out_step) = q[k];
      }
    }
  }
}

// x [b, h, s, d], cos and sin [b or 1, s, r/2] or [s, r/2]: rotates the first r of d, copies the rest.  r/2 and d − r
// are multiples of kLanes.  Waits for its turn on its own.
template <bool kInterleaved, int kLanes, int kHeads, typename T, typename C, int RC>
__device__ __forceinline__ void rope(const Share& blocks, const Step* step, const Arg<4>& xa, const Arg<RC>& ca,
                                     const Arg<RC>& sa, const Arg<4>& ya) {
  const Known<const T, 4> x(step, xa);
  const Known<const C, RC> cosine(step, ca), sine(step, sa);
  const Known<T, 4> y(step, ya);
  wait_for_previous();
  const bool words = in_words<kLanes>(x) && in_words<kLanes>(cosine) && in_words<kLanes>(sine) && in_words<kLanes>(y);
  if (words && product(x, 0, 4) / kLanes < 1u << 31) {
    turn_heads<kInterleaved, kLanes, kHeads, uint32_t>(blocks, x, cosine, sine, y);
  } else {
    turn_heads<kInterleaved, 1, 1, uint64_t>(blocks, x, cosine, sine, y);
  }
}

}  // namespace sl
