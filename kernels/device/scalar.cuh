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

}  // namespace sl
