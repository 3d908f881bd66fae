// Vectors of f32 for one instruction set, and the loads, conversions and functions kernels need of them.
//
// Only for files that are compiled once per instruction set (`gemm_avx2.cpp`, `gemm_avx512.cpp`) with
// -DSLUICE_ISA=avx2|avx512 (kernels/CMakeLists.txt): everything lives in namespace sluice::kernels::SLUICE_ISA and is
// always inlined, so that the linker never merges an AVX-512 copy into the AVX2 path.  Such files call no std::
// templates for the same reason.
//
//   VF y = Fma(Load(x), Set1(2), y);   // kLanes lanes: 8 or 16
#ifndef SLUICE_KERNELS_SIMD_VEC_H_
#define SLUICE_KERNELS_SIMD_VEC_H_

#include <immintrin.h>

#include <cstdint>

#include "kernels/simd/types.h"

#define SLUICE_SIMD [[gnu::always_inline]] static inline
#define SLUICE_INLINE_MEMBER [[gnu::always_inline]] inline

namespace sluice::kernels::SLUICE_ISA {

#ifdef __AVX512F__

inline constexpr int kLanes = 16;
using VF = __m512;
using VI = __m512i;

SLUICE_SIMD __mmask16 First(int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1);
}

SLUICE_SIMD VF Zero() { return _mm512_setzero_ps(); }
SLUICE_SIMD VF Set1(float x) { return _mm512_set1_ps(x); }
SLUICE_SIMD VF Add(VF a, VF b) { return _mm512_add_ps(a, b); }
SLUICE_SIMD VF Sub(VF a, VF b) { return _mm512_sub_ps(a, b); }
SLUICE_SIMD VF Mul(VF a, VF b) { return _mm512_mul_ps(a, b); }
SLUICE_SIMD VF Div(VF a, VF b) { return _mm512_div_ps(a, b); }
SLUICE_SIMD VF Max(VF a, VF b) { return _mm512_max_ps(a, b); }  // b where either is NaN
SLUICE_SIMD VF Min(VF a, VF b) { return _mm512_min_ps(a, b); }
SLUICE_SIMD VF Fma(VF a, VF b, VF c) { return _mm512_fmadd_ps(a, b, c); }    // a * b + c
SLUICE_SIMD VF Fnma(VF a, VF b, VF c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
SLUICE_SIMD VF Load(const float* p) { return _mm512_loadu_ps(p); }
SLUICE_SIMD VF Load(const F16* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
SLUICE_SIMD VF Load(const BF16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
// The first n (≤ kLanes) elements, zeros behind; reads no byte beyond them.
SLUICE_SIMD VF LoadN(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(First(n), p); }
SLUICE_SIMD VF LoadN(const F16* p, int64_t n) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(First(n), p)); }
SLUICE_SIMD VF LoadN(const BF16* p, int64_t n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(First(n), p)), 16));
}
SLUICE_SIMD void Store(float* p, VF v) { _mm512_storeu_ps(p, v); }
SLUICE_SIMD void StoreN(float* p, VF v, int64_t n) { _mm512_mask_storeu_ps(p, First(n), v); }

// Lane i, n ≤ i: `other`'s.
SLUICE_SIMD VF FirstOf(VF v, VF other, int64_t n) { return _mm512_mask_mov_ps(other, First(n), v); }
// Lanes where flag is not 0: v, elsewhere `other`.
SLUICE_SIMD VF SelectNonzero(VF flag, VF v, VF other) {
  return _mm512_mask_mov_ps(other, _mm512_cmp_ps_mask(flag, Zero(), _CMP_NEQ_UQ), v);
}
SLUICE_SIMD VF LaneIndex() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
// Lanes where a < b: 0; elsewhere, NaN included: v.
SLUICE_SIMD VF ZeroIfLess(VF a, VF b, VF v) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), v); }

