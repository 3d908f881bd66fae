#include "runtime/base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace sluice {
namespace {

// The definition: value of a format with `exponent_bits` and `mantissa_bits`, in f64.
double Decode(uint32_t code, int exponent_bits, int mantissa_bits) {
  const uint32_t mantissa = code & ((1u << mantissa_bits) - 1);
  const uint32_t exponent = (code >> mantissa_bits) & ((1u << exponent_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (code >> (exponent_bits + mantissa_bits)) != 0 ? -1 : 1;
  if (exponent == (1u << exponent_bits) - 1) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  const double fraction =
      exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                    : std::ldexp((1u << mantissa_bits) + mantissa, static_cast<int>(exponent) - bias - mantissa_bits);
  return sign * fraction;
}

// Nearest code to |x|, ties to even, by bisection over the positive codes below infinity.
uint16_t Nearest(double x, int exponent_bits, int mantissa_bits) {
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double a = std::fabs(x);
  const uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
  uint32_t low = 0;
  uint32_t high = infinity;  // counts as the next power of two
  const auto value = [&](uint32_t code) {
    return code == infinity ? std::ldexp(1.0, 1 << (exponent_bits - 1)) : Decode(code, exponent_bits, mantissa_bits);
  };
  if (a >= value(infinity)) {
    return static_cast<uint16_t>(sign | infinity);
  }
  while (high - low > 1) {
    const uint32_t mid = (low + high) / 2;
    (value(mid) <= a ? low : high) = mid;
  }
  const double below = a - value(low);
  const double above = value(high) - a;
  const uint32_t code = below < above ? low : above < below ? high : (low % 2 == 0 ? low : high);
  return static_cast<uint16_t>(sign | code);
}

bool SameFloat(float a, double b) {
  return std::isnan(b) ? std::isnan(a) : a == b && std::signbit(a) == std::signbit(b);
}

TEST(Half, EveryF16AndBF16CodeDecodesAndRoundTrips) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const uint16_t h = static_cast<uint16_t>(code);
    ASSERT_TRUE(SameFloat(F16ToF32(h), Decode(code, 5, 10))) << code;
    ASSERT_TRUE(SameFloat(BF16ToF32(h), Decode(code, 8, 7))) << code;
    const bool f16_nan = std::isnan(F16ToF32(h));
    const bool bf16_nan = std::isnan(BF16ToF32(h));
    ASSERT_EQ(F32ToF16(F16ToF32(h)), f16_nan ? (h | 0x200) : h);
    ASSERT_EQ(F32ToBF16(BF16ToF32(h)), bf16_nan ? (h | 0x40) : h);
  }
}

TEST(Half, RoundsToNearestEven) {
  std::mt19937 rng(1);
  std::vector<float> xs;
  for (int i = 0; i < 300000; ++i) {
    xs.push_back(std::bit_cast<float>(static_cast<uint32_t>(rng())));
    xs.push_back(std::ldexp(static_cast<float>(rng() % 0x10000) / 0x10000, static_cast<int>(rng() % 48) - 28));
  }
  for (uint32_t code = 0; code < 0x7c00; ++code) {  // the exact ties between neighbours, and one step either side
    const float tie = (F16ToF32(static_cast<uint16_t>(code)) +
                       (code == 0x7bff ? 65536.0f : F16ToF32(static_cast<uint16_t>(code + 1)))) /
                      2;
    xs.insert(xs.end(), {tie, -tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 1e9f)});
  }
  for (float x : xs) {
    if (!std::isnan(x)) {
      ASSERT_EQ(F32ToF16(x), Nearest(x, 5, 10)) << x;
      ASSERT_EQ(F32ToBF16(x), Nearest(x, 8, 7)) << x;
    }
  }
}

