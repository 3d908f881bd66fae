// Norms and softmax: one block a row, in f32 (f64 for f64).
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/device/block_reduce.cuh"

namespace sl {

// x [..., d], w [d] or absent → x / sqrt(mean(x²) + eps) · w.
template <int kThreads, typename T, typename W, int R>
__device__ __forceinline__ void rms_norm(const Step* step, const Arg<R>& xa, const Arg<1>& wa, const Arg<R>& ya,
                                         double eps) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  const View<const W, 1> w(step, wa);
  const View<T, R> y(step, ya);
  const int64_t d = x.size(R - 1), rows = product(x, 0, R - 1);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* const in = x.data + row * d;
    M squares = 0;
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      const M v = widen(in[i]);
      squares += v * v;
    }
    const M mean = block_reduce<kThreads>(squares, Add()) / static_cast<M>(d);
    const M inverse = M(1) / sqrt_(mean + static_cast<M>(eps));
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      const M v = widen(in[i]) * inverse;
      y.data[row * d + i] = narrow<T>(w.present() ? v * static_cast<M>(widen(w.data[i])) : v);
    }
  }
}

// x [..., d], w [d], b [d] or absent → (x − mean) / sqrt(var + eps) · w + b.
template <int kThreads, typename T, typename W, int R>
__device__ __forceinline__ void layer_norm(const Step* step, const Arg<R>& xa, const Arg<1>& wa, const Arg<1>& ba,
                                           const Arg<R>& ya, double eps) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  const View<const W, 1> w(step, wa), b(step, ba);
  const View<T, R> y(step, ya);
  const int64_t d = x.size(R - 1), rows = product(x, 0, R - 1);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* const in = x.data + row * d;
    M sum = 0;
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      sum += widen(in[i]);
    }
    const M mean = block_reduce<kThreads>(sum, Add()) / static_cast<M>(d);
    M squares = 0;
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      const M v = widen(in[i]) - mean;
      squares += v * v;
    }
    const M inverse =
        M(1) / sqrt_(block_reduce<kThreads>(squares, Add()) / static_cast<M>(d) + static_cast<M>(eps));
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      M v = (widen(in[i]) - mean) * inverse;
      v = w.present() ? v * static_cast<M>(widen(w.data[i])) : v;
      v = b.present() ? v + static_cast<M>(widen(b.data[i])) : v;
      y.data[row * d + i] = narrow<T>(v);
    }
  }
}

// e^(x − max) / sum along one axis, or its logarithm.  A row of −inf gives NaN.
template <int kThreads, int kAxis, bool kLog, typename T, int R>
__device__ __forceinline__ void softmax(const Step* step, const Arg<R>& xa, const Arg<R>& ya) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  const View<T, R> y(step, ya);
  const int64_t d = x.size(kAxis), inner = product(x, kAxis + 1, R), rows = product(x, 0, kAxis) * inner;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const int64_t base = row / inner * d * inner + row % inner;
    M top = -bits_as<float>(0x7f800000u);
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      top = maximum(top, static_cast<M>(widen(x.data[base + i * inner])));
    }
    top = block_reduce<kThreads>(top, Largest());
    M sum = 0;
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      sum += exp_(static_cast<M>(widen(x.data[base + i * inner])) - top);
    }
    sum = block_reduce<kThreads>(sum, Add());
    const M inverse = kLog ? log_(sum) : M(1) / sum;
    for (int64_t i = threadIdx.x; i < d; i += kThreads) {
      const M v = static_cast<M>(widen(x.data[base + i * inner])) - top;
      y.data[base + i * inner] = narrow<T>(kLog ? v - inverse : exp_(v) * inverse);
    }
  }
}

// x [b, h, s, d], cos and sin [b or 1, s, r/2] or [s, r/2]: rotates the first r of d, copies the rest.
template <bool kInterleaved, typename T, typename C, int RC>
__device__ __forceinline__ void rope(const Step* step, const Arg<4>& xa, const Arg<RC>& ca, const Arg<RC>& sa,
                                     const Arg<4>& ya) {
  using M = wide<T>;
  const View<const T, 4> x(step, xa);
  const View<const C, RC> cosine(step, ca), sine(step, sa);
  const View<T, 4> y(step, ya);
  const int64_t heads = x.size(1), length = x.size(2), d = x.size(3), half = cosine.size(RC - 1);
  const int64_t width = d - half;  // pairs, then what is only copied
  const int64_t of_batch = RC == 3 && cosine.size(0) > 1 ? length * half : 0;
  const int64_t total = x.size(0) * heads * length * width;
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    const int64_t i = n % width, row = n / width, s = row % length, h = row / length % heads, b = row / length / heads;
    const T* const in = x.data + b * x.stride(0) + h * x.stride(1) + s * x.stride(2);
    T* const out = y.data + b * y.stride(0) + h * y.stride(1) + s * y.stride(2);
    if (i >= half) {
      out[(i + half) * y.stride(3)] = in[(i + half) * x.stride(3)];
      continue;
    }
    const int64_t first = kInterleaved ? 2 * i : i, second = kInterleaved ? 2 * i + 1 : i + half;
    const M p = widen(in[first * x.stride(3)]), q = widen(in[second * x.stride(3)]);
    const int64_t angle = b * of_batch + s * half + i;
    const M c = static_cast<M>(widen(cosine.data[angle])), r = static_cast<M>(widen(sine.data[angle]));
    out[first * y.stride(3)] = narrow<T>(p * c - q * r);
    out[second * y.stride(3)] = narrow<T>(q * c + p * r);
  }
}

}  // namespace sl
