// pool against plain loops; resize against ONNX Runtime's numbers.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

using Sizes = std::vector<int64_t>;

struct Window {
  Sizes sizes;  // of x, two spatial dimensions
  Sizes kernel, strides, pads, dilations;
  bool ceil_mode;
};

int64_t OutSize(const Window& w, int d) {
  const int64_t span = w.sizes[2 + d] + w.pads[d] + w.pads[2 + d] - w.dilations[d] * (w.kernel[d] - 1) - 1;
  int64_t out = (w.ceil_mode ? (span + w.strides[d] - 1) / w.strides[d] : span / w.strides[d]) + 1;
  // A window that begins in the end padding does not count.
  if (w.ceil_mode && (out - 1) * w.strides[d] >= w.sizes[2 + d] + w.pads[d]) {
    --out;
  }
  return out;
}

const Window kWindows[] = {
    {{2, 3, 9, 11}, {3, 2}, {1, 1}, {0, 0, 0, 0}, {1, 1}, false},
    {{1, 2, 7, 140}, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, false},
    {{1, 2, 8, 9}, {3, 3}, {2, 3}, {1, 0, 1, 2}, {1, 1}, true},
    {{1, 1, 10, 10}, {2, 3}, {1, 2}, {1, 1, 0, 1}, {3, 2}, false},
    {{3, 1, 5, 6}, {5, 6}, {1, 1}, {0, 0, 0, 0}, {1, 1}, false},
    {{0, 2, 5, 6}, {2, 2}, {1, 1}, {0, 0, 0, 0}, {1, 1}, false},
    {{1, 1, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}, false},
};

TEST(Pool, MaxAndAverage) {
  for (DType t : {DType::kF32, DType::kF16, DType::kF64, DType::kI8, DType::kU8}) {
    for (const Window& w : kWindows) {
      for (const std::string kind : {"max", "average"}) {
        for (int64_t include : {0, 1}) {
          if (kind == "average" && !IsFloat(t)) {
            continue;
          }
          const HostTensor x = HostTensor::Random(t, w.sizes, 3, IsFloat(t) ? -2 : 0, IsFloat(t) ? 2 : 100);
          const Sizes out = {w.sizes[0], w.sizes[1], OutSize(w, 0), OutSize(w, 1)};
          const HostTensor y(t, out);
          const HostTensor indices = kind == "max" ? HostTensor(DType::kI64, out) : HostTensor();
          const std::vector<Attr> attrs = {{"kind", kind},
                                           {"kernel", w.kernel},
                                           {"strides", w.strides},
                                           {"pads", w.pads},
                                           {"dilations", w.dilations},
                                           {"count_include_pad", include},
                                           {"ceil_mode", int64_t{w.ceil_mode}}};
          std::vector<HostTensor> outs = {y};
          if (kind == "max") {
            outs.push_back(indices);
          }
          ASSERT_TRUE(Launch(*FindCpuKernel("pool"), attrs, {x}, outs, 3).ok());
          for (int64_t i = 0; i < y.view().elements(); ++i) {
            const int64_t plane = i / (out[2] * out[3]), oh = i / out[3] % out[2], ow = i % out[3];
            double max = -std::numeric_limits<double>::infinity(), sum = 0;
            int64_t count = 0, padded = 0, where = 0;
            for (int64_t kh = 0; kh < w.kernel[0]; ++kh) {
              for (int64_t kw = 0; kw < w.kernel[1]; ++kw) {
                const int64_t h = oh * w.strides[0] - w.pads[0] + kh * w.dilations[0];
                const int64_t c = ow * w.strides[1] - w.pads[1] + kw * w.dilations[1];
                padded += h < w.sizes[2] + w.pads[2] && c < w.sizes[3] + w.pads[3] ? 1 : 0;
                if (h < 0 || h >= w.sizes[2] || c < 0 || c >= w.sizes[3]) {
                  continue;
                }
                const int64_t at = (plane * w.sizes[2] + h) * w.sizes[3] + c;
                where = x.Get(at) > max ? at : where;
                max = std::max(max, x.Get(at));
                sum += x.Get(at);
                ++count;
              }
            }
            if (kind == "max") {
              ASSERT_EQ(y.Get(i), max);
              ASSERT_EQ(indices.Get(i), where);
            } else {
              const double want = sum / static_cast<double>(include != 0 ? padded : count);
              ASSERT_NEAR(y.Get(i), want, t == DType::kF16 ? 2e-3 : 1e-6);
            }
          }
        }
      }
    }
  }
}