TEST(Half, FromDoubleRoundsOnce) {
  // 1 + 2^-11 is a tie for f16; 2^-40 more decides, and f32 cannot see it.
  EXPECT_EQ(F64ToF16(1 + 0x1p-11 + 0x1p-40), 0x3c01);
  EXPECT_EQ(F64ToF16(1 + 0x1p-11), 0x3c00);
  std::mt19937_64 rng(2);
  for (int i = 0; i < 200000; ++i) {
    const double x = std::bit_cast<double>(rng());
    const double y = std::ldexp(static_cast<double>(rng() % 0x100000000), static_cast<int>(rng() % 64) - 64);
    for (double d : {x, y, -y, static_cast<double>(static_cast<float>(y))}) {
      if (!std::isnan(d)) {
        ASSERT_EQ(F64ToF16(d), Nearest(d, 5, 10)) << d;
        ASSERT_EQ(F64ToBF16(d), Nearest(d, 8, 7)) << d;
      }
    }
  }
}

TEST(Half, NanStaysNanWithItsSign) {
  const float payload = std::bit_cast<float>(0xff800001u);  // the mantissa bit is cut off
  EXPECT_TRUE(std::isnan(F16ToF32(F32ToF16(payload))));
  EXPECT_TRUE(std::isnan(BF16ToF32(F32ToBF16(payload))));
  EXPECT_TRUE(std::signbit(BF16ToF32(F32ToBF16(payload))));
  EXPECT_TRUE(std::isnan(F16ToF32(F64ToF16(std::numeric_limits<double>::quiet_NaN()))));
}

// Bulk conversions use other instructions; they must agree with the scalar ones bit for bit, also on odd lengths.
TEST(Half, BulkEqualsScalar) {
  for (int64_t n : {0, 1, 7, 8, 15, 16, 17, 33, 65536}) {
    std::vector<uint16_t> h(n), h2(n);
    std::vector<float> f(n);
    for (int64_t i = 0; i < n; ++i) {
      h[i] = static_cast<uint16_t>(n == 65536 ? i : i * 4099);
    }
    F16ToF32(h.data(), f.data(), n);
    F32ToF16(f.data(), h2.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(f[i]), std::bit_cast<uint32_t>(F16ToF32(h[i]))) << i;
      ASSERT_EQ(h2[i], F32ToF16(f[i])) << i;
    }
    BF16ToF32(h.data(), f.data(), n);
    F32ToBF16(f.data(), h2.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(f[i]), std::bit_cast<uint32_t>(BF16ToF32(h[i]))) << i;
      ASSERT_EQ(h2[i], F32ToBF16(f[i])) << i;
    }
  }
}

TEST(Half, Float8) {
  EXPECT_EQ(F8E4M3FNToF32(0x7e), 448.0f);
  EXPECT_TRUE(std::isnan(F8E4M3FNToF32(0xff)));
  EXPECT_EQ(F8E4M3FNToF32(0x01), 0x1p-9f);
  EXPECT_EQ(F8E5M2ToF32(0x7b), 57344.0f);
  EXPECT_EQ(F32ToF8E4M3FN(1e9f), 0x7e);
  EXPECT_EQ(F32ToF8E5M2(-1e9f), 0xfb);
  for (uint32_t code = 0; code < 0x100; ++code) {
    const uint8_t c = static_cast<uint8_t>(code);
    if (!std::isnan(F8E4M3FNToF32(c))) {
      EXPECT_EQ(F32ToF8E4M3FN(F8E4M3FNToF32(c)), c);
    }
    if (std::isfinite(F8E5M2ToF32(c))) {
      EXPECT_EQ(F32ToF8E5M2(F8E5M2ToF32(c)), c);
    }
  }
  for (uint8_t c = 0; c < 0x7d; ++c) {  // between neighbours: the tie goes to the even code
    const float tie = (F8E4M3FNToF32(c) + F8E4M3FNToF32(c + 1)) / 2;
    EXPECT_EQ(F32ToF8E4M3FN(tie), c % 2 == 0 ? c : c + 1);
    EXPECT_EQ(F32ToF8E4M3FN(std::nextafter(tie, 1e9f)), c + 1);
    EXPECT_EQ(F32ToF8E4M3FN(std::nextafter(tie, 0.0f)), c);
  }
}

}  // namespace
}  // namespace sluice
