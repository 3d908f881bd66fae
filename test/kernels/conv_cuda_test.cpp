// The CUDA convolutions without a GPU: what is offered for which operation, and what is emitted.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/conv/conv_choice.h"
#include "runtime/plan/size_expr.h"
#include "test/kernels/cuda_query.h"

namespace sluice::kernels {
namespace {

// 3 x 3, stride 1, the size kept.
CudaQuery Conv(DType dtype, int64_t batch, int64_t image, int64_t channels, int64_t features, int64_t groups = 1) {
  CudaQuery query{.name = "conv"};
  query.attrs = Attrs({{"channels_last", int64_t{1}}, {"groups", groups}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  query.ins = {Operand(dtype, {batch, image, image, channels}), Operand(dtype, {features, 3, 3, channels / groups})};
  query.outs = {Operand(dtype, {batch, image, image, features})};
  return query;
}

// u8 by s8, summed in i32.
CudaQuery Codes(int64_t image, int64_t channels, int64_t outside, bool last = true) {
  CudaQuery query = Conv(DType::kU8, 1, image, channels, 64);
  query.attrs = Attrs({{"channels_last", int64_t{last}},
                       {"groups", int64_t{1}},
                       {"outside", outside},
                       {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  query.ins[1].dtype = DType::kI8;
  query.outs[0].dtype = DType::kI32;
  return query;
}

ConvWhat What(int64_t pixels, int64_t channels, int64_t features) {
  return {.pixels = pixels, .source = pixels, .features = features, .channels = channels, .taps = 9};
}

const ConvHow Best(const ConvWhat& what) {
  const std::vector<ConvHow> all = ConvCandidates(what, Hopper());
  return *std::min_element(all.begin(), all.end(), [](const ConvHow& a, const ConvHow& b) { return a.us < b.us; });
}

TEST(ConvChoice, NamesAreUniqueAndSharedMemoryFits) {
  for (const int64_t channels : {1, 3, 64, 512}) {
    std::set<std::string> names;
    for (const ConvHow& how : ConvCandidates(What(784, channels, 128), Hopper())) {
      EXPECT_TRUE(names.insert(how.Name()).second) << how.Name();
      EXPECT_GT(how.us, 0);
      EXPECT_LE(how.SharedBytes(), Hopper().shared_per_block) << how.Name();
      EXPECT_LE(how.SharedBytes() * how.blocks, Hopper().shared_per_sm) << how.Name();
    }
  }
}

// 49 pixels × 512 features are 8 tiles of 64 × 64, for 132 SMs: k must be split.  100,000 pixels fill them without.
TEST(ConvChoice, SmallImagesAreSplitAndLargeOnesAreNot) {
  EXPECT_GE(Best(What(49, 512, 512)).split, 4);
  EXPECT_EQ(Best(What(32 * 56 * 56, 64, 256)).split, 1);
}

TEST(ConvChoice, ChannelsThatAreNoWholeChunksAreGathered) {
  ConvWhat image = What(12544, 3, 64);
  image.tap_bits = 7;  // 1 + 3 + 3
  EXPECT_EQ(Best(image).form, ConvForm::kFew);
  image.tap_bits = -1;  // transposed
  EXPECT_EQ(Best(image).form, ConvForm::kGather);
  EXPECT_EQ(Best(What(12544, 64, 64)).form, ConvForm::kTiles);
  ConvWhat depthwise = What(3136, 1, 1);
  depthwise.groups = 64;
  EXPECT_EQ(Best(depthwise).form, ConvForm::kDepthwise);
  EXPECT_EQ(Best(depthwise).lanes, 8);  // of 16 bits
  depthwise.groups = 60;                // no multiple of 8
  EXPECT_EQ(Best(depthwise).lanes, 1);
}

// A CTA of each split for each tile: ceil(49 / 64) · ceil(512 / cols) · split of them, in clusters of the split.
TEST(ConvEmit, TheGridCoversTilesGroupsAndSplits) {
  const CudaQuery query = Conv(DType::kF16, 1, 7, 1024, 1024, 2);
  const CudaFamily& family = *FindCudaFamily("conv");
  std::string why;
  for (const CudaPlan& plan : family.plans(query, Hopper(), why)) {
    const CudaKernel kernel = family.emit(query, Hopper(), plan);
    const int64_t cols = plan.name.find("x256") != std::string::npos   ? 256
                         : plan.name.find("x128") != std::string::npos ? 128
                         : plan.name.find("x32") != std::string::npos  ? 32
                                                                       : 64;
    plan::Bindings sizes = {{"y0_0", 1}, {"y0_1", 7}, {"y0_2", 7}, {"y0_3", 1024}};
    const auto grid = plan::SizeExpr::Parse(kernel.grid[0]).value().Evaluate(sizes);
    ASSERT_TRUE(grid.ok()) << kernel.grid[0];
    EXPECT_EQ(*grid, 512 / cols * 2 * kernel.cluster) << plan.name;
    EXPECT_EQ(kernel.aligned_ins, 3u);
    EXPECT_EQ(kernel.strided_ins, 0u);
  }
}

// What gathers reads x at any stride: the image as it came, channels second, is such a view.
TEST(ConvEmit, GatheredImagesMayBeStrided) {
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(Conv(DType::kF16, 1, 56, 3, 64), Hopper());
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->kernel.strided_ins, 1u);
}

const CudaParam* WindowMap(const CudaKernel& kernel) {
  const auto map = std::find_if(kernel.params.begin(), kernel.params.end(),
                                [](const CudaParam& param) { return !param.windows.empty(); });
  return map == kernel.params.end() ? nullptr : &*map;
}

// The plans that are GEMMs of windows, emitted.
std::vector<CudaKernel> OfWindows(const CudaQuery& query) {
  const CudaFamily& family = *FindCudaFamily("conv");
  std::string why;
  std::vector<CudaKernel> kernels;
  for (const CudaPlan& plan : family.plans(query, Hopper(), why)) {
    kernels.push_back(family.emit(query, Hopper(), plan));
    if (WindowMap(kernels.back()) == nullptr) {
      kernels.pop_back();
    }
  }
  return kernels;
}

// 3 x 3 over 15 pixels with a pad of 1: windows begin from -1 on; the last at 13 with stride 1, and with stride 2 too,
// which is 1 before the end.
TEST(ConvEmit, MapsOfWindowsSayWhereTheFirstAndTheLastBegin) {
  for (const int64_t stride : {1, 2}) {
    CudaQuery query = Conv(DType::kF16, 8, 15, 128, 64);
    query.attrs = Attrs({{"channels_last", int64_t{1}},
                         {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                         {"strides", std::vector<int64_t>{stride, stride}}});
    const int64_t out = stride == 1 ? 15 : 8;
    query.outs = {Operand(DType::kF16, {8, out, out, 64})};
    const std::vector<CudaKernel> kernels = OfWindows(query);
    ASSERT_FALSE(kernels.empty());
    for (const CudaKernel& kernel : kernels) {
      const CudaParam& map = *WindowMap(kernel);
      const std::array<int, 3> window = {-1, -1, static_cast<int>(stride)};
      EXPECT_EQ(map.windows, (std::vector<std::array<int, 3>>{window, window}));
      EXPECT_TRUE((map.box == std::vector<int64_t>{kernel.block == 384 ? 128 : 64, 64}));  // a warpgroup has 64 windows
    }
  }
}

// TMA walks windows over constant sizes, 64 channels at a time; where a window is a pixel it need not walk at all.
TEST(ConvEmit, WindowsAreForSizesThatTmaCanWalk) {
  EXPECT_TRUE(OfWindows(Conv(DType::kF16, 8, 14, 96, 64)).empty());
  EXPECT_TRUE(OfWindows(Conv(DType::kF32, 8, 14, 128, 64)).empty());
  EXPECT_TRUE(OfWindows(Conv(DType::kF16, 8, 14, 128, 64, 2)).empty());
  CudaQuery dynamic = Conv(DType::kF16, 8, 14, 128, 64);
  for (CudaOperand* operand : {&dynamic.ins[0], &dynamic.outs[0]}) {
    operand->dims[1] = {.text = "h"};
  }
  EXPECT_TRUE(OfWindows(dynamic).empty());
  dynamic.attrs = Attrs({{"channels_last", int64_t{1}}});
  dynamic.ins[1] = Operand(DType::kF16, {64, 1, 1, 128});
  EXPECT_TRUE(OfWindows(dynamic).empty());
  std::string why;
  const std::vector<CudaPlan> plans = FindCudaFamily("conv")->plans(dynamic, Hopper(), why);
  EXPECT_TRUE(std::any_of(plans.begin(), plans.end(), [](const CudaPlan& p) { return p.name.starts_with("gemm"); }));
}

// Pixels of an unknown batch get plans by range: none for fewer pixels than one image has, none beyond the bound.
TEST(ConvPlans, UnknownBatchesGetAPlanForEachRangeThatRunsMeet) {
  CudaQuery query = Conv(DType::kF16, 1, 14, 256, 256);
  for (CudaOperand* operand : {&query.ins[0], &query.outs[0]}) {
    operand->dims[0] = {.max = 64, .typical = 64, .text = "batch"};
  }
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(query, Hopper());
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->kernel.rows, "y0_0 * y0_1 * y0_2");
  ASSERT_FALSE(choice->smaller.empty());
  EXPECT_GE(choice->smaller.front().limit, 14 * 14);
  EXPECT_LT(choice->smaller.back().limit, 64 * 14 * 14);
  query.ins[0].dims[0].least = query.outs[0].dims[0].least = 64;
  EXPECT_TRUE(ChooseCuda(query, Hopper())->smaller.empty());
}

// 128 codes are a block of k: TMA walks windows of as many channels, where it may fill the padding with zeros.
TEST(ConvEmit, CodesAreWindowsWhereTheirPaddingIsZero) {
  const std::vector<CudaKernel> kernels = OfWindows(Codes(14, 256, 0));
  ASSERT_FALSE(kernels.empty());
  EXPECT_EQ(WindowMap(kernels.front())->box.back(), 128);
  EXPECT_NE(kernels.front().text.find("wgmma.mma_async.sync.aligned"), std::string::npos);
  EXPECT_NE(kernels.front().text.find(".s32.u8.s8"), std::string::npos);
  EXPECT_TRUE(OfWindows(Codes(14, 256, 7)).empty());
  EXPECT_TRUE(OfWindows(Codes(14, 64, 0)).empty());
  const absl::StatusOr<CudaChoice> padded = ChooseCuda(Codes(14, 256, 7), Hopper());
  ASSERT_TRUE(padded.ok()) << padded.status();
  EXPECT_NE(padded->kernel.text.find("kOutside = 7"), std::string::npos);
}

TEST(ConvPlans, RefusalsSayWhatIsMissing) {
  const auto message = [](const CudaQuery& query) {
    return std::string(ChooseCuda(query, Hopper()).status().message());
  };
  EXPECT_EQ(message(Conv(DType::kF64, 1, 8, 8, 8)), "no CUDA kernel 'conv' for channels last of f64 or of two types");
  EXPECT_EQ(message(Conv(DType::kI8, 1, 8, 8, 8)), "no CUDA kernel 'conv' for i8 of products of codes");
  EXPECT_EQ(message(Codes(8, 8, 0, false)), "no CUDA kernel 'conv' for ui8 operands");
  CudaQuery dynamic = Conv(DType::kF16, 1, 8, 8, 8);
  dynamic.ins[1].dims[1] = {.text = "n"};
  EXPECT_EQ(message(dynamic), "no CUDA kernel 'conv' for a kernel of dynamic size");
}

}  // namespace
}  // namespace sluice::kernels
