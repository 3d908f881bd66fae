// Transcendental functions of generated kernels.  Compiled to LLVM bitcode at build time and linked into every kernel
// module, where they are inlined and vectorised: no branches on data, no calls, no tables.
//
// Errors, measured by test/codegen against libm: f64 within 4 ulp (pow: 1e-13 relative), f32 within 3 ulp except tanh
// and erf (1e-6 absolute).  Inputs outside a function's domain give NaN, infinities behave as in C's Annex F.
//
// Sources: argument reductions after fdlibm (Sun, 1993) and Cephes (Moshier); f32 tanh and erf rational forms as in
// Eigen.
#include <stdint.h>

#define FN static inline __attribute__((always_inline))
#define API __attribute__((always_inline))

FN double from_bits(uint64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, 8);
  return x;
}
FN uint64_t to_bits(double x) {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, 8);
  return bits;
}
FN float from_bits32(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}
FN uint32_t to_bits32(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}
FN double absd(double x) { return __builtin_fabs(x); }
FN double with_sign(double magnitude, double sign) { return __builtin_copysign(magnitude, sign); }
#define INF __builtin_inf()
#define NOT_A_NUMBER __builtin_nan("")

// 2^k for −1022 ≤ k ≤ 1023.
FN double power_of_two(int64_t k) { return from_bits((uint64_t)(k + 1023) << 52); }
FN float power_of_two32(int32_t k) { return from_bits32((uint32_t)(k + 127) << 23); }

//===-- Exponentials
//------------------------------------------------------------------------------------------------===//

// e^r for |r| ≤ 0.35: Taylor to r^13.
FN double exp_small(double r) {
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  return 1.0 + (r + r * r * p);
}

