// Approximations of device code whose results have 16 bits, at every argument there is.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/device/erf.cuh"
#include "runtime/base/half.h"

namespace sluice::kernels {
namespace {

// As erf_ of scalar.cuh does between its two roundings.
float Erf(float x, float end) { return sl::erf_within(std::fmax(std::fmin(x, end), -end)); }

TEST(CudaMath, ErfOfEveryF16IsNextToItsRounding) {
  const float end = F16ToF32(sl::kErfEndF16);
  EXPECT_EQ(end, 2.65625f);
  double most = 0;
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float x = F16ToF32(static_cast<uint16_t>(bits));
    if (!std::isfinite(x)) {
      continue;
    }
    const float y = F16ToF32(F32ToF16(Erf(x, end)));
    const double want = std::erf(static_cast<double>(x));
    // The distance of f16 numbers at `want`: 2^-10 of its power of 2, 2^-24 at least.
    const double step = std::ldexp(1.0, std::max(-24, std::ilogb(std::max(std::fabs(want), 1e-30)) - 10));
    most = std::max(most, std::fabs(y - want) / step);
  }
  EXPECT_LT(most, 0.6);  // 0.5 is rounding's own
  EXPECT_EQ(F32ToF16(Erf(end, end)), F32ToF16(1));
}

TEST(CudaMath, ErfOfEveryBf16IsNextToItsRounding) {
  const float end = BF16ToF32(sl::kErfEndBf16);
  EXPECT_EQ(end, 2.65625f);
  double most = 0;
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float x = BF16ToF32(static_cast<uint16_t>(bits));
    if (!std::isfinite(x) || std::fabs(x) < std::numeric_limits<float>::min()) {
      continue;
    }
    const double want = std::erf(static_cast<double>(x)), y = BF16ToF32(F32ToBF16(Erf(x, end)));
    most = std::max(most, std::fabs(y - want) / std::ldexp(1.0, std::ilogb(want) - 7));
  }
  EXPECT_LT(most, 0.52);
  EXPECT_EQ(F32ToBF16(Erf(end, end)), F32ToBF16(1));
}

}  // namespace
}  // namespace sluice::kernels
