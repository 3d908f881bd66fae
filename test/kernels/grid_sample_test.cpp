// grid_sample against a plain f64 sum over integer positions near the sampled one.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

using Sizes = std::vector<int64_t>;

struct Sampling {
  std::string mode, padding;
  bool align;
};

// Weight of an element `distance` away.
double WeightAt(const std::string& mode, double distance) {
  const double d = std::fabs(distance), a = -0.75;
  if (mode == "linear") {
    return std::max(0.0, 1 - d);
  }
  if (d <= 1) {
    return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  }
  return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0.0;
}

// Mirrors v at the edges until it is between them.
double Mirror(double v, double low, double high) {
  while (low < high && (v < low || v > high)) {
    v = v < low ? 2 * low - v : 2 * high - v;
  }
  return low < high ? v : low;
}

double Inside(const Sampling& s, double v, int64_t size) {
  const double low = s.align ? 0 : -0.5, high = static_cast<double>(size - 1) - low;
  if (v >= low && v <= high) {
    return v;
  }
  if (s.padding == "border") {
    return std::clamp(v, 0.0, static_cast<double>(size - 1));
  }
  return s.padding == "reflection" ? Mirror(v, low, high) : v;
}

// The sampled value: dimension d of `x` at position g[n - 1 - d], the dimensions before it at `offset`.
double Sample(const Sampling& s, const HostTensor& x, const std::vector<double>& g, size_t d, int64_t offset) {
  if (d == g.size()) {
    return x.Get(offset);
  }
  const int64_t size = x.view().sizes[2 + d];
  const double n = static_cast<double>(size), at = g[g.size() - 1 - d];
  double v = s.align ? (at + 1) / 2 * (n - 1) : ((at + 1) * n - 1) / 2;
  v = Inside(s, s.mode == "nearest" ? std::nearbyint(v) : v, size);
  double sum = 0;
  for (double tap = std::floor(v) - 2; tap <= std::floor(v) + 3; ++tap) {
    const double weight = s.mode == "nearest" ? (tap == v ? 1.0 : 0.0) : WeightAt(s.mode, v - tap);
    const double element = Inside(s, tap, size);
    if (weight != 0 && element >= 0 && element < n) {
      sum += weight * Sample(s, x, g, d + 1, offset * size + static_cast<int64_t>(element));
    }
  }
  return sum;
}

void Check(DType t, const Sampling& s, const Sizes& sizes, const Sizes& out, double tolerance, int threads) {
  Sizes grid_sizes = {sizes[0]}, y_sizes = {sizes[0], sizes[1]};
  grid_sizes.insert(grid_sizes.end(), out.begin(), out.end());
  y_sizes.insert(y_sizes.end(), out.begin(), out.end());
  grid_sizes.push_back(static_cast<int64_t>(out.size()));
  const HostTensor x = HostTensor::Random(t, sizes, 5);
  HostTensor grid = HostTensor::Random(t, grid_sizes, 6, -2.5, 2.5);  // from the middle to far outside
  grid.Set(0, -1);                                                    // and exactly on an edge
  const HostTensor y(t, y_sizes);
  const std::vector<Attr> attrs = {{"mode", s.mode}, {"padding", s.padding}, {"align_corners", int64_t{s.align}}};
  ASSERT_TRUE(Launch(*FindCpuKernel("grid_sample"), attrs, {x, grid}, {y}, threads).ok());
  const int64_t n = static_cast<int64_t>(out.size());
  const int64_t positions = y.view().elements() / (sizes[0] * sizes[1]);
  for (int64_t i = 0; i < y.view().elements(); ++i) {
    const int64_t plane = i / positions, at = (plane / sizes[1] * positions + i % positions) * n;
    std::vector<double> g;
    for (int64_t d = 0; d < n; ++d) {
      g.push_back(grid.Get(at + d));
    }
    ASSERT_NEAR(y.Get(i), Sample(s, x, g, 0, plane), tolerance)
        << s.mode << ' ' << s.padding << ' ' << s.align << " element " << i;
  }
}