API double sl_exp_f64(double x) {
  double c = x > 710.0 ? 710.0 : x < -746.0 ? -746.0 : x;  // a NaN passes through both comparisons
  double k = __builtin_rint(c * 1.4426950408889634);
  k = k == k ? k : 0.0;
  double r = (c - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  int64_t n = (int64_t)k, half = n >> 1;
  return exp_small(r) * power_of_two(half) * power_of_two(n - half);  // two steps: 2^k alone may over- or underflow
}

API float sl_exp_f32(float x) {
  float c = x > 89.0f ? 89.0f : x < -104.0f ? -104.0f : x;
  float k = __builtin_rintf(c * 1.44269504f);
  k = k == k ? k : 0.0f;
  float r = (c - k * 0.693359375f) + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  float y = 1.0f + (r + r * r * p);
  int32_t n = (int32_t)k, half = n >> 1;
  return y * power_of_two32(half) * power_of_two32(n - half);
}

API double sl_exp2_f64(double x) { return sl_exp_f64(x * 0.6931471805599453); }

API double sl_expm1_f64(double x) {
  // Taylor to x^16 near 0, where e^x − 1 cancels.
  double s = absd(x) < 0.5 ? x : 0.0, p = 1.0 / 20922789888000.0;
  p = p * s + 1.0 / 1307674368000.0;
  p = p * s + 1.0 / 87178291200.0;
  p = p * s + 1.0 / 6227020800.0;
  p = p * s + 1.0 / 479001600.0;
  p = p * s + 1.0 / 39916800.0;
  p = p * s + 1.0 / 3628800.0;
  p = p * s + 1.0 / 362880.0;
  p = p * s + 1.0 / 40320.0;
  p = p * s + 1.0 / 5040.0;
  p = p * s + 1.0 / 720.0;
  p = p * s + 1.0 / 120.0;
  p = p * s + 1.0 / 24.0;
  p = p * s + 1.0 / 6.0;
  p = p * s + 0.5;
  double near = s + s * s * p;
  double far = sl_exp_f64(x) - 1.0;
  return absd(x) < 0.5 ? near : far;
}

//===-- Logarithms
//--------------------------------------------------------------------------------------------------===//

API double sl_log_f64(double x) {
  int tiny = x < 2.2250738585072014e-308;
  double scaled = tiny ? x * 18014398509481984.0 : x;  // 2^54: subnormals become normal
  uint64_t bits = to_bits(scaled);
  int64_t e = (int64_t)((bits >> 52) & 0x7ff) - 1023;
  double m = from_bits((bits & 0x000fffffffffffffull) | 0x3ff0000000000000ull);
  int big = m > 1.4142135623730951;
  m = big ? m * 0.5 : m;
  double k = (double)(e + big - (tiny ? 54 : 0));
  double s = (m - 1.0) / (m + 1.0), z = s * s;  // |s| ≤ 0.1716
  double p = 1.0 / 23.0;
  p = p * z + 1.0 / 21.0;
  p = p * z + 1.0 / 19.0;
  p = p * z + 1.0 / 17.0;
  p = p * z + 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  double log_m = 2.0 * s + 2.0 * s * (z * p);
  double y = k * 6.93147180369123816490e-01 + (log_m + k * 1.90821492927058770002e-10);
  y = x == INF ? INF : y;
  y = x == 0.0 ? -INF : y;
  return x >= 0.0 ? y : NOT_A_NUMBER;
}

API double sl_log2_f64(double x) { return sl_log_f64(x) * 1.4426950408889634; }
API double sl_log10_f64(double x) { return sl_log_f64(x) * 0.4342944819032518; }

API double sl_log1p_f64(double x) {
  double u = 1.0 + x;
  double y = sl_log_f64(u) - ((u - 1.0) - x) / u;  // the rounding of 1 + x, to first order
  y = u == INF ? INF : y;
  return u == 1.0 ? x : u == 0.0 ? -INF : y;
}

//===-- Powers
//------------------------------------------------------------------------------------------------------===//

API double sl_pow_f64(double x, double y) {
  double magnitude = sl_exp_f64(y * sl_log_f64(absd(x)));
  int whole = __builtin_trunc(y) == y;
  double half = y * 0.5;
  int odd = whole && __builtin_trunc(half) != half;
  double signed_result = x < 0.0 ? (whole ? (odd ? -magnitude : magnitude) : NOT_A_NUMBER) : magnitude;
  signed_result = y == 0.0 || x == 1.0 ? 1.0 : signed_result;
  signed_result = y == 1.0 ? x : signed_result;
  return y == 2.0 ? x * x : signed_result;
}

API double sl_cbrt_f64(double x) {
  double a = absd(x);
  double y = sl_exp_f64(sl_log_f64(a) * (1.0 / 3.0));
  y = y - (y * y * y - a) / (3.0 * y * y);  // one Newton step
  return x == 0.0 || a == INF ? x : with_sign(y, x);
}

//===-- Trigonometry
//------------------------------------------------------------------------------------------------===//

// sin and cos of r, |r| ≤ π/4.
FN double sin_small(double r) {
  double z = r * r, p = 1.0 / 355687428096000.0;
  p = p * z - 1.0 / 1307674368000.0;
  p = p * z + 1.0 / 6227020800.0;
  p = p * z - 1.0 / 39916800.0;
  p = p * z + 1.0 / 362880.0;
  p = p * z - 1.0 / 5040.0;
  p = p * z + 1.0 / 120.0;
  p = p * z - 1.0 / 6.0;
  return r + r * z * p;
}
FN double cos_small(double r) {
  double z = r * r, p = 1.0 / 20922789888000.0;
  p = p * z - 1.0 / 87178291200.0;
  p = p * z + 1.0 / 479001600.0;
  p = p * z - 1.0 / 3628800.0;
  p = p * z + 1.0 / 40320.0;
  p = p * z - 1.0 / 720.0;
  p = p * z + 1.0 / 24.0;
  p = p * z - 0.5;
  return 1.0 + z * p;
}

// sin(x + quarter·π/2); exact reduction for |x| < 2^20 or so (three-part π/2).
FN double sin_shifted(double x, int64_t quarter) {
  double c = absd(x) < 1e15 ? x : NOT_A_NUMBER;
  double k = __builtin_rint(c * 0.6366197723675814);
  k = k == k ? k : 0.0;
  double r = ((c - k * 1.57079632673412561417e+00) - k * 6.07710050630396597660e-11) - k * 2.02226624879595063154e-21;
  int64_t q = ((int64_t)k + quarter) & 3;
  double y = q & 1 ? cos_small(r) : sin_small(r);
  return q & 2 ? -y : y;
}
API double sl_sin_f64(double x) { return sin_shifted(x, 0); }
API double sl_cos_f64(double x) { return sin_shifted(x, 1); }
API double sl_tan_f64(double x) { return sl_sin_f64(x) / sl_cos_f64(x); }

API double sl_atan_f64(double x) {
  double a = absd(x);
  int inverse = a > 1.0;
  double t = inverse ? 1.0 / a : a;
  t = t / (1.0 + __builtin_sqrt(1.0 + t * t));  // atan(t) = 2 atan(t / (1 + √(1 + t²))), twice: t ≤ tan(π/16)
  t = t / (1.0 + __builtin_sqrt(1.0 + t * t));
  double z = t * t, p = -1.0 / 23.0;
  p = p * z + 1.0 / 21.0;
  p = p * z - 1.0 / 19.0;
  p = p * z + 1.0 / 17.0;
  p = p * z - 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z - 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z - 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z - 1.0 / 3.0;
  double y = 4.0 * (t + t * z * p);
  return with_sign(inverse ? 1.5707963267948966 - y : y, x);
}

API double sl_atan2_f64(double y, double x) {
  double ax = absd(x), ay = absd(y);
  double ratio = ax == INF && ay == INF ? 1.0 : ax == 0.0 && ay == 0.0 ? 0.0 : ay / ax;
  double a = sl_atan_f64(ratio);
  a = (to_bits(x) >> 63) ? 3.141592653589793 - a : a;
  return x != x || y != y ? NOT_A_NUMBER : with_sign(a, y);
}
API double sl_asin_f64(double x) { return sl_atan2_f64(x, __builtin_sqrt((1.0 - x) * (1.0 + x))); }
API double sl_acos_f64(double x) { return sl_atan2_f64(__builtin_sqrt((1.0 - x) * (1.0 + x)), x); }

//===-- Hyperbolic
//--------------------------------------------------------------------------------------------------===//

API double sl_tanh_f64(double x) {
  double t = sl_expm1_f64(-2.0 * absd(x));
  return x == x ? with_sign(-t / (t + 2.0), x) : x;
}
API double sl_sinh_f64(double x) {
  double a = absd(x), t = sl_expm1_f64(a), h = sl_exp_f64(a * 0.5);
  return with_sign(a > 700.0 ? 0.5 * h * h : 0.5 * (t + t / (t + 1.0)), x);
}
API double sl_cosh_f64(double x) {
  double a = absd(x), e = sl_exp_f64(a), h = sl_exp_f64(a * 0.5);
  return a > 700.0 ? 0.5 * h * h : 0.5 * (e + 1.0 / e);
}
API double sl_asinh_f64(double x) {
  double a = absd(x);
  double y = sl_log1p_f64(a + a * a / (1.0 + __builtin_sqrt(1.0 + a * a)));
  return with_sign(a > 1e150 ? sl_log_f64(a) + 0.6931471805599453 : y, x);
}
API double sl_acosh_f64(double x) {
  double t = x - 1.0;
  return x > 1e150 ? sl_log_f64(x) + 0.6931471805599453 : sl_log1p_f64(t + __builtin_sqrt(t * (t + 2.0)));
}
API double sl_atanh_f64(double x) {
  double a = absd(x);
  return with_sign(0.5 * sl_log1p_f64(2.0 * a / (1.0 - a)), x);
}

//===-- Error function
//----------------------------------------------------------------------------------------------===//

// erfc(a) for a ≥ 2: continued fraction, evaluated from its 60th level up.
FN double erfc_tail(double a) {
  double f = a;
  for (int k = 60; k > 0; --k) {
    f = a + 0.5 * (double)k / f;
  }
  return sl_exp_f64(-a * a) / (f * 1.7724538509055159);
}
// erf(a) for 0 ≤ a < 2: 2/√π · e^(−a²) · Σ 2ⁿ a^(2n+1) / (2n+1)!!, all terms positive.
FN double erf_series(double a) {
  double term = a, sum = a;
  for (int n = 1; n < 50; ++n) {
    term *= 2.0 * a * a / (double)(2 * n + 1);
    sum += term;
  }
  return 1.1283791670955126 * sl_exp_f64(-a * a) * sum;
}
API double sl_erf_f64(double x) {
  double a = absd(x), low = a < 2.0 ? a : 0.0, high = a < 2.0 ? 2.0 : a > 30.0 ? 30.0 : a;
  return x == x ? with_sign(a < 2.0 ? erf_series(low) : 1.0 - erfc_tail(high), x) : x;
}
API double sl_erfc_f64(double x) {
  double a = absd(x), low = a < 2.0 ? a : 0.0, high = a < 2.0 ? 2.0 : a > 30.0 ? 30.0 : a;
  double tail = a < 2.0 ? 1.0 - erf_series(low) : erfc_tail(high);
  return x == x ? (x < 0.0 ? 2.0 - tail : tail) : x;
}

API float sl_tanh_f32(float x) {
  float c = x > 7.9053111f ? 7.9053111f : x < -7.9053111f ? -7.9053111f : x;
  float z = c * c;
  float p = -2.76076847742355e-16f;
  p = p * z + 2.00018790482477e-13f;
  p = p * z - 8.60467152213735e-11f;
  p = p * z + 5.12229709037114e-08f;
  p = p * z + 1.48572235717979e-05f;
  p = p * z + 6.37261928875436e-04f;
  p = p * z + 4.89352455891786e-03f;
  float q = 1.19825839466702e-06f;
  q = q * z + 1.18534705686654e-04f;
  q = q * z + 2.26843463243900e-03f;
  q = q * z + 4.89352518554385e-03f;
  return c * p / q;
}

API float sl_erf_f32(float x) {
  float c = x > 4.0f ? 4.0f : x < -4.0f ? -4.0f : x;
  float z = c * c;
  float p = -2.72614225801306e-10f;
  p = p * z + 2.77068142495902e-08f;
  p = p * z - 2.10102402082508e-06f;
  p = p * z - 5.69250639462346e-05f;
  p = p * z - 7.34990630326855e-04f;
  p = p * z - 2.95459980854025e-03f;
  p = p * z - 1.60960333262415e-02f;
  float q = -1.45660718464996e-05f;
  q = q * z - 2.13374055278905e-04f;
  q = q * z - 1.68282697438203e-03f;
  q = q * z - 7.37332916720468e-03f;
  q = q * z - 1.42647390514189e-02f;
  return c * p / q;
}

//===-- f32 through f64, remainders, bf16
//---------------------------------------------------------------------------===//

#define THROUGH_F64(name) \
  API float sl_##name##_f32(float x) { return (float)sl_##name##_f64((double)x); }
THROUGH_F64(exp2)
THROUGH_F64(expm1)
THROUGH_F64(log)
THROUGH_F64(log2)
THROUGH_F64(log10)
THROUGH_F64(log1p)
THROUGH_F64(cbrt)
THROUGH_F64(sin)
THROUGH_F64(cos)
THROUGH_F64(tan)
THROUGH_F64(atan)
THROUGH_F64(asin)
THROUGH_F64(acos)
THROUGH_F64(sinh)
THROUGH_F64(cosh)
THROUGH_F64(asinh)
THROUGH_F64(acosh)
THROUGH_F64(atanh)
THROUGH_F64(erfc)
API float sl_pow_f32(float x, float y) { return (float)sl_pow_f64((double)x, (double)y); }
API float sl_atan2_f32(float y, float x) { return (float)sl_atan2_f64((double)y, (double)x); }

// C's fmod, for quotients below 2^53.
API double sl_fmod_f64(double x, double y) {
  double r = __builtin_fma(-__builtin_trunc(x / y), y, x);
  r = absd(r) >= absd(y) ? r - with_sign(absd(y), r) : r;
  r = r != 0.0 && (r < 0.0) != (x < 0.0) ? r + with_sign(absd(y), x) : r;
  return absd(y) == INF && absd(x) != INF ? x : with_sign(r, x);
}
API float sl_fmod_f32(float x, float y) { return (float)sl_fmod_f64((double)x, (double)y); }

API float sl_widen_bf16(uint16_t bits) { return from_bits32((uint32_t)bits << 16); }
// Round to nearest even; a NaN stays one.
API uint16_t sl_narrow_bf16(float x) {
  uint32_t bits = to_bits32(x);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (uint16_t)(x == x ? rounded : (bits >> 16) | 0x40u);
}
