// nn.conv and nn.conv_transpose against sums in f64, each way they run, in one to three dimensions.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

struct Case {
  const char* name;
  int64_t b = 1, c = 3, o = 5;
  std::vector<int64_t> in = {7, 9}, kernel = {3, 3};
  std::vector<int64_t> strides = {}, pads = {}, dilations = {}, output_padding = {};
  int64_t groups = 1;
  bool bias = false;
  DType type = DType::kF32, weight = DType::kUndefined;  // of codes: the weight's
  int64_t outside = 0;
};

int64_t Value(const std::vector<int64_t>& v, size_t i, int64_t missing) { return i < v.size() ? v[i] : missing; }
int64_t Product(const std::vector<int64_t>& v) {
  int64_t n = 1;
  for (int64_t x : v) {
    n *= x;
  }
  return n;
}
// Index `at` of a row-major box.
std::vector<int64_t> Unflatten(int64_t at, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> index(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    index[d] = at % sizes[d];
    at /= sizes[d];
  }
  return index;
}
std::vector<int64_t> Sizes(int64_t a, int64_t b, const std::vector<int64_t>& rest) {
  std::vector<int64_t> sizes = {a, b};
  sizes.insert(sizes.end(), rest.begin(), rest.end());
  return sizes;
}
std::vector<Attr> Attributes(const Case& c) {
  return {{"strides", c.strides}, {"pads", c.pads},       {"dilations", c.dilations},
          {"groups", c.groups},   {"outside", c.outside}, {"output_padding", c.output_padding}};
}
double Tolerance(DType type) {
  return type == DType::kF64 ? 1e-12 : type == DType::kF32 ? 1e-4 : type == DType::kF16 ? 3e-2 : 2e-1;
}

std::vector<int64_t> ConvOut(const Case& c) {
  std::vector<int64_t> out;
  const size_t rank = c.in.size();
  for (size_t d = 0; d < rank; ++d) {
    const int64_t reach = (c.kernel[d] - 1) * Value(c.dilations, d, 1) + 1;
    const int64_t padded = c.in[d] + Value(c.pads, d, 0) + Value(c.pads, d + rank, 0);
    out.push_back(padded < reach ? 0 : (padded - reach) / Value(c.strides, d, 1) + 1);
  }
  return out;
}

// [g][ceil(o / 16)][c/g * taps][16].
HostTensor Tiled(const HostTensor& w, int64_t groups) {
  const int64_t features = w.view().size(0) / groups;
  const int64_t depth = w.view().elements() / std::max<int64_t>(1, w.view().size(0));
  HostTensor t = w;
  t.view().layout = Layout::kOihwTile16;
  const int64_t tiles = (features + 15) / 16;
  t.Allocate(ByteSize(w.view().dtype, groups * tiles * depth * 16));
  for (int64_t f = 0; f < groups * features; ++f) {
    for (int64_t k = 0; k < depth; ++k) {
      t.Set(((f / features * tiles + f % features / 16) * depth + k) * 16 + f % 16 % features, w.Get(f * depth + k));
    }
  }
  return t;
}

// Floats around 0, any codes, i32 of a sum's size.
HostTensor Numbers(DType type, std::vector<int64_t> sizes, uint32_t seed) {
  const double most = IsFloat(type) ? 1 : type == DType::kI32 ? 1e5 : type == DType::kU8 ? 255.99 : 127.99;
  return HostTensor::Random(type, std::move(sizes), seed, type == DType::kU8 ? 0 : -most, most);
}

class ConvTest : public ::testing::TestWithParam<Case> {};

