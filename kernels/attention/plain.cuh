// Attention with every mask, any stride and width: a warp a query row, 32 keys at a time; what the fast families do not
// take.  A row's result depends on nothing but that row and its keys.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/device/block_reduce.cuh"

namespace sl {

struct AttentionNumbers {
  float scale, softcap;
  bool causal, uniform_empty;
  int64_t window;
};

// q [b,h,s,d], k [b,g,t,d], v [b,g,t,e]; bias broadcasts to [b,h,s,t]; key_mask [b,t]; lengths [b]; slopes [h].
// kD, kE: widths.  A block has 4 warps.
template <int kD, int kE, typename T, typename B, typename S>
__device__ __forceinline__ void plain_attention(const Step* step, const Arg<4>& qa, const Arg<4>& ka, const Arg<4>& va,
                                                const Arg<4>& biasa, const Arg<2>& maska, const Arg<1>& lengthsa,
                                                const Arg<1>& slopesa, const Arg<4>& ya, AttentionNumbers numbers) {
  using M = wide<T>;
  constexpr int kColumns = (kE + 31) / 32;
  const View<const T, 4> q(step, qa), k(step, ka), v(step, va);
  const View<const B, 4> bias(step, biasa);
  const View<const uint8_t, 2> mask(step, maska);
  const View<const int64_t, 1> lengths(step, lengthsa);
  const View<const S, 1> slopes(step, slopesa);
  const View<T, 4> y(step, ya);
  const int64_t heads = q.size(1), queries = q.size(2), keys = k.size(2);
  const int64_t row = blockIdx.x * int64_t(4) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= q.size(0) * heads * queries) {
    return;
  }
  const int64_t i = row % queries, h = row / queries % heads, b = row / queries / heads, g = h / (heads / k.size(1));
  const T* const query = q.data + b * q.stride(0) + h * q.stride(1) + i * q.stride(2);
  const T* const keys_of = k.data + b * k.stride(0) + g * k.stride(1);
  const T* const values = v.data + b * v.stride(0) + g * v.stride(1);
  const int64_t valid = lengths.present() ? lengths.data[b * lengths.stride(0)] : keys;
  const int64_t position = valid - queries + i;
  const int64_t end = numbers.causal ? (position + 1 < valid ? position + 1 : valid) : valid;
  const int64_t begin = numbers.causal && numbers.window > 0 && position - numbers.window + 1 > 0
                            ? (position - numbers.window + 1) / 32 * 32
                            : 0;
  const M nothing = -bits_as<float>(0x7f800000u);
  M top = nothing, total = 0, sum[kColumns] = {};
  for (int64_t t0 = begin; t0 < end; t0 += 32) {
    const int64_t t = t0 + lane;
    bool visible = t < end && !(numbers.causal && numbers.window > 0 && position - t >= numbers.window);
    visible = visible && (!mask.present() || mask.data[b * mask.stride(0) + t * mask.stride(1)] != 0);
    M score = nothing;
    if (visible) {
      const T* const key = keys_of + t * k.stride(2);
      M dot = 0;
      for (int c = 0; c < kD; ++c) {
        dot += static_cast<M>(widen(query[c * q.stride(3)])) * static_cast<M>(widen(key[c * k.stride(3)]));
      }
      score = dot * static_cast<M>(numbers.scale);
      if (numbers.softcap != 0) {
        score = tanh_(score / static_cast<M>(numbers.softcap)) * static_cast<M>(numbers.softcap);
      }
      if (bias.present()) {
        const int64_t index[4] = {b, h, i, t};
        int64_t at = 0;
#pragma unroll
        for (int n = 0; n < 4; ++n) {
          at += bias.size(n) == 1 ? 0 : index[n] * bias.stride(n);
        }
        score += static_cast<M>(widen(bias.data[at]));
      }
      if (slopes.present()) {
        score += static_cast<M>(widen(slopes.data[h * slopes.stride(0)])) * static_cast<M>(t - position);
      }
    }
    const M best = warp_reduce(score, Largest());
    const M next = best > top ? best : top;
    if (next == nothing) {
      continue;  // nobody has seen a key yet
    }
    const M weight = exp_(score - next), rescale = exp_(top - next);
    total = total * rescale + warp_reduce(weight, Add());
    top = next;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      sum[c] *= rescale;
    }
    for (int j = 0; j < 32 && t0 + j < end; ++j) {
      const M w = __shfl_sync(0xffffffffu, weight, j);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        if (w != 0 && c * 32 + lane < kE) {
          sum[c] += w * static_cast<M>(widen(values[(t0 + j) * v.stride(2) + (c * 32 + lane) * v.stride(3)]));
        }
      }
    }
  }
  const bool empty = top == nothing;
  for (int64_t t = 0; empty && numbers.uniform_empty && t < keys; ++t) {
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      if (c * 32 + lane < kE) {
        sum[c] += static_cast<M>(widen(values[t * v.stride(2) + (c * 32 + lane) * v.stride(3)]));
      }
    }
  }
  const M scale = empty ? (keys == 0 ? M(0) : M(1) / static_cast<M>(keys)) : M(1) / total;
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    if (c * 32 + lane < kE) {
      y.data[b * y.stride(0) + h * y.stride(1) + i * y.stride(2) + (c * 32 + lane) * y.stride(3)] =
          narrow<T>(sum[c] * scale);
    }
  }
}

}  // namespace sl
