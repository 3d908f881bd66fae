// reduce, arg_reduce, cumsum and top_k against plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// The elements that each result is made of, in row-major order.
std::vector<std::vector<double>> Groups(const HostTensor& x, const std::vector<int64_t>& axes) {
  std::map<std::vector<int64_t>, std::vector<double>> groups;
  const Tensor& v = x.view();
  std::vector<int64_t> index(v.rank);
  const std::function<void(int)> visit = [&](int d) {
    if (d == v.rank) {
      std::vector<int64_t> key;
      int64_t at = 0;
      for (int e = 0; e < v.rank; ++e) {
        at += index[e] * v.strides[e];
        if (std::find(axes.begin(), axes.end(), e) == axes.end()) {
          key.push_back(index[e]);
        }
      }
      groups[key].push_back(x.Get(at));
      return;
    }
    for (index[d] = 0; index[d] < v.sizes[d]; ++index[d]) {
      visit(d + 1);
    }
  };
  visit(0);
  std::vector<std::vector<double>> result;
  for (auto& [key, values] : groups) {
    result.push_back(values);
  }
  return result;
}

double Naive(const std::string& kind, const std::vector<double>& x) {
  double sum = 0, abs = 0, squares = 0, product = 1, max = -kInf, min = kInf, exp = 0;
  for (double v : x) {
    sum += v;
    abs += std::fabs(v);
    squares += v * v;
    product *= v;
    max = std::max(max, v);
    min = std::min(min, v);
    exp += std::exp(v);
  }
  const std::map<std::string, double> all = {{"sum", sum},
                                             {"mean", sum / static_cast<double>(x.size())},
                                             {"max", max},
                                             {"min", min},
                                             {"prod", product},
                                             {"l1", abs},
                                             {"l2", std::sqrt(squares)},
                                             {"sum_square", squares},
                                             {"log_sum", std::log(sum)},
                                             {"log_sum_exp", std::log(exp)}};
  return all.at(kind);
}

constexpr const char* kKinds[] = {"sum", "mean", "max",        "min",     "prod",
                                  "l1",  "l2",   "sum_square", "log_sum", "log_sum_exp"};

std::vector<int64_t> Kept(const std::vector<int64_t>& sizes, const std::vector<int64_t>& axes) {
  std::vector<int64_t> kept;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) == axes.end()) {
      kept.push_back(sizes[d]);
    }
  }
  return kept;
}

TEST(Reduce, EveryKindOverEveryChoiceOfAxes) {
  const std::vector<int64_t> sizes = {3, 2, 1, 5, 67};
  for (DType t : {DType::kF32, DType::kF16, DType::kF64, DType::kI32, DType::kI64}) {
    const HostTensor x = HostTensor::Random(t, sizes, 3, IsFloat(t) ? 0.5 : 1, IsFloat(t) ? 1.5 : 3);
    for (int mask = 0; mask < 32; ++mask) {
      std::vector<int64_t> axes;
      for (int64_t d = 0; d < 5; ++d) {
        if ((mask >> d & 1) != 0) {
          axes.push_back(d);
        }
      }
      const auto groups = Groups(x, axes);
      for (const std::string kind : kKinds) {
        if ((t == DType::kI32 || t == DType::kI64) &&
            (kind == "prod" || kind == "mean" || kind.find("log") == 0 || kind == "l2")) {
          continue;
        }
        const HostTensor y(t, Kept(sizes, axes));
        ASSERT_TRUE(Launch(*FindCpuKernel("reduce"), {{"kind", kind}, {"axes", axes}}, {x}, {y}, 2).ok());
        for (size_t i = 0; i < groups.size(); ++i) {
          const double want = Naive(kind, groups[i]);
          if (t == DType::kF16 && std::fabs(want) > 60000) {
            continue;
          }
          const double unit = t == DType::kF16 ? 1e-3 : t == DType::kF32 ? 1e-6 : 1e-12;
          ASSERT_NEAR(y.Get(static_cast<int64_t>(i)), want, unit * std::max(1.0, std::fabs(want)) * 2)
              << kind << " " << Name(t) << " mask " << mask;
        }
      }
    }
  }
}

TEST(Reduce, IntegersWholeAndLogs) {
  const HostTensor x = HostTensor::Of(DType::kI32, {4}, {3, -5, 7, 2});
  const auto reduce = [&](const char* kind) {
    const HostTensor y(DType::kI32, {});
    EXPECT_TRUE(Launch(*FindCpuKernel("reduce"), {{"kind", kind}, {"axes", std::vector<int64_t>{0}}}, {x}, {y}).ok());
    return y.Get(0);
  };
  EXPECT_EQ(reduce("prod"), -210);
  EXPECT_EQ(reduce("mean"), 1);
  EXPECT_EQ(reduce("l1"), 17);
  EXPECT_EQ(reduce("l2"), 9);
  EXPECT_EQ(reduce("max"), 7);
  EXPECT_EQ(reduce("min"), -5);
}

