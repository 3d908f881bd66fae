// Scalar operations of linalg bodies whose meaning C++ operators do not have, on what registers hold.
#pragma once
#include "kernels/device/erf.cuh"
#include "kernels/device/pair.cuh"

namespace sl {

// Minimum and maximum with NaN passed on (arith.maximumf) or dropped (arith.maxnumf).
__device__ __forceinline__ float maximum(float a, float b) {
  float r;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}
__device__ __forceinline__ float minimum(float a, float b) {
  float r;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}
__device__ __forceinline__ double maximum(double a, double b) { return a != a ? a : b != b ? b : fmax(a, b); }
__device__ __forceinline__ double minimum(double a, double b) { return a != a ? a : b != b ? b : fmin(a, b); }
__device__ __forceinline__ float maxnum(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ float minnum(float a, float b) { return fminf(a, b); }
__device__ __forceinline__ double maxnum(double a, double b) { return fmax(a, b); }
__device__ __forceinline__ double minnum(double a, double b) { return fmin(a, b); }

// Of halves, one instruction each, for one or for two.  The bits of f32 rounded, which has two digits more than
// twice 11.
#define SL_HALVES(type, name, text)                                                 \
  __device__ __forceinline__ type name(type a, type b) {                            \
    type r = a;                                                                     \
    asm(text "." #type " %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits));   \
    return r;                                                                       \
  }                                                                                 \
  __device__ __forceinline__ Two<type> name(Two<type> a, Two<type> b) {             \
    Two<type> r = a;                                                                \
    asm(text "." #type "x2 %0, %1, %2;" : "=r"(r.bits) : "r"(a.bits), "r"(b.bits)); \
    return r;                                                                       \
  }
#define SL_HALF_OPERATORS(type)        \
  SL_HALVES(type, operator+, "add.rn") \
  SL_HALVES(type, operator-, "sub.rn") \
  SL_HALVES(type, operator*, "mul.rn") \
  SL_HALVES(type, maximum, "max.NaN")  \
  SL_HALVES(type, minimum, "min.NaN")
SL_HALF_OPERATORS(f16)
SL_HALF_OPERATORS(bf16)
#undef SL_HALF_OPERATORS
#undef SL_HALVES
template <typename T>
__device__ __forceinline__ T negative(T x) {
  return {static_cast<uint16_t>(x.bits ^ 0x8000u)};
}
template <typename T>
__device__ __forceinline__ Two<T> negative(Two<T> x) {
  return Two<T>(x.bits ^ 0x80008000u);
}

// Integer division never traps: a zero divisor gives 0, the most negative number by −1 wraps.
template <typename T>
__device__ __forceinline__ T divide(T a, T b) {
  return b == 0 ? T(0) : T(-1) < T(0) && b == T(-1) ? T(0 - static_cast<uint64_t>(a)) : T(a / b);
}
template <typename T>
__device__ __forceinline__ T remainder(T a, T b) {
  return b == 0 || (T(-1) < T(0) && b == T(-1)) ? T(0) : T(a % b);
}
template <typename T>
__device__ __forceinline__ T floor_divide(T a, T b) {
  const T q = divide(a, b);
  return b != 0 && remainder(a, b) != 0 && (a < 0) != (b < 0) ? T(q - 1) : q;
}
template <typename T>
__device__ __forceinline__ T ceil_divide(T a, T b) {
  const T q = divide(a, b);
  return b != 0 && remainder(a, b) != 0 && (a < 0) == (b < 0) ? T(q + 1) : q;
}

// One name a function for float, two of them, and double.
#define SL_UNARY(name, single, twice)                                                      \
  __device__ __forceinline__ float name##_(float x) { return single(x); }                  \
  __device__ __forceinline__ Pair name##_(Pair v) { return {name##_(v.x), name##_(v.y)}; } \
  __device__ __forceinline__ double name##_(double x) { return twice(x); }
#define SL_BINARY(name, single, twice)                                                                       \
  __device__ __forceinline__ float name##_(float x, float y) { return single(x, y); }                        \
  __device__ __forceinline__ Pair name##_(Pair v, Pair w) { return {name##_(v.x, w.x), name##_(v.y, w.y)}; } \
  __device__ __forceinline__ double name##_(double x, double y) { return twice(x, y); }
SL_UNARY(absf, fabsf, fabs)
SL_UNARY(acos, acosf, acos)
SL_UNARY(acosh, acoshf, acosh)
SL_UNARY(asin, asinf, asin)
SL_UNARY(asinh, asinhf, asinh)
SL_UNARY(atan, atanf, atan)
SL_UNARY(atanh, atanhf, atanh)
SL_UNARY(cbrt, cbrtf, cbrt)
SL_UNARY(ceil, ceilf, ceil)
SL_UNARY(cos, cosf, cos)
SL_UNARY(cosh, coshf, cosh)
SL_UNARY(erf, erff, erf)
SL_UNARY(erfc, erfcf, erfc)
SL_UNARY(exp, expf, exp)
SL_UNARY(exp2, exp2f, exp2)
SL_UNARY(expm1, expm1f, expm1)
SL_UNARY(floor, floorf, floor)
SL_UNARY(log, logf, log)
SL_UNARY(log10, log10f, log10)
SL_UNARY(log1p, log1pf, log1p)
SL_UNARY(log2, log2f, log2)
SL_UNARY(round, roundf, round)
SL_UNARY(roundeven, rintf, rint)
SL_UNARY(rsqrt, 1.0f / sqrtf, 1.0 / sqrt)
SL_UNARY(sin, sinf, sin)
SL_UNARY(sinh, sinhf, sinh)
SL_UNARY(sqrt, sqrtf, sqrt)
SL_UNARY(tan, tanf, tan)
SL_UNARY(tanh, tanhf, tanh)
SL_UNARY(trunc, truncf, trunc)
SL_BINARY(atan2, atan2f, atan2)
SL_BINARY(copysign, copysignf, copysign)
SL_BINARY(fmod, fmodf, fmod)
SL_BINARY(powf, powf, pow)
#undef SL_UNARY
#undef SL_BINARY
__device__ __forceinline__ float fma_(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ Pair fma_(Pair a, Pair b, Pair c) { return {fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y)}; }
__device__ __forceinline__ double fma_(double a, double b, double c) { return fma(a, b, c); }

// The same for results of 16 bits, one or two: without branches, an eighth of f16's rounding off at most before theirs.
namespace narrow_result {
template <class F>
__device__ __forceinline__ float each(float x, const F& f) {
  return f(x);
}
template <class F>
__device__ __forceinline__ Pair each(Pair v, const F& f) {
  return {f(v.x), f(v.y)};
}
// div.full: any range, 2 ulp of f32.
__device__ __forceinline__ float quotient(float a, float b) {
  float r;
  asm("div.full.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}
__device__ __forceinline__ Pair quotient(Pair a, Pair b) { return {quotient(a.x, b.x), quotient(a.y, b.y)}; }
template <class H>
__device__ __forceinline__ H divide(H a, H b) {
  return narrow<H>(quotient(widen(a), widen(b)));
}
template <class H>
__device__ __forceinline__ H exp_(H x) {
  return narrow<H>(each(widen(x), [](float v) { return __expf(v); }));
}
__device__ __forceinline__ f16 erf_end(f16) { return {kErfEndF16}; }
__device__ __forceinline__ bf16 erf_end(bf16) { return {kErfEndBf16}; }
template <typename T>
__device__ __forceinline__ Two<T> erf_end(Two<T> x) {
  return erf_end(x.first());
}
template <class H>
__device__ __forceinline__ H erf_(H x) {
  const H end = erf_end(x), within = maximum(minimum(x, end), negative(end));
  return narrow<H>(each(widen(within), [](float v) { return erf_within(v); }));
}
// The quotient loses its leading digits near 0: there x P(x^2), 2^-18.8 off.
template <class H>
__device__ __forceinline__ H tanh_(H x) {
  return narrow<H>(each(widen(x), [](float v) {
    const float t = v * v, p = fmaf(fmaf(fmaf(-0.0409304f, t, 0.13057919f), t, -0.33314051f), t, 0.99999786f);
    const float far = 1.0f - quotient(2.0f, 1.0f + __expf(2.0f * fabsf(v)));
    return fabsf(v) < 0.6f ? v * p : copysignf(far, v);
  }));
}
}  // namespace narrow_result

}  // namespace sl
