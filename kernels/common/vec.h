// Vectors of 16 floats (8 doubles) in the compiler's own vector types: the same code for every CPU level.
// For use inside bodies of AtLevel (levels.h).  Vectors go by reference: by value they would have an ABI.
//
//   Vec<T> acc{}, v;
//   for (int64_t i = 0; i < n; i += kLanes<T>) { LoadUpTo(x + i, n - i, v); acc += v * v; }
//   Math<T> sum = SumLanes(acc);
#ifndef SLUICE_KERNELS_COMMON_VEC_H_
#define SLUICE_KERNELS_COMMON_VEC_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/common/element.h"

namespace sluice::kernels {

using F32x16 = float __attribute__((vector_size(64)));
using I32x16 = int32_t __attribute__((vector_size(64)));
using U32x16 = uint32_t __attribute__((vector_size(64)));
using U16x16 = uint16_t __attribute__((vector_size(32)));
using F16x16 = _Float16 __attribute__((vector_size(32)));
using F64x8 = double __attribute__((vector_size(64)));

template <typename T>
using Vec = std::conditional_t<std::is_same_v<T, double>, F64x8, F32x16>;
template <typename T>
inline constexpr int kLanes = std::is_same_v<T, double> ? 8 : 16;

SLUICE_INLINE void Load(const float* p, F32x16& v) { std::memcpy(&v, p, sizeof v); }
SLUICE_INLINE void Load(const double* p, F64x8& v) { std::memcpy(&v, p, sizeof v); }
SLUICE_INLINE void Load(const F16* p, F32x16& v) {
  F16x16 h;
  std::memcpy(&h, p, sizeof h);
  v = __builtin_convertvector(h, F32x16);
}
SLUICE_INLINE void Load(const BF16* p, F32x16& v) {
  U16x16 h;
  std::memcpy(&h, p, sizeof h);
  const U32x16 bits = __builtin_convertvector(h, U32x16) << 16;
  std::memcpy(&v, &bits, sizeof v);
}

SLUICE_INLINE void Store(float* p, const F32x16& v) { std::memcpy(p, &v, sizeof v); }
SLUICE_INLINE void Store(double* p, const F64x8& v) { std::memcpy(p, &v, sizeof v); }
SLUICE_INLINE void Store(F16* p, const F32x16& v) {
  const F16x16 h = __builtin_convertvector(v, F16x16);
  std::memcpy(p, &h, sizeof h);
}
SLUICE_INLINE void Store(BF16* p, const F32x16& v) {
  U32x16 bits;
  std::memcpy(&bits, &v, sizeof bits);
  const U32x16 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const U32x16 is_nan = static_cast<U32x16>((bits & 0x7fffffffu) > 0x7f800000u);
  const U32x16 result = (is_nan & ((bits >> 16) | 0x40u)) | (~is_nan & rounded);
  const U16x16 h = __builtin_convertvector(result, U16x16);
  std::memcpy(p, &h, sizeof h);
}

// The first min(n, lanes) elements; the other lanes are 0 (LoadUpTo) or not written (StoreUpTo).
template <typename T>
SLUICE_INLINE void LoadUpTo(const T* p, int64_t n, Vec<T>& v) {
  if (n >= kLanes<T>) {
    return Load(p, v);
  }
  T buffer[kLanes<T>] = {};
  for (int64_t i = 0; i < n; ++i) {
    buffer[i] = p[i];
  }
  Load(buffer, v);
}
template <typename T>
SLUICE_INLINE void StoreUpTo(T* p, int64_t n, const Vec<T>& v) {
  if (n >= kLanes<T>) {
    return Store(p, v);
  }
  T buffer[kLanes<T>];
  Store(buffer, v);
  for (int64_t i = 0; i < n; ++i) {
    p[i] = buffer[i];
  }
}

// The sum and the largest of all lanes, in a fixed order (a tree).
template <typename V>
SLUICE_INLINE auto SumLanes(const V& v) {
  using M = std::remove_cvref_t<decltype(v[0])>;
  M t[sizeof(V) / sizeof(M)];
  std::memcpy(t, &v, sizeof t);
  for (int width = static_cast<int>(sizeof(V) / sizeof(M)) / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) {
      t[i] += t[i + width];
    }
  }
  return t[0];
}
template <typename V>
SLUICE_INLINE auto MaxLanes(const V& v) {
  using M = std::remove_cvref_t<decltype(v[0])>;
  M t[sizeof(V) / sizeof(M)];
  std::memcpy(t, &v, sizeof t);
  for (size_t i = 1; i < sizeof(V) / sizeof(M); ++i) {
    t[0] = t[i] > t[0] ? t[i] : t[0];
  }
  return t[0];
}

template <typename V>
SLUICE_INLINE void Max(const V& a, V& into) {
  into = a > into ? a : into;
}

// v = e^v, within 1 unit in the last place or two; infinities, zeros, denormals and NaN as std::exp.
SLUICE_INLINE void Exp(F32x16& v) {
  // e^x = 2^n * e^r with n = round(x / ln 2), |r| <= ln 2 / 2; beyond [-104, 89] the result is 0 or infinity anyway.
  const F32x16 x = v < -104.0f ? F32x16{} - 104.0f : v > 89.0f ? F32x16{} + 89.0f : v;
  const F32x16 magic = F32x16{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const F32x16 shifted = x * 1.44269504f + magic;
  const F32x16 n = shifted - magic;
  const F32x16 r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  F32x16 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r) * r + r + 1.0f;
  // 2^n in two factors, since n runs from -150 to 128.
  I32x16 whole;
  std::memcpy(&whole, &shifted, sizeof whole);
  whole -= 0x4b400000;
  const I32x16 half = whole >> 1;
  const I32x16 bits_a = (half + 127) << 23, bits_b = (whole - half + 127) << 23;
  F32x16 a, b;
  std::memcpy(&a, &bits_a, sizeof a);
  std::memcpy(&b, &bits_b, sizeof b);
  v = v != v ? v : p * a * b;
}
SLUICE_INLINE void Exp(F64x8& v) {
  for (int i = 0; i < 8; ++i) {
    v[i] = std::exp(v[i]);
  }
}

// v = 1 / (1 + e^-v).
template <typename V>
SLUICE_INLINE void Sigmoid(V& v) {
  V e = -v;
  Exp(e);
  v = 1 / (1 + e);
}
// v = tanh(v), absolute error about 1e-7 (single precision): from e^(-2|v|), which never overflows.
template <typename V>
SLUICE_INLINE void Tanh(V& v) {
  const V magnitude = v < 0 ? -v : v;
  V e = magnitude * -2;
  Exp(e);
  const V t = (1 - e) / (1 + e);
  v = v < 0 ? -t : t;
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_COMMON_VEC_H_
