// Rotary embedding: every element is read and written once, angles once for several heads.
#pragma once
#include "kernels/elementwise/walk.cuh"

namespace sl {

// Two packs of a head: the pairs (first[j], second[j]) of the half style, of the interleaved one their neighbours in
// order.
template <bool kInterleaved, typename T, int N, typename M>
__device__ __forceinline__ void turn(Pack<T, N>& first, Pack<T, N>& second, const M (&c)[N], const M (&s)[N]) {
  const Pack<T, N> in[2] = {first, second};
  Pack<T, N> out[2];
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const int p = kInterleaved ? 2 * j : j, q = kInterleaved ? 2 * j + 1 : j + N;
    const M a = widen(in[p / N].at[p % N]), b = widen(in[q / N].at[q % N]);
    out[p / N].at[p % N] = narrow<T>(a * c[j] - b * s[j]);
    out[q / N].at[q % N] = narrow<T>(b * c[j] + a * s[j]);
  }
  first = out[0];
  second = out[1];
}

// x [b, h, s, d], cos and sin [b or 1, s, r/2] or [s, r/2]: rotates the first r of d, copies the rest.  A thread takes
// kLanes pairs of kHeads heads; r/2 and d − r are multiples of kLanes.
template <bool kInterleaved, int kLanes, int kHeads, typename T, typename C, int RC>
__device__ __forceinline__ void rope(const Share& blocks, const Step* step, const Arg<4>& xa, const Arg<RC>& ca,
                                     const Arg<RC>& sa, const Arg<4>& ya) {
  using M = wide<T>;
  const View<const T, 4> x(step, xa);
  const View<const C, RC> cosine(step, ca), sine(step, sa);
  const View<T, 4> y(step, ya);
  const int64_t heads = x.size(1), length = x.size(2), half = cosine.size(RC - 1);
  const int64_t in_step = x.stride(3), out_step = y.stride(3), in_head = x.stride(1), out_head = y.stride(1);
  const int64_t of_batch = RC == 3 && cosine.size(0) > 1 ? length * half : 0;
  const int64_t pairs = half / kLanes, width = pairs + (x.size(3) - 2 * half) / kLanes;
  const int64_t groups = (heads + kHeads - 1) / kHeads;
  walk<1>(blocks, x.size(0) * groups * length * width, [&](auto at, auto) {
    using I = decltype(at);
    const I row = at / static_cast<I>(width), i = at - row * static_cast<I>(width);
    const I group = row / static_cast<I>(length), s = row - group * static_cast<I>(length);
    const I b = group / static_cast<I>(groups), h = (group - b * static_cast<I>(groups)) * kHeads;
    const T* const in = x.data + b * x.stride(0) + h * in_head + s * x.stride(2);
    T* const out = y.data + b * y.stride(0) + h * out_head + s * y.stride(2);
    const bool turns = i < pairs;
    // Where its two packs are; what is only copied has one.
    const int64_t first = !turns ? half + static_cast<int64_t>(i) * kLanes : kInterleaved ? i * 2 * kLanes : i * kLanes;
    const int64_t second = !turns ? first : kInterleaved ? first + kLanes : first + half;
    Pack<T, kLanes> p[kHeads], q[kHeads];
#pragma unroll
    for (int k = 0; k < kHeads; ++k) {
      if (h + k < heads) {
        p[k] = load<kLanes>(in + k * in_head + first * in_step, in_step);
        q[k] = load<kLanes>(in + k * in_head + second * in_step, in_step);
      }
    }
    M c[kLanes] = {}, r[kLanes] = {};
    if (turns) {
      const int64_t angle = b * of_batch + s * half + i * kLanes;
      const Pack<C, kLanes> cs = load<kLanes>(cosine.data + angle), ss = load<kLanes>(sine.data + angle);
#pragma unroll
      for (int j = 0; j < kLanes; ++j) {
        c[j] = static_cast<M>(widen(cs.at[j]));
        r[j] = static_cast<M>(widen(ss.at[j]));
      }
    }
#pragma unroll
    for (int k = 0; k < kHeads; ++k) {
      if (h + k < heads) {
        if (turns) {
          turn<kInterleaved>(p[k], q[k], c, r);
          store(out + k * out_head + second * out_step, out_step, q[k]);
        }
        store(out + k * out_head + first * out_step, out_step, p[k]);
      }
    }
  });
}

}  // namespace sl