// v * 2^n for whole n with a normal result.
SLUICE_SIMD VF Ldexp(VF v, VF n) { return _mm512_scalef_ps(v, n); }
SLUICE_SIMD VF Round(VF v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

SLUICE_SIMD __m256 Halve(VF v, __m256* high) {
  *high = _mm512_extractf32x8_ps(v, 1);
  return _mm512_castps512_ps256(v);
}
// Sum and maximum of all lanes: halves folded onto each other, always in this order.
SLUICE_SIMD float ReduceAdd(VF v) {
  __m256 high;
  const __m256 low = Halve(v, &high);
  const __m256 s8 = _mm256_add_ps(low, high);
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
SLUICE_SIMD float ReduceMax(VF v) { return _mm512_reduce_max_ps(v); }

#else  // AVX2

inline constexpr int kLanes = 8;
using VF = __m256;
using VI = __m256i;

SLUICE_SIMD __m256i First(int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

SLUICE_SIMD VF Zero() { return _mm256_setzero_ps(); }
SLUICE_SIMD VF Set1(float x) { return _mm256_set1_ps(x); }
SLUICE_SIMD VF Add(VF a, VF b) { return _mm256_add_ps(a, b); }
SLUICE_SIMD VF Sub(VF a, VF b) { return _mm256_sub_ps(a, b); }
SLUICE_SIMD VF Mul(VF a, VF b) { return _mm256_mul_ps(a, b); }
SLUICE_SIMD VF Div(VF a, VF b) { return _mm256_div_ps(a, b); }
SLUICE_SIMD VF Max(VF a, VF b) { return _mm256_max_ps(a, b); }
SLUICE_SIMD VF Min(VF a, VF b) { return _mm256_min_ps(a, b); }
SLUICE_SIMD VF Fma(VF a, VF b, VF c) { return _mm256_fmadd_ps(a, b, c); }
SLUICE_SIMD VF Fnma(VF a, VF b, VF c) { return _mm256_fnmadd_ps(a, b, c); }
SLUICE_SIMD VF Load(const float* p) { return _mm256_loadu_ps(p); }
SLUICE_SIMD VF Load(const F16* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
SLUICE_SIMD VF Load(const BF16* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
SLUICE_SIMD VF LoadN(const float* p, int64_t n) { return _mm256_maskload_ps(p, First(n)); }
template <typename H>
SLUICE_SIMD VF LoadHalvesN(const H* p, int64_t n) {
  if (n >= 8) {
    return Load(p);
  }
  H padded[8] = {};
  for (int64_t i = 0; i < n && i < 8; ++i) {
    padded[i] = p[i];
  }
  return Load(padded);
}
SLUICE_SIMD VF LoadN(const F16* p, int64_t n) { return LoadHalvesN(p, n); }
SLUICE_SIMD VF LoadN(const BF16* p, int64_t n) { return LoadHalvesN(p, n); }
SLUICE_SIMD void Store(float* p, VF v) { _mm256_storeu_ps(p, v); }
SLUICE_SIMD void StoreN(float* p, VF v, int64_t n) { _mm256_maskstore_ps(p, First(n), v); }

SLUICE_SIMD VF FirstOf(VF v, VF other, int64_t n) { return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(First(n))); }
SLUICE_SIMD VF SelectNonzero(VF flag, VF v, VF other) {
  return _mm256_blendv_ps(other, v, _mm256_cmp_ps(flag, Zero(), _CMP_NEQ_UQ));
}
SLUICE_SIMD VF LaneIndex() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
SLUICE_SIMD VF ZeroIfLess(VF a, VF b, VF v) { return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ), v); }

SLUICE_SIMD VF Ldexp(VF v, VF n) {
  // Two factors, since 2^n alone may leave the range of normal numbers.
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(v, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
}
SLUICE_SIMD VF Round(VF v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

SLUICE_SIMD float ReduceAdd(VF v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
SLUICE_SIMD float ReduceMax(VF v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}

#endif

// e^x to 2 ulp; 0 below -87.33 (the last normal result) and for -inf, so that masked scores weigh exactly nothing.
// x = n ln 2 + r, |r| ≤ ln 2 / 2, e^r by a polynomial of degree 6 (Cephes' coefficients).
SLUICE_SIMD VF Exp(VF x) {
  const VF lowest = Set1(-87.33654f);
  const VF clamped = Max(lowest, x);  // NOTE: in this order a NaN stays
  const VF n = Round(Mul(clamped, Set1(1.44269504f)));
  VF r = Fma(n, Set1(-0.693359375f), clamped);
  r = Fma(n, Set1(2.12194440e-4f), r);
  VF p = Set1(1.9875691500e-4f);
  p = Fma(p, r, Set1(1.3981999507e-3f));
  p = Fma(p, r, Set1(8.3334519073e-3f));
  p = Fma(p, r, Set1(4.1665795894e-2f));
  p = Fma(p, r, Set1(1.6666665459e-1f));
  p = Fma(p, r, Set1(5.0000001201e-1f));
  p = Add(Fma(Mul(p, r), r, r), Set1(1.0f));
  return ZeroIfLess(x, lowest, Ldexp(p, n));
}

// tanh x = 1 - 2 / (e^2x + 1), to about 1e-7 absolute.  Beyond ±15 it is ±1 in f32.
SLUICE_SIMD VF Tanh(VF x) {
  const VF bounded = Min(Set1(15.0f), Max(Set1(-15.0f), x));
  const VF e = Exp(Add(bounded, bounded));
  return Sub(Set1(1.0f), Div(Set1(2.0f), Add(e, Set1(1.0f))));
}

// Lane 0.
SLUICE_SIMD float Exp1(float x) {
#ifdef __AVX512F__
  return _mm512_cvtss_f32(Exp(Set1(x)));
#else
  return _mm256_cvtss_f32(Exp(Set1(x)));
#endif
}

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_SIMD_VEC_H_
