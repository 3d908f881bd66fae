// quantize and dequantize against the formula, per tensor, per axis and blocked.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

using Sizes = std::vector<int64_t>;

struct Range {
  DType type;
  double low, high;
};
constexpr Range kCodes[] = {{DType::kI8, -128, 127}, {DType::kU8, 0, 255}, {DType::kI16, -32768, 32767},
                            {DType::kU16, 0, 65535}, {DType::kI4, -8, 7},  {DType::kU4, 0, 15}};

struct Form {
  Sizes x, scale;
  int64_t axis, block;
};
const Form kForms[] = {
    {{3, 5, 7}, {}, 0, 0},       {{2, 9000}, {1}, 0, 0},        {{3, 5, 7}, {3}, 0, 0},   {{3, 5, 7}, {5}, 1, 0},
    {{3, 5, 300}, {300}, -1, 0}, {{4, 10, 6}, {4, 3, 6}, 1, 4}, {{4, 33}, {4, 3}, 1, 16}, {{3, 32}, {3, 1}, 1, 32},
    {{5, 7}, {2, 7}, 0, 3},      {{0, 4}, {4}, 1, 0},           {{2, 0}, {}, 0, 0},       {{1}, {1}, 0, 0},
};

// The scale's element for element i of x.
int64_t ScaleAt(const Form& f, int64_t i) {
  int64_t scales = 1;
  for (int64_t s : f.scale) {
    scales *= s;
  }
  if (f.block == 0 && scales == 1) {
    return 0;
  }
  const size_t axis = static_cast<size_t>(f.axis < 0 ? f.axis + static_cast<int64_t>(f.x.size()) : f.axis);
  int64_t inner = 1;
  for (size_t d = axis + 1; d < f.x.size(); ++d) {
    inner *= f.x[d];
  }
  const int64_t n = f.x[axis], a = i / inner % n;
  if (f.block == 0) {
    return a;
  }
  return (i / inner / n * ((n + f.block - 1) / f.block) + a / f.block) * inner + i % inner;
}

double HalfEven(double v) {
  const double down = std::floor(v);
  if (v - down != 0.5) {
    return std::floor(v + 0.5);
  }
  return std::fmod(down, 2) == 0 ? down : down + 1;
}

TEST(Quantize, RoundsHalvesToEvenAndSaturates) {
  for (const Range& code : kCodes) {
    for (DType t : {DType::kF32, DType::kF16}) {
      for (const Form& f : kForms) {
        for (bool with_zero : {false, true}) {
          // Multiples of a power of two: exact quotients, many of them halves.
          HostTensor x = HostTensor::Random(t, f.x, 1, -40, 40), scale(t, f.scale);
          for (int64_t i = 0; i < x.view().elements(); ++i) {
            x.Set(i, std::floor(x.Get(i)) / 2 * (i % 11 == 0 ? 64 : 1));
          }
          for (int64_t i = 0; i < scale.view().elements(); ++i) {
            scale.Set(i, i % 3 == 0 ? 1 : i % 3 == 1 ? 0.5 : 2);
          }
          const HostTensor zero =
              with_zero ? HostTensor::Random(code.type, f.scale, 5, code.low / 4, code.high / 4) : HostTensor();
          const HostTensor y(code.type, f.x);
          const std::vector<Attr> attrs = {{"axis", f.axis}, {"block", f.block}};
          ASSERT_TRUE(Launch(*FindCpuKernel("quantize"), attrs, {x, scale, zero}, {y}, 3).ok());
          for (int64_t i = 0; i < x.view().elements(); ++i) {
            const int64_t at = ScaleAt(f, i);
            const double want =
                std::clamp(HalfEven(x.Get(i) / scale.Get(at)) + (with_zero ? zero.Get(at) : 0), code.low, code.high);
            ASSERT_EQ(y.Get(i), want) << Name(code.type) << " element " << i << " x " << x.Get(i);
          }
        }
      }
    }
  }
}

TEST(Quantize, ExtremesAndIntegers) {
  const double inf = std::numeric_limits<double>::infinity();
  const HostTensor x = HostTensor::Of(DType::kF32, {5}, {inf, -inf, NAN, 1e30, 2.5}), y(DType::kI8, {5});
  const HostTensor scale = HostTensor::Of(DType::kF32, {}, {1}), zero = HostTensor::Of(DType::kI8, {}, {3});
  ASSERT_TRUE(Launch(*FindCpuKernel("quantize"), {}, {x, scale, zero}, {y}).ok());
  EXPECT_EQ(y.Values(), (std::vector<double>{127, -128, 3, 127, 5}));
  const HostTensor wide(DType::kI32, {5});
  ASSERT_TRUE(Launch(*FindCpuKernel("quantize"), {}, {x, scale}, {wide}).ok());
  EXPECT_EQ(wide.Values(), (std::vector<double>{2147483647, -2147483648.0, 0, 2147483647, 2}));
  const HostTensor bad(DType::kF64, {5});
  EXPECT_FALSE(Launch(*FindCpuKernel("quantize"), {}, {bad, scale}, {y}).ok());
  const HostTensor two(DType::kF32, {2});
  EXPECT_FALSE(Launch(*FindCpuKernel("quantize"), {}, {x, two}, {y}).ok());
}

TEST(Dequantize, EveryCodeTypeAndForm) {
  for (const Range& code : kCodes) {
    for (DType t : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (const Form& f : kForms) {
        for (bool with_zero : {false, true}) {
          const HostTensor q = HostTensor::Random(code.type, f.x, 1, code.low, code.high);
          const HostTensor scale = HostTensor::Random(t, f.scale, 2, 0.01, 0.1);
          const HostTensor zero =
              with_zero ? HostTensor::Random(code.type, f.scale, 3, code.low, code.high) : HostTensor();
          const HostTensor y(t, f.x);
          const std::vector<Attr> attrs = {{"axis", f.axis}, {"block", f.block}};
          ASSERT_TRUE(Launch(*FindCpuKernel("dequantize"), attrs, {q, scale, zero}, {y}, 2).ok());
          for (int64_t i = 0; i < q.view().elements(); ++i) {
            const int64_t at = ScaleAt(f, i);
            const double want = (q.Get(i) - (with_zero ? zero.Get(at) : 0)) * scale.Get(at);
            const double unit = t == DType::kF32 ? 1e-6 : t == DType::kF16 ? 1e-3 : 8e-3;
            ASSERT_NEAR(y.Get(i), want, unit * std::max(1.0, std::fabs(want))) << Name(code.type);
          }
        }
      }
    }
  }
}

TEST(Dequantize, Biases) {
  const HostTensor q = HostTensor::Of(DType::kI32, {2}, {100000, -7}), y(DType::kF32, {2});
  const HostTensor scale = HostTensor::Of(DType::kF32, {2}, {0.5, 2});
  ASSERT_TRUE(Launch(*FindCpuKernel("dequantize"), {}, {q, scale}, {y}).ok());
  EXPECT_EQ(y.Values(), (std::vector<double>{50000, -14}));
}

}  // namespace
}  // namespace sluice::kernels