TEST(Pool, OneAndThreeDimensions) {
  const HostTensor x = HostTensor::Of(DType::kF32, {1, 1, 5}, {1, 4, 2, 8, 5}), y(DType::kF32, {1, 1, 3});
  const std::vector<Attr> one = {
      {"kind", "average"}, {"kernel", Sizes{2}}, {"strides", Sizes{2}}, {"pads", Sizes{1, 0}}};
  ASSERT_TRUE(Launch(*FindCpuKernel("pool"), one, {x}, {y}).ok());
  EXPECT_EQ(y.Values(), (std::vector<double>{1, 3, 6.5}));
  const HostTensor cube = HostTensor::Random(DType::kF32, {1, 2, 2, 3, 4}, 1), whole(DType::kF32, {1, 2, 1, 1, 1});
  ASSERT_TRUE(Launch(*FindCpuKernel("pool"), {{"kind", "average"}, {"kernel", Sizes{2, 3, 4}}}, {cube}, {whole}).ok());
  double sum = 0;
  for (int64_t i = 24; i < 48; ++i) {
    sum += cube.Get(i) / 24;
  }
  EXPECT_NEAR(whole.Get(1), sum, 1e-6);
  EXPECT_FALSE(Launch(*FindCpuKernel("pool"), {{"kernel", Sizes{2}}}, {cube}, {whole}).ok());
}

struct ResizeCase {
  const char* mode;
  const char* coordinates;
  const char* nearest;
  int64_t exclude;
  std::vector<double> scales;
  Sizes out;
  std::vector<double> want;
};

// ONNX Runtime 1.32, x = arange(12) * 7 % 13 as [1, 1, 3, 4], cubic coefficient -0.75.
const ResizeCase kResizes[] = {
    {"nearest", "half_pixel", "round_prefer_floor", 0, {}, {5, 7}, {0,  0, 7,  7,  1, 8, 8,  0,  0,  7,  7, 1,
                                                                    8,  8, 2,  2,  9, 9, 3,  10, 10, 4,  4, 11,
                                                                    11, 5, 12, 12, 4, 4, 11, 11, 5,  12, 12}},
    {"nearest", "half_pixel", "round_prefer_ceil", 0, {}, {2, 2}, {7, 8, 11, 12}},
    {"nearest", "asymmetric", "floor", 0, {}, {6, 9}, {0, 0, 0, 7,  7,  1, 1, 8,  8,  0, 0, 0, 7,  7,  1, 1, 8,  8,
                                                       2, 2, 2, 9,  9,  3, 3, 10, 10, 2, 2, 2, 9,  9,  3, 3, 10, 10,
                                                       4, 4, 4, 11, 11, 5, 5, 12, 12, 4, 4, 4, 11, 11, 5, 5, 12, 12}},
    {"nearest", "align_corners", "ceil", 0, {}, {5, 3}, {0, 1, 8, 2, 3, 10, 2, 3, 10, 4, 5, 12, 4, 5, 12}},
    {"nearest", "half_pixel", "round_prefer_floor", 0, {1, 1, 1.3, 0.6}, {3, 2}, {0, 1, 2, 3, 2, 3}},
    {"linear", "half_pixel", "round_prefer_floor", 0, {}, {5, 7}, {0,    2.5, 6.5, 4,    1.5, 5.5, 8,   0.8, 3.3,
                                                                   7.3,  4.8, 2.3, 6.3,  8.8, 2,   4.5, 8.5, 6,
                                                                   3.5,  7.5, 10,  3.2,  5.7, 9.7, 7.2, 4.7, 8.7,
                                                                   11.2, 4,   6.5, 10.5, 8,   5.5, 9.5, 12}},
    {"linear", "half_pixel", "round_prefer_floor", 0, {}, {2, 3}, {1.66667, 4.5, 7.33333, 4.66667, 7.5, 10.3333}},
    {"linear", "align_corners", "round_prefer_floor", 0, {}, {5, 7}, {0,  3.5, 7,   4,   1,   4.5, 8,   1, 4.5,
                                                                      8,  5,   2,   5.5, 9,   2,   5.5, 9, 6,
                                                                      3,  6.5, 10,  3,   6.5, 10,  7,   4, 7.5,
                                                                      11, 4,   7.5, 11,  8,   5,   8.5, 12}},
    {"linear", "asymmetric", "round_prefer_floor", 0, {1, 1, 1.5, 1.8}, {4, 7}, {0,       3.88889, 6.33333, 3,
                                                                                 2.55556, 6.44445, 8,       1.33333,
                                                                                 5.22222, 7.66667, 4.33333, 3.88889,
                                                                                 7.77778, 9.33333, 2.66667, 6.55556,
                                                                                 9,       5.66667, 5.22222, 9.11111,
                                                                                 10.6667, 4,       7.88889, 10.3333,
                                                                                 7,       6.55556, 10.4444, 12}},
    {"linear", "pytorch_half_pixel", "round_prefer_floor", 0, {}, {1, 6}, {0, 3.5, 6, 2, 4.5, 8}},
    {"linear",
     "half_pixel_symmetric",
     "round_prefer_floor",
     0,
     {1, 1, 1.4, 0.7},
     {4, 2},
     {5.5, 2.5, 6.78571, 3.78571, 8.21429, 5.21429, 9.5, 6.5}},
    {"cubic", "half_pixel", "round_prefer_floor", 0, {}, {5, 7}, {-0.886514, 2.56219, 6.68464,    3.808,   0.93136,
                                                                  5.05381,   8.50251, -0.0625134, 3.38619, 7.50864,
                                                                  4.632,     1.75536, 5.87781,    9.32651, 1.30549,
                                                                  4.75419,   8.87664, 6,          3.12336, 7.24581,
                                                                  10.6945,   2.67349, 6.12219,    10.2446, 7.368,
                                                                  4.49136,   8.61381, 12.0625,    3.49749, 6.94619,
                                                                  11.0686,   8.192,   5.31536,    9.43781, 12.8865}},
    {"cubic",
     "align_corners",
     "round_prefer_floor",
     0,
     {},
     {4, 3},
     {0, 4, 8, 1.14815, 5.14815, 9.14815, 2.85185, 6.85185, 10.8518, 4, 8, 12}},
    {"cubic", "asymmetric", "round_prefer_floor", 1, {}, {5, 6}, {0,       5.17544,  5.5,     1,       5.71667,
                                                                  9.13514, 0.940298, 6.11574, 6.4403,  1.9403,
                                                                  6.65697, 10.0754,  2.57812, 7.75356, 8.07812,
                                                                  3.57812, 8.29479,  11.7133, 3.72263, 8.89807,
                                                                  9.22263, 4.72263,  9.4393,  12.8578, 4.35294,
                                                                  9.52838, 9.85294,  5.35294, 10.0696, 13.4881}},
};

