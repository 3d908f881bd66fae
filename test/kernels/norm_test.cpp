// rms_norm, layer_norm, softmax and rope against plain loops in f64.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

double Tolerance(DType t) {
  return t == DType::kF64 ? 1e-12 : t == DType::kF32 ? 4e-6 : t == DType::kF16 ? 3e-3 : 2e-2;
}

constexpr DType kFloats[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kF64};
constexpr int64_t kWidths[] = {0, 1, 2, 15, 16, 17, 33, 576};

TEST(RmsNorm, EqualsFormula) {
  for (DType t : kFloats) {
    for (int64_t d : kWidths) {
      for (bool weighted : {false, true}) {
        const DType w_type = t == DType::kF16 ? DType::kF32 : t;
        const HostTensor x = HostTensor::Random(t, {2, 3, d}, 1);
        const HostTensor w = weighted ? HostTensor::Random(w_type, {d}, 2) : HostTensor();
        const HostTensor y(t, {2, 3, d});
        ASSERT_TRUE(Launch(*FindCpuKernel("rms_norm"), {{"eps", 1e-5}}, {x, w}, {y}, 3).ok());
        for (int64_t row = 0; row < 6; ++row) {
          double squares = 0;
          for (int64_t i = 0; i < d; ++i) {
            squares += x.Get(row * d + i) * x.Get(row * d + i);
          }
          for (int64_t i = 0; i < d; ++i) {
            const double want =
                x.Get(row * d + i) / std::sqrt(squares / static_cast<double>(d) + 1e-5) * (weighted ? w.Get(i) : 1);
            ASSERT_NEAR(y.Get(row * d + i), want, Tolerance(t)) << Name(t) << " " << d;
          }
        }
      }
    }
  }
}

TEST(LayerNorm, EqualsFormulaWithLargeMean) {
  for (DType t : kFloats) {
    for (int64_t d : kWidths) {
      const double shift = t == DType::kF32 ? 1000 : 3;
      const HostTensor x = HostTensor::Random(t, {5, d}, 1, shift - 1, shift + 1);
      const HostTensor w = HostTensor::Random(t, {d}, 2), b = HostTensor::Random(t, {d}, 3);
      const HostTensor y(t, {5, d});
      ASSERT_TRUE(Launch(*FindCpuKernel("layer_norm"), {{"eps", 1e-5}}, {x, w, b}, {y}, 2).ok());
      for (int64_t row = 0; row < 5; ++row) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < d; ++i) {
          mean += x.Get(row * d + i) / static_cast<double>(d);
        }
        for (int64_t i = 0; i < d; ++i) {
          variance += std::pow(x.Get(row * d + i) - mean, 2) / static_cast<double>(d);
        }
        for (int64_t i = 0; i < d; ++i) {
          const double want = (x.Get(row * d + i) - mean) / std::sqrt(variance + 1e-5) * w.Get(i) + b.Get(i);
          ASSERT_NEAR(y.Get(row * d + i), want, Tolerance(t) * (t == DType::kF32 ? 100 : 1)) << Name(t) << " " << d;
        }
      }
    }
  }
}

TEST(LayerNorm, WithoutWeights) {
  const HostTensor x = HostTensor::Of(DType::kF32, {1, 4}, {1, 2, 3, 4});
  const HostTensor y(DType::kF32, {1, 4});
  ASSERT_TRUE(Launch(*FindCpuKernel("layer_norm"), {{"eps", 0.0}}, {x}, {y}).ok());
  EXPECT_NEAR(y.Get(0), -1.5 / std::sqrt(1.25), 1e-6);
  EXPECT_NEAR(y.Get(3), 1.5 / std::sqrt(1.25), 1e-6);
}

TEST(Softmax, EqualsFormulaOnEveryAxis) {
  for (DType t : kFloats) {
    for (int64_t axis : {0, 1, 2, -1}) {
      for (int64_t log : {0, 1}) {
        for (const std::vector<int64_t>& sizes :
             std::vector<std::vector<int64_t>>{{3, 5, 37}, {1, 130, 19}, {70, 2, 1}, {2, 0, 3}, {2, 3, 0}}) {
          const HostTensor x = HostTensor::Random(t, sizes, 1, -8, 8);
          const HostTensor y(t, sizes);
          ASSERT_TRUE(Launch(*FindCpuKernel("softmax"), {{"axis", axis}, {"log", log}}, {x}, {y}, 3).ok());
          const int a = static_cast<int>(axis < 0 ? axis + 3 : axis);
          const int64_t stride = x.view().strides[a], n = sizes[a];
          for (int64_t i = 0; i < x.view().elements(); ++i) {
            const int64_t first = i - i / stride % n * stride;
            double sum = 0;
            for (int64_t k = 0; k < n; ++k) {
              sum += std::exp(x.Get(first + k * stride));
            }
            const double want = log != 0 ? x.Get(i) - std::log(sum) : std::exp(x.Get(i)) / sum;
            ASSERT_NEAR(y.Get(i), want, Tolerance(t) * (log != 0 ? 8 : 1)) << Name(t) << " axis " << axis;
          }
        }
      }
    }
  }
}

