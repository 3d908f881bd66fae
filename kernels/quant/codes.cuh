// Integer codes with scales: quantize, dequantize, and products with coded weights.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/gemm/plain_tile.cuh"

namespace sl {

// Packed 4-bit codes, two a byte, low nibble first.
struct u4 {
  uint8_t bits;
};
struct i4 {
  uint8_t bits;
};

template <typename Q>
__device__ __forceinline__ int32_t code(const Q* q, int64_t i) {
  return static_cast<int32_t>(q[i]);
}
template <>
__device__ __forceinline__ int32_t code<u4>(const u4* q, int64_t i) {
  return q[i >> 1].bits >> (i & 1) * 4 & 15;
}
template <>
__device__ __forceinline__ int32_t code<i4>(const i4* q, int64_t i) {
  return ((q[i >> 1].bits >> (i & 1) * 4 & 15) ^ 8) - 8;
}

// Which scale element i has: one for all (kAxis < 0), one a block of kBlock along axis kAxis, or one an index of the axis,
// which may turn out to be one for all when it runs.
template <int kAxis, int kBlock>
struct Scales {
  int64_t inner, n;

  template <typename X, typename S, int R, int RS>
  __device__ __forceinline__ Scales(const View<X, R>& x, const View<S, RS>& scale)
      : inner(product(x, kAxis < 0 ? R : kAxis + 1, R)),
        n(kBlock == 0 ? product(scale, 0, RS) : x.size(kAxis < 0 ? 0 : kAxis)) {}

  __device__ __forceinline__ int64_t operator()(int64_t i) const {
    if constexpr (kAxis < 0) {
      return 0;
    } else if constexpr (kBlock == 0) {
      return i / inner % n;
    } else {
      const int64_t outer = i / inner / n, at = i / inner % n;
      return (outer * ((n + kBlock - 1) / kBlock) + at / kBlock) * inner + i % inner;
    }
  }
};

// y = (q − zero) · scale.
template <int kAxis, int kBlock, typename Q, typename S, typename T, int R, int RS>
__device__ __forceinline__ void dequantize(const Step* step, const Arg<R>& qa, const Arg<RS>& sa, const Arg<RS>& za,
                                           const Arg<R>& ya) {
  const View<const Q, R> q(step, qa);
  const View<const S, RS> scale(step, sa);
  const View<const Q, RS> zero(step, za);
  const View<T, R> y(step, ya);
  const Scales<kAxis, kBlock> scale_of(q, scale);
  const int64_t total = product(q, 0, R);
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t s = scale_of(i);
    // Unsigned: the difference of two 32-bit codes may wrap.
    const uint32_t from = zero.present() ? static_cast<uint32_t>(code(zero.data, s)) : 0u;
    const float value = static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(code(q.data, i)) - from));
    y.data[i] = from_float<T>(value * to_float(scale.data[s]));
  }
}

// q = saturate(round(x / scale) + zero), halves to even; a NaN becomes the zero point.
template <int kAxis, int kBlock, int64_t kLow, int64_t kHigh, typename T, typename S, typename Q, int R, int RS>
__device__ __forceinline__ void quantize(const Step* step, const Arg<R>& xa, const Arg<RS>& sa, const Arg<RS>& za,
                                         const Arg<R>& ya) {
  const View<const T, R> x(step, xa);
  const View<const S, RS> scale(step, sa);
  const View<const Q, RS> zero(step, za);
  const View<Q, R> y(step, ya);
  const Scales<kAxis, kBlock> scale_of(x, scale);
  const int64_t total = product(x, 0, R);
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t s = scale_of(i);
    const float v = to_float(x.data[i]) / to_float(scale.data[s]);
    const double rounded = (v != v ? 0.0 : rint(static_cast<double>(v))) + (zero.present() ? code(zero.data, s) : 0);
    const double low = static_cast<double>(kLow), high = static_cast<double>(kHigh);
    y.data[i] = static_cast<Q>(static_cast<int64_t>(rounded < low ? low : rounded > high ? high : rounded));
  }
}

// A zero point as a code, or as a number of the scale's type.
template <typename Q>
struct CodedZero {
  const Q* data;
  int64_t row;  // codes from one row to the next
  __device__ __forceinline__ float operator()(int64_t n, int64_t block) const {
    return static_cast<float>(code(data, n * row + block));
  }
};
template <typename S>
struct GivenZero {
  const S* data;
  int64_t row;
  __device__ __forceinline__ float operator()(int64_t n, int64_t block) const { return to_float(data[n * row + block]); }
};
struct ImpliedZero {
  float value;
  __device__ __forceinline__ float operator()(int64_t, int64_t) const { return value; }
};

// x [..., k], codes q [n, k] whose rows are padded to whole blocks, scale [n, blocks] → y [..., n].  kBlock 0: a scale a
// row.  Grid: tiles of rows · tiles of n.
template <int kBlock, typename T, typename Q, typename S, int R, int RS, typename Zero>
__device__ __forceinline__ void plain_coded_linear(const Step* step, const Arg<R>& xa, const Arg<2>& qa,
                                                   const Arg<RS>& sa, const Arg<R>& ya, Zero zero) {
  const View<const T, R> x(step, xa);
  const View<const Q, 2> q(step, qa);
  const View<const S, RS> scale(step, sa);
  const View<T, R> y(step, ya);
  const int64_t m = product(x, 0, R - 1), k = x.size(R - 1), n = y.size(R - 1), tiles = (n + 63) / 64;
  const int64_t blocks = kBlock == 0 ? 1 : (k + kBlock - 1) / (kBlock == 0 ? 1 : kBlock);
  const int64_t row = kBlock == 0 ? k : blocks * kBlock;
  const int64_t tile_m = blockIdx.x / tiles;
  if (tile_m * 64 < m) {
    const auto weight = [&](int64_t d, int64_t j) {
      const int64_t block = kBlock == 0 ? 0 : d / (kBlock == 0 ? 1 : kBlock);
      return (static_cast<float>(code(q.data, j * row + d)) - zero(j, block)) * to_float(scale.data[j * blocks + block]);
    };
    plain_tile<float>(PlainMatrix<T>{x.data, k, 1}, true, weight, true, m, n, k, tile_m, blockIdx.x % tiles,
                      [&](int64_t i, int64_t j, float sum) { y.data[i * n + j] = narrow<T>(sum); });
  }
}

}  // namespace sl