TEST(Resize, EqualsOnnxRuntime) {
  for (const ResizeCase& c : kResizes) {
    for (DType t : {DType::kF32, DType::kF64, DType::kF16}) {
      for (int64_t channels : {1, 2}) {
        HostTensor x(t, {1, channels, 3, 4});
        for (int64_t i = 0; i < 12 * channels; ++i) {
          x.Set(i, static_cast<double>(i % 12 * 7 % 13));
        }
        const HostTensor y(t, {1, channels, c.out[0], c.out[1]});
        const std::vector<Attr> attrs = {{"mode", c.mode},
                                         {"coordinate_mode", c.coordinates},
                                         {"nearest_mode", c.nearest},
                                         {"exclude_outside", c.exclude},
                                         {"scales", c.scales}};
        ASSERT_TRUE(Launch(*FindCpuKernel("resize"), attrs, {x}, {y}, 2).ok());
        for (size_t i = 0; i < c.want.size() * channels; ++i) {
          ASSERT_NEAR(y.Get(static_cast<int64_t>(i)), c.want[i % c.want.size()], t == DType::kF16 ? 2e-2 : 1e-4)
              << c.mode << " " << c.coordinates << " " << c.out[0] << "x" << c.out[1] << " element " << i;
        }
      }
    }
  }
}

TEST(Resize, AnyTypeAndEmpty) {
  const HostTensor x = HostTensor::Of(DType::kI64, {2}, {5, 6}), y(DType::kI64, {4});
  ASSERT_TRUE(Launch(*FindCpuKernel("resize"), {{"mode", "nearest"}}, {x}, {y}).ok());
  EXPECT_EQ(y.Values(), (std::vector<double>{5, 5, 6, 6}));
  const HostTensor u = HostTensor::Of(DType::kU8, {2}, {10, 21}), v(DType::kU8, {4});
  ASSERT_TRUE(Launch(*FindCpuKernel("resize"), {{"mode", "linear"}}, {u}, {v}).ok());
  EXPECT_EQ(v.Values(), (std::vector<double>{10, 12, 18, 21}));
  const HostTensor none(DType::kF32, {1, 0, 3}), still(DType::kF32, {1, 0, 6});
  EXPECT_TRUE(Launch(*FindCpuKernel("resize"), {{"mode", "linear"}}, {none}, {still}).ok());
  EXPECT_FALSE(Launch(*FindCpuKernel("resize"), {{"mode", "lanczos"}}, {u}, {v}).ok());
}

}  // namespace
}  // namespace sluice::kernels