TEST(Reduce, NothingToReduce) {
  const std::map<std::string, double> wanted = {{"sum", 0},         {"max", -kInf}, {"min", kInf},         {"prod", 1},
                                                {"log_sum", -kInf}, {"l2", 0},      {"log_sum_exp", -kInf}};
  for (const auto& [kind, want] : wanted) {
    for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{2, 0}, {0, 2}}) {
      const std::vector<int64_t> axes = {sizes[0] == 0 ? 0 : 1};
      const HostTensor x(DType::kF32, sizes), y(DType::kF32, {2});
      ASSERT_TRUE(Launch(*FindCpuKernel("reduce"), {{"kind", kind}, {"axes", axes}}, {x}, {y}).ok());
      EXPECT_EQ(y.Get(0), want) << kind;
      EXPECT_EQ(y.Get(1), want) << kind;
    }
  }
  const HostTensor x(DType::kF32, {0, 3}), y(DType::kF32, {0});
  ASSERT_TRUE(Launch(*FindCpuKernel("reduce"), {{"axes", std::vector<int64_t>{1}}}, {x}, {y}).ok());
}

TEST(Reduce, ExtremesOfLogSumExpAndNan) {
  const HostTensor x = HostTensor::Of(DType::kF32, {4, 2}, {1000, 1000, -1000, -1000, -kInf, -kInf, kInf, 0});
  const HostTensor y(DType::kF32, {4});
  ASSERT_TRUE(
      Launch(*FindCpuKernel("reduce"), {{"kind", "log_sum_exp"}, {"axes", std::vector<int64_t>{-1}}}, {x}, {y}).ok());
  EXPECT_NEAR(y.Get(0), 1000 + std::log(2.0), 1e-4);
  EXPECT_NEAR(y.Get(1), -1000 + std::log(2.0), 1e-4);
  EXPECT_EQ(y.Get(2), -kInf);
  EXPECT_EQ(y.Get(3), kInf);
  const HostTensor z = HostTensor::Of(DType::kF32, {3}, {1, NAN, 2}), m(DType::kF32, {});
  ASSERT_TRUE(Launch(*FindCpuKernel("reduce"), {{"kind", "max"}, {"axes", std::vector<int64_t>{0}}}, {z}, {m}).ok());
  EXPECT_TRUE(std::isnan(m.Get(0)));
}

// A million times 0.1 in f32: a running sum would be off by 1 %.
TEST(Reduce, LongSumsKeepTheirDigits) {
  const int64_t n = 1 << 20;
  for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{n, 1}, {n / 4, 4}}) {
    HostTensor x(DType::kF32, sizes);
    for (int64_t i = 0; i < n; ++i) {
      x.Set(i, 0.1);
    }
    const HostTensor y(DType::kF32, {sizes[1]});
    ASSERT_TRUE(Launch(*FindCpuKernel("reduce"), {{"axes", std::vector<int64_t>{0}}}, {x}, {y}).ok());
    const double exact = static_cast<double>(0.1f) * static_cast<double>(sizes[0]);
    EXPECT_NEAR(y.Get(0) / exact, 1, 1e-6);
  }
}

TEST(ArgReduce, FirstAndLastOfEqualOnes) {
  for (DType t : {DType::kF32, DType::kF16, DType::kF64, DType::kI32, DType::kU8}) {
    for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{3, 4, 5}, {2, 300, 3}, {2, 2, 999}}) {
      const HostTensor x = HostTensor::Random(t, sizes, 9, 0, t == DType::kF32 ? 1 : 3);
      for (int64_t axis : {0, 1, 2}) {
        for (const std::string kind : {"max", "min"}) {
          for (int64_t last : {0, 1}) {
            const HostTensor y(DType::kI64, Kept(sizes, {axis}));
            const std::vector<Attr> attrs = {{"axis", axis}, {"kind", kind}, {"select_last_index", last}};
            ASSERT_TRUE(Launch(*FindCpuKernel("arg_reduce"), attrs, {x}, {y}, 2).ok());
            const auto groups = Groups(x, {axis});
            for (size_t g = 0; g < groups.size(); ++g) {
              const auto& v = groups[g];
              const double extreme =
                  kind == "max" ? *std::max_element(v.begin(), v.end()) : *std::min_element(v.begin(), v.end());
              const auto first = std::find(v.begin(), v.end(), extreme) - v.begin();
              const auto final = v.rend() - std::find(v.rbegin(), v.rend(), extreme) - 1;
              ASSERT_EQ(y.Get(static_cast<int64_t>(g)), last != 0 ? final : first) << kind << " axis " << axis;
            }
          }
        }
      }
    }
  }
  const HostTensor none(DType::kF32, {2, 0}), y(DType::kI64, {2});
  EXPECT_FALSE(Launch(*FindCpuKernel("arg_reduce"), {{"axis", int64_t{1}}}, {none}, {y}).ok());
}