TEST_P(ConvTest, EqualsSumInF64) {
  const Case c = GetParam();
  const std::vector<int64_t> out = ConvOut(c);
  const int64_t cg = c.c / c.groups, og = c.o / c.groups, taps = Product(c.kernel), pixels = Product(out);
  const bool codes = c.weight != DType::kUndefined;
  const HostTensor x = Numbers(c.type, Sizes(c.b, c.c, c.in), 1);
  const HostTensor w = Numbers(codes ? c.weight : c.type, Sizes(c.o, cg, c.kernel), 2);
  const HostTensor bias = c.bias ? Numbers(codes ? DType::kI32 : c.type, {c.o}, 3) : HostTensor();
  for (int threads : {1, 3}) {
    for (bool tiled : {false, true}) {
      if (tiled && (c.type == DType::kF64 || codes || og % 16 != 0)) {
        continue;
      }
      const HostTensor y(codes ? DType::kI32 : c.type, Sizes(c.b, c.o, out));
      const HostTensor weights = tiled ? Tiled(w, c.groups) : w;
      ASSERT_TRUE(Launch(*FindCpuKernel("conv"), Attributes(c), {x, weights, bias}, {y}, threads).ok());
      for (int64_t i = 0; i < c.b * c.o * pixels; ++i) {
        const int64_t f = i / pixels % c.o, b = i / pixels / c.o;
        const std::vector<int64_t> at = Unflatten(i % pixels, out);
        double sum = c.bias ? bias.Get(f) : 0;
        for (int64_t k = 0; k < cg * taps; ++k) {
          const std::vector<int64_t> tap = Unflatten(k % taps, c.kernel);
          int64_t from = b * c.c + f / og * cg + k / taps;
          bool inside = true;
          for (size_t d = 0; d < c.in.size(); ++d) {
            const int64_t p = at[d] * Value(c.strides, d, 1) - Value(c.pads, d, 0) + tap[d] * Value(c.dilations, d, 1);
            inside = inside && p >= 0 && p < c.in[d];
            from = from * c.in[d] + p;
          }
          sum += (inside ? x.Get(from) : static_cast<double>(c.outside)) * w.Get(f * cg * taps + k);
        }
        sum = codes ? static_cast<int32_t>(static_cast<int64_t>(sum)) : sum;  // integers wrap
        ASSERT_NEAR(y.Get(i), sum, codes ? 0 : Tolerance(c.type)) << i << " tiled " << tiled;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ConvTest,
    ::testing::Values(
        Case{.name = "plain"}, Case{.name = "one", .c = 1, .o = 1, .in = {1, 1}, .kernel = {1, 1}},
        Case{.name = "pads", .o = 32, .in = {17, 23}, .pads = {1, 2, 0, 1}, .bias = true},
        Case{.name = "strides", .b = 2, .c = 4, .o = 19, .in = {30, 31}, .strides = {2, 3}, .pads = {1, 1, 1, 1}},
        Case{.name = "dilations", .c = 4, .in = {20, 21}, .pads = {4, 3, 4, 3}, .dilations = {3, 2}, .bias = true},
        Case{.name = "groups", .b = 2, .c = 6, .o = 12, .in = {9, 9}, .pads = {1, 1, 1, 1}, .groups = 3, .bias = true},
        Case{.name = "groups_tiles", .b = 1, .c = 6, .o = 32, .in = {9, 9}, .groups = 2},
        Case{.name = "large_kernel", .in = {5, 70}, .kernel = {5, 11}, .pads = {2, 5, 2, 5}},
        Case{.name = "pointwise", .b = 2, .c = 33, .o = 48, .in = {11, 13}, .kernel = {1, 1}, .bias = true},
        Case{.name = "pointwise_stride", .c = 5, .o = 16, .in = {11, 13}, .kernel = {1, 1}, .strides = {2, 2}},
        Case{.name = "few_pixels", .c = 40, .o = 80, .in = {3, 3}},
        Case{.name = "depthwise",
             .b = 2,
             .c = 6,
             .o = 6,
             .in = {40, 90},
             .pads = {1, 1, 1, 1},
             .groups = 6,
             .bias = true},
        Case{.name = "depthwise_stride",
             .c = 4,
             .o = 4,
             .in = {31, 70},
             .strides = {2, 2},
             .pads = {1, 1, 1, 1},
             .groups = 4},
        Case{.name = "depthwise_stride3",
             .c = 4,
             .o = 8,
             .in = {31, 150},
             .strides = {1, 3},
             .dilations = {2, 2},
             .groups = 4,
             .bias = true},
        Case{.name = "one_dimension",
             .b = 2,
             .c = 8,
             .o = 20,
             .in = {100},
             .kernel = {3},
             .strides = {2},
             .pads = {1, 1}},
        Case{
            .name = "one_dimension_depthwise", .c = 8, .o = 8, .in = {100}, .kernel = {4}, .pads = {3, 0}, .groups = 8},
        Case{.name = "three_dimensions",
             .o = 18,
             .in = {6, 7, 8},
             .kernel = {3, 2, 3},
             .strides = {1, 2, 1},
             .pads = {1, 0, 1, 1, 1, 0},
             .bias = true},
        Case{.name = "three_dimensions_depthwise",
             .o = 3,
             .in = {6, 7, 8},
             .kernel = {3, 2, 3},
             .pads = {1, 0, 1, 1, 1, 0},
             .groups = 3},
        Case{.name = "f16", .c = 9, .o = 32, .in = {12, 13}, .pads = {1, 1, 1, 1}, .bias = true, .type = DType::kF16},
        Case{.name = "bf16", .c = 9, .o = 20, .in = {12, 13}, .type = DType::kBF16},
        Case{.name = "f16_depthwise", .c = 4, .o = 4, .in = {12, 13}, .groups = 4, .bias = true, .type = DType::kF16},
        Case{.name = "f64",
             .b = 2,
             .c = 4,
             .o = 6,
             .strides = {2, 1},
             .pads = {1, 1, 1, 1},
             .groups = 2,
             .bias = true,
             .type = DType::kF64},
        Case{.name = "codes",
             .b = 2,
             .c = 6,
             .o = 4,
             .pads = {2, 1, 1, 1},
             .groups = 2,
             .bias = true,
             .type = DType::kU8,
             .weight = DType::kI8,
             .outside = 255},
        Case{.name = "signed_codes",
             .strides = {2, 1},
             .pads = {1, 1, 1, 1},
             .type = DType::kI8,
             .weight = DType::kU8,
             .outside = -128},
        Case{.name = "i32",
             .c = 4,
             .pads = {1, 1, 0, 2},
             .bias = true,
             .type = DType::kI32,
             .weight = DType::kI32,
             .outside = -3},
        Case{.name = "no_batch", .b = 0}, Case{.name = "no_channels", .c = 0, .bias = true},
        Case{.name = "no_pixels", .in = {2, 9}}, Case{.name = "no_width", .in = {0, 3}, .kernel = {1, 1}}),
    [](const auto& info) { return std::string(info.param.name); });

class ConvTransposeTest : public ::testing::TestWithParam<Case> {};

TEST_P(ConvTransposeTest, EqualsSumInF64) {
  const Case c = GetParam();
  const size_t rank = c.in.size();
  std::vector<int64_t> out;
  for (size_t d = 0; d < rank; ++d) {
    out.push_back((c.in[d] - 1) * Value(c.strides, d, 1) + (c.kernel[d] - 1) * Value(c.dilations, d, 1) + 1 +
                  Value(c.output_padding, d, 0) - Value(c.pads, d, 0) - Value(c.pads, d + rank, 0));
  }
  const int64_t cg = c.c / c.groups, og = c.o / c.groups, taps = Product(c.kernel);
  const int64_t pixels = Product(c.in), out_pixels = Product(out);
  const HostTensor x = HostTensor::Random(c.type, Sizes(c.b, c.c, c.in), 1);
  const HostTensor w = HostTensor::Random(c.type, Sizes(c.c, og, c.kernel), 2);
  const HostTensor bias = c.bias ? HostTensor::Random(c.type, {c.o}, 3) : HostTensor();
  std::vector<double> expected(c.b * c.o * out_pixels);
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i] = c.bias ? bias.Get(i / out_pixels % c.o) : 0;
  }
  for (int64_t b = 0; b < c.b; ++b) {
    for (int64_t ch = 0; ch < c.c; ++ch) {
      for (int64_t j = 0; j < og * taps * pixels; ++j) {
        const int64_t f = j / pixels / taps, k = j / pixels % taps;
        const std::vector<int64_t> at = Unflatten(j % pixels, c.in), tap = Unflatten(k, c.kernel);
        int64_t to = b * c.o + ch / cg * og + f;
        bool inside = true;
        for (size_t d = 0; d < rank; ++d) {
          const int64_t p = at[d] * Value(c.strides, d, 1) - Value(c.pads, d, 0) + tap[d] * Value(c.dilations, d, 1);
          inside = inside && p >= 0 && p < out[d];
          to = to * out[d] + p;
        }
        if (inside) {
          expected[to] += x.Get((b * c.c + ch) * pixels + j % pixels) * w.Get((ch * og + f) * taps + k);
        }
      }
    }
  }
  for (int threads : {1, 3}) {
    const HostTensor y(c.type, Sizes(c.b, c.o, out));
    ASSERT_TRUE(Launch(*FindCpuKernel("conv_transpose"), Attributes(c), {x, w, bias}, {y}, threads).ok());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(y.Get(i), expected[i], Tolerance(c.type)) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ConvTransposeTest,
    ::testing::Values(
        Case{.name = "plain"}, Case{.name = "one", .c = 1, .o = 1, .in = {1, 1}, .kernel = {1, 1}},
        Case{.name = "double_size",
             .b = 2,
             .c = 17,
             .o = 6,
             .in = {9, 11},
             .kernel = {2, 2},
             .strides = {2, 2},
             .bias = true},
        Case{.name = "pads", .c = 4, .in = {9, 11}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .output_padding = {1, 1}},
        Case{.name = "dilations", .c = 4, .in = {9, 11}, .strides = {3, 1}, .pads = {0, 1, 2, 0}, .dilations = {2, 2}},
        Case{.name = "groups", .b = 2, .c = 6, .o = 4, .strides = {2, 2}, .groups = 2, .bias = true},
        Case{.name = "large_kernel", .c = 4, .in = {6, 50}, .kernel = {5, 7}, .bias = true},
        Case{.name = "one_dimension", .b = 2, .in = {70}, .kernel = {5}, .strides = {2}, .pads = {2, 1}},
        Case{.name = "three_dimensions", .in = {3, 4, 5}, .kernel = {2, 3, 2}, .strides = {1, 2, 2}},
        Case{.name = "f16", .in = {9, 11}, .strides = {2, 2}, .bias = true, .type = DType::kF16},
        Case{.name = "f64", .in = {9, 11}, .strides = {2, 2}, .bias = true, .type = DType::kF64},
        Case{.name = "no_batch", .b = 0}, Case{.name = "no_channels", .c = 0, .bias = true}),
    [](const auto& info) { return std::string(info.param.name); });

// An image alone, in a batch, and with any number of threads gives the same bytes.
TEST(Conv, ImagesDoNotDependOnBatchOrThreads) {
  const HostTensor x = HostTensor::Random(DType::kF32, {3, 8, 19, 21}, 1);
  const HostTensor w = HostTensor::Random(DType::kF32, {40, 8, 3, 3}, 2);
  const HostTensor whole(DType::kF32, {3, 40, 17, 19});
  ASSERT_TRUE(Launch(*FindCpuKernel("conv"), {}, {x, w, HostTensor()}, {whole}, 2).ok());
  const int64_t bytes = 40 * 17 * 19 * 4;
  for (int64_t b = 0; b < 3; ++b) {
    const HostTensor y(DType::kF32, {1, 40, 17, 19});
    ASSERT_TRUE(Launch(*FindCpuKernel("conv"), {}, {x.Slice(0, b, 1), w, HostTensor()}, {y}, 1).ok());
    ASSERT_EQ(std::memcmp(y.bytes().data(), whole.bytes().data() + b * bytes, bytes), 0) << b;
  }
}

TEST(Conv, RefusesAStrideOfZero) {
  EXPECT_EQ(FindCpuKernel("conv")->prepare(Attrs({{"strides", std::vector<int64_t>{0, 1}}})).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::kernels