TEST(Softmax, MaskedAndHugeRows) {
  const double inf = std::numeric_limits<double>::infinity();
  const HostTensor x = HostTensor::Of(DType::kF32, {3, 3}, {-inf, -inf, -inf, -inf, 3e38, -inf, 1e4, 1e4 - 80, -3e38});
  const HostTensor y(DType::kF32, {3, 3});
  ASSERT_TRUE(Launch(*FindCpuKernel("softmax"), {{"axis", int64_t{-1}}}, {x}, {y}).ok());
  EXPECT_TRUE(std::isnan(y.Get(0)) && std::isnan(y.Get(2)));
  EXPECT_EQ(y.Get(3), 0);
  EXPECT_EQ(y.Get(4), 1);
  EXPECT_NEAR(y.Get(7) / std::exp(-80.0), 1, 1e-5);
  EXPECT_EQ(y.Get(8), 0);
}

TEST(Rope, BothStylesPartialAndStrided) {
  for (DType t : kFloats) {
    for (int64_t interleaved : {0, 1}) {
      for (int64_t half : {0, 1, 3, 8, 17}) {
        for (int64_t angle_batch : {1, 2}) {
          const int64_t s = 5, d = 2 * half + 3;
          const DType c_type = t == DType::kBF16 ? DType::kF32 : t;
          // x lies as [b, s, h, d]: what a linear leaves.
          const HostTensor x = HostTensor::Random(t, {2, s, 3, d}, 1).Transposed({0, 2, 1, 3});
          const HostTensor cos = HostTensor::Random(c_type, {angle_batch, s, half}, 2);
          const HostTensor sin = HostTensor::Random(c_type, {angle_batch, s, half}, 3);
          const HostTensor y(t, {2, 3, s, d});
          ASSERT_TRUE(Launch(*FindCpuKernel("rope"), {{"interleaved", interleaved}}, {x, cos, sin}, {y}, 2).ok());
          for (int64_t b = 0; b < 2; ++b) {
            for (int64_t h = 0; h < 3; ++h) {
              for (int64_t i = 0; i < s; ++i) {
                for (int64_t j = 0; j < half; ++j) {
                  const int64_t p = interleaved != 0 ? 2 * j : j, q = interleaved != 0 ? 2 * j + 1 : j + half;
                  const int64_t ab = angle_batch == 1 ? 0 : b;
                  const double c = cos({ab, i, j}), sn = sin({ab, i, j});
                  ASSERT_NEAR(y({b, h, i, p}), x({b, h, i, p}) * c - x({b, h, i, q}) * sn, Tolerance(t));
                  ASSERT_NEAR(y({b, h, i, q}), x({b, h, i, q}) * c + x({b, h, i, p}) * sn, Tolerance(t));
                }
                for (int64_t j = 2 * half; j < d; ++j) {
                  ASSERT_EQ(y({b, h, i, j}), x({b, h, i, j}));
                }
              }
            }
          }
        }
      }
    }
  }
}

// A row alone gives the bits it gives in a batch.
TEST(Norms, RowsDoNotDependOnTheBatch) {
  const int64_t d = 203;
  const HostTensor x = HostTensor::Random(DType::kF32, {64, d}, 5);
  for (const char* name : {"rms_norm", "layer_norm", "softmax"}) {
    const HostTensor y(DType::kF32, {64, d});
    ASSERT_TRUE(Launch(*FindCpuKernel(name), {}, {x}, {y}, 4).ok());
    for (int64_t row : {0, 17, 63}) {
      const HostTensor one = x.Slice(0, row, 1);
      const HostTensor z(DType::kF32, {1, d});
      ASSERT_TRUE(Launch(*FindCpuKernel(name), {}, {one}, {z}).ok());
      for (int64_t i = 0; i < d; ++i) {
        ASSERT_EQ(z.Get(i), y.Get(row * d + i)) << name;
      }
    }
  }
}

TEST(Norms, InPlace) {
  for (const char* name : {"rms_norm", "layer_norm", "softmax"}) {
    const HostTensor x = HostTensor::Random(DType::kF16, {3, 50}, 5);
    const HostTensor y(DType::kF16, {3, 50});
    ASSERT_TRUE(Launch(*FindCpuKernel(name), {}, {x}, {y}).ok());
    ASSERT_TRUE(Launch(*FindCpuKernel(name), {}, {x}, {x}).ok());
    EXPECT_EQ(x.Values(), y.Values()) << name;
  }
}

TEST(Norms, OtherTypesAreRefusedByName) {
  const HostTensor x(DType::kI32, {2, 2}), y(DType::kI32, {2, 2});
  const absl::Status status = Launch(*FindCpuKernel("softmax"), {}, {x}, {y});
  EXPECT_NE(status.ToString().find("i32"), std::string::npos) << status;
}

}  // namespace
}  // namespace sluice::kernels