TEST(Cumsum, AllFourForms) {
  for (DType t : {DType::kF32, DType::kI64, DType::kI32, DType::kF16}) {
    const HostTensor x = HostTensor::Random(t, {3, 7, 2}, 4, -5, 5);
    for (int64_t axis : {0, 1, 2, -1}) {
      for (int64_t exclusive : {0, 1}) {
        for (int64_t reverse : {0, 1}) {
          const HostTensor y(t, {3, 7, 2});
          const std::vector<Attr> attrs = {{"axis", axis}, {"exclusive", exclusive}, {"reverse", reverse}};
          ASSERT_TRUE(Launch(*FindCpuKernel("cumsum"), attrs, {x}, {y}, 2).ok());
          const int a = static_cast<int>(axis < 0 ? axis + 3 : axis);
          const int64_t stride = x.view().strides[a], n = x.view().sizes[a];
          for (int64_t i = 0; i < 42; ++i) {
            const int64_t at = i / stride % n, first = i - at * stride;
            double sum = 0;
            for (int64_t k = 0; k < n; ++k) {
              const bool counts =
                  reverse != 0 ? k > at || (k == at && exclusive == 0) : k < at || (k == at && exclusive == 0);
              sum += counts ? x.Get(first + k * stride) : 0;
            }
            ASSERT_NEAR(y.Get(i), sum, t == DType::kF16 ? 2e-2 : 1e-5);
          }
        }
      }
    }
  }
}

TEST(TopK, OrderAndTies) {
  for (DType t : {DType::kF32, DType::kF16, DType::kI64, DType::kI32}) {
    for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{3, 40, 2}, {5, 1, 1}, {2, 3, 130}}) {
      const HostTensor x = HostTensor::Random(t, sizes, 6, 0, 9);
      for (int64_t axis : {0, 1, 2}) {
        for (int64_t largest : {0, 1}) {
          for (int64_t k : {int64_t{0}, int64_t{1}, sizes[axis] / 2, sizes[axis]}) {
            std::vector<int64_t> out_sizes = sizes;
            out_sizes[axis] = k;
            const HostTensor values(t, out_sizes), indices(DType::kI64, out_sizes);
            const std::vector<Attr> attrs = {{"axis", axis}, {"largest", largest}, {"sorted", int64_t{1}}};
            ASSERT_TRUE(Launch(*FindCpuKernel("top_k"), attrs, {x}, {values, indices}, 3).ok());
            const auto groups = Groups(x, {axis}), got = Groups(values, {axis}), at = Groups(indices, {axis});
            for (size_t g = 0; g < got.size(); ++g) {
              std::vector<size_t> order(groups[g].size());
              std::iota(order.begin(), order.end(), 0);
              std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
                return groups[g][a] == groups[g][b] ? a < b : (groups[g][a] > groups[g][b]) == (largest != 0);
              });
              for (size_t i = 0; i < got[g].size(); ++i) {
                ASSERT_EQ(at[g][i], static_cast<double>(order[i]));
                ASSERT_EQ(got[g][i], groups[g][order[i]]);
              }
            }
          }
        }
      }
    }
  }
}

TEST(TopK, NanIsLargest) {
  const HostTensor x = HostTensor::Of(DType::kF32, {5}, {1, NAN, kInf, NAN, -1});
  const HostTensor values(DType::kF32, {3}), indices(DType::kI64, {3});
  ASSERT_TRUE(Launch(*FindCpuKernel("top_k"), {{"axis", int64_t{0}}}, {x}, {values, indices}).ok());
  EXPECT_EQ(indices.Values(), (std::vector<double>{1, 3, 2}));
  const std::vector<Attr> smallest = {{"axis", int64_t{0}}, {"largest", int64_t{0}}};
  ASSERT_TRUE(Launch(*FindCpuKernel("top_k"), smallest, {x}, {values, indices}).ok());
  EXPECT_EQ(indices.Values(), (std::vector<double>{4, 0, 2}));
}

}  // namespace
}  // namespace sluice::kernels