TEST(GridSample, EveryModePaddingAndRank) {
  for (const std::string mode : {"nearest", "linear", "cubic"}) {
    for (const std::string padding : {"zeros", "border", "reflection"}) {
      for (const bool align : {false, true}) {
        const Sampling s{mode, padding, align};
        // f64: the same maths, so that a position at a half rounds the same way.
        Check(DType::kF64, s, {2, 3, 5, 7}, {9, 11}, 1e-12, 3);
        Check(DType::kF64, s, {1, 2, 6}, {70}, 1e-12, 1);
        Check(DType::kF64, s, {1, 2, 3, 4, 5}, {2, 3, 4}, 1e-12, 2);
        Check(DType::kF64, s, {1, 1, 1, 4}, {3, 5}, 1e-12, 1);  // a dimension of one element
      }
    }
  }
}

// Weights of f32 positions differ by rounding from f64 ones.
TEST(GridSample, F32) {
  for (const std::string mode : {"linear", "cubic"}) {
    for (const std::string padding : {"zeros", "border", "reflection"}) {
      Check(DType::kF32, {mode, padding, false}, {1, 3, 17, 19}, {21, 33}, 2e-4, 2);
    }
  }
}

// An image of one number: whatever half-precision positions are rounded to, border padding gives the number.
TEST(GridSample, Halves) {
  for (const DType t : {DType::kF16, DType::kBF16}) {
    const HostTensor x = HostTensor::Of(t, {1, 1, 2, 2}, {1.5, 1.5, 1.5, 1.5});
    const HostTensor grid = HostTensor::Random(t, {1, 3, 3, 2}, 7, -3, 3), y(t, {1, 1, 3, 3});
    ASSERT_TRUE(
        Launch(*FindCpuKernel("grid_sample"), {{"mode", "linear"}, {"padding", "border"}}, {x, grid}, {y}).ok());
    for (const double v : y.Values()) {
      EXPECT_NEAR(v, 1.5, 1e-2);
    }
  }
}

// Positions that are no numbers, or beyond any size, are outside; nothing is read there.
TEST(GridSample, NoNumbers) {
  const HostTensor x = HostTensor::Of(DType::kF32, {1, 1, 1, 3}, {4, 5, 6}), y(DType::kF32, {1, 1, 1, 3});
  const HostTensor grid = HostTensor::Of(DType::kF32, {1, 1, 3, 2}, {std::nan(""), 0, INFINITY, 0, -1e30, 0});
  ASSERT_TRUE(Launch(*FindCpuKernel("grid_sample"), {{"mode", "linear"}, {"padding", "zeros"}}, {x, grid}, {y}).ok());
  EXPECT_EQ(y.Values(), (std::vector<double>{0, 0, 0}));
  ASSERT_TRUE(Launch(*FindCpuKernel("grid_sample"), {{"mode", "nearest"}, {"padding", "border"}}, {x, grid}, {y}).ok());
  EXPECT_EQ(y.Values(), (std::vector<double>{4, 6, 4}));
}

TEST(GridSample, NothingToDoAndNothingToRead) {
  const std::vector<Attr> attrs = {{"mode", "linear"}, {"padding", "zeros"}};
  const HostTensor x(DType::kF32, {1, 2, 3, 3}), none(DType::kF32, {1, 0, 4, 2}), empty(DType::kF32, {1, 2, 0, 4});
  EXPECT_TRUE(Launch(*FindCpuKernel("grid_sample"), attrs, {x, none}, {empty}).ok());
  const HostTensor hole(DType::kF32, {1, 2, 0, 3}), grid(DType::kF32, {1, 2, 2, 2}), y(DType::kF32, {1, 2, 2, 2});
  EXPECT_FALSE(Launch(*FindCpuKernel("grid_sample"), attrs, {hole, grid}, {y}).ok());
  EXPECT_FALSE(Launch(*FindCpuKernel("grid_sample"), {{"mode", "area"}, {"padding", "zeros"}}, {x, grid}, {y}).ok());
}

}  // namespace
}  // namespace sluice::kernels
