// Scalar operations of linalg bodies whose meaning C++ operators do not have, on what registers hold.
#pragma once
#include "kernels/device/types.cuh"

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

// Of halves, one instruction each.  The bits of f32 rounded, which has two digits more than twice 11.
#define SL_HALVES(sign, name)                                                              \
  __device__ __forceinline__ f16 operator sign(f16 a, f16 b) {                             \
    f16 r;                                                                                 \
    asm(name ".rn.f16 %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits));             \
    return r;                                                                              \
  }                                                                                        \
  __device__ __forceinline__ bf16 operator sign(bf16 a, bf16 b) {                          \
    bf16 r;                                                                                \
    asm(name ".rn.bf16 %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits));            \
    return r;                                                                              \
  }
SL_HALVES(+, "add")
SL_HALVES(-, "sub")
SL_HALVES(*, "mul")
#undef SL_HALVES

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

// One name a function for float and double.
#define SL_UNARY(name, single, twice)                                                  \
  __device__ __forceinline__ float name##_(float x) { return single(x); }              \
  __device__ __forceinline__ double name##_(double x) { return twice(x); }
#define SL_BINARY(name, single, twice)                                                 \
  __device__ __forceinline__ float name##_(float x, float y) { return single(x, y); }  \
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
__device__ __forceinline__ double fma_(double a, double b, double c) { return fma(a, b, c); }

// The same for results that are rounded to 16 bits at once: without branches, a tenth of f16's rounding off at most.
namespace narrow_result {
// div.full: any range, 2 ulp of f32.
__device__ __forceinline__ float divide(float a, float b) {
  float r;
  asm("div.full.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}
__device__ __forceinline__ float exp_(float x) { return __expf(x); }
// x P(x^2), minimax in relative error (2.3e-5) on [-3, 3]; beyond it erf rounds to 1 in f16.
__device__ __forceinline__ float erf_(float x) {
  const float c = maximum(minimum(x, 3.0f), -3.0f), t = c * c;
  float p = 4.520942026e-8f;
  p = fmaf(p, t, -2.120301662e-6f);
  p = fmaf(p, t, 4.391276089e-5f);
  p = fmaf(p, t, -5.357948045e-4f);
  p = fmaf(p, t, 4.358883844e-3f);
  p = fmaf(p, t, -2.545632273e-2f);
  p = fmaf(p, t, 1.116255258e-1f);
  p = fmaf(p, t, -3.757043698e-1f);
  return c * fmaf(p, t, 1.128353383f);
}
// The quotient loses its leading digits near 0: there x P(x^2), 2^-18.8 off.
__device__ __forceinline__ float tanh_(float x) {
  const float t = x * x, p = fmaf(fmaf(fmaf(-0.0409304f, t, 0.13057919f), t, -0.33314051f), t, 0.99999786f);
  const float far = 1.0f - divide(2.0f, 1.0f + __expf(2.0f * fabsf(x)));
  return fabsf(x) < 0.6f ? x * p : copysignf(far, x);
}
}  // namespace narrow_result

}  // namespace sl
