// vector_math.c against libm in long double.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

extern "C" {
#include "compiler/codegen/cpu/vector_math.c"
#undef INF
}

namespace {

struct Case {
  const char* name;
  double (*ours)(double);
  long double (*libm)(long double);
  double low, high, bound;  // bound: relative error
};

TEST(VectorMath, DoubleFunctionsAreAccurate) {
  const Case cases[] = {
      {"exp", sl_exp_f64, expl, -700, 700, 1e-15},       {"log", sl_log_f64, logl, 1e-300, 1e3, 1e-15},
      {"log near 1", sl_log_f64, logl, 0.5, 2, 1e-15},   {"expm1", sl_expm1_f64, expm1l, -2, 2, 1e-15},
      {"log1p", sl_log1p_f64, log1pl, -0.9, 2, 1e-15},   {"sin", sl_sin_f64, sinl, -1e5, 1e5, 1e-14},
      {"cos", sl_cos_f64, cosl, -10, 10, 1e-14},         {"tan", sl_tan_f64, tanl, -1.5, 1.5, 1e-15},
      {"atan", sl_atan_f64, atanl, -10, 10, 1e-15},      {"asin", sl_asin_f64, asinl, -1, 1, 1.5e-15},
      {"acos", sl_acos_f64, acosl, -1, 0.999, 1.5e-15},  {"tanh", sl_tanh_f64, tanhl, -5, 5, 1e-15},
      {"sinh", sl_sinh_f64, sinhl, -20, 20, 1e-15},      {"cosh", sl_cosh_f64, coshl, -20, 20, 1e-15},
      {"asinh", sl_asinh_f64, asinhl, -20, 20, 1e-15},   {"acosh", sl_acosh_f64, acoshl, 1, 20, 1e-15},
      {"atanh", sl_atanh_f64, atanhl, -.99, .99, 2e-15}, {"erf", sl_erf_f64, erfl, -4, 4, 3e-15},
      {"erfc", sl_erfc_f64, erfcl, -4, 10, 1e-12},       {"cbrt", sl_cbrt_f64, cbrtl, -100, 100, 1e-15},
      {"exp2", sl_exp2_f64, exp2l, -100, 100, 3e-14},    {"log2", sl_log2_f64, log2l, 0.1, 1000, 2e-15},
  };
  std::mt19937_64 rng(3);
  for (const Case& c : cases) {
    std::uniform_real_distribution<double> dist(c.low, c.high);
    double worst = 0;
    for (int n = 0; n < 20000; ++n) {
      double x = dist(rng);
      double want = static_cast<double>(c.libm(x));
      worst = std::fmax(worst, std::fabs(c.ours(x) - want) / std::fmax(std::fabs(want), 1e-300));
    }
    EXPECT_LE(worst, c.bound) << c.name;
  }
}

TEST(VectorMath, FloatFunctionsAreAccurate) {
  std::mt19937 rng(4);
  std::uniform_real_distribution<float> wide(-100, 88), narrow(-10, 10);
  for (int n = 0; n < 20000; ++n) {
    float x = wide(rng), y = narrow(rng);
    EXPECT_NEAR(sl_exp_f32(x), std::exp(static_cast<double>(x)), 3e-7 * std::exp(static_cast<double>(x)) + 1e-45);
    EXPECT_NEAR(sl_tanh_f32(y), std::tanh(static_cast<double>(y)), 1e-6);
    EXPECT_NEAR(sl_erf_f32(y), std::erf(static_cast<double>(y)), 1e-6);
    EXPECT_NEAR(sl_sin_f32(y * 1e4f), std::sin(static_cast<double>(y * 1e4f)), 1e-7);
  }
}

TEST(VectorMath, EdgesFollowAnnexF) {
  EXPECT_EQ(sl_exp_f64(INFINITY), INFINITY);
  EXPECT_EQ(sl_exp_f64(-INFINITY), 0);
  EXPECT_EQ(sl_exp_f32(INFINITY), INFINITY);
  EXPECT_EQ(sl_exp_f32(-INFINITY), 0);
  EXPECT_TRUE(std::isnan(sl_exp_f32(NAN)) && std::isnan(sl_exp_f64(NAN)) && std::isnan(sl_tanh_f32(NAN)) &&
              std::isnan(sl_erf_f32(NAN)));
  EXPECT_EQ(sl_log_f64(0), -INFINITY);
  EXPECT_TRUE(std::isnan(sl_log_f64(-1)));
  EXPECT_EQ(sl_log_f64(INFINITY), INFINITY);
  EXPECT_NEAR(sl_log_f64(5e-324), std::log(5e-324), 1e-12);
  EXPECT_NEAR(sl_pow_f64(-2, 3), -8, 1e-13);
  EXPECT_NEAR(sl_pow_f64(-2, 4), 16, 1e-13);
  EXPECT_TRUE(std::isnan(sl_pow_f64(-8, 1.0 / 3)));
  EXPECT_EQ(sl_pow_f64(0, 0.5), 0);
  EXPECT_EQ(sl_pow_f64(0, -1), INFINITY);
  EXPECT_EQ(sl_pow_f64(NAN, 0), 1);
  EXPECT_EQ(sl_fmod_f64(-5.5, 2), -1.5);
  EXPECT_EQ(sl_fmod_f64(1, INFINITY), 1);
  EXPECT_TRUE(std::isnan(sl_sin_f64(INFINITY)));
}

}  // namespace
