// The CUDA convolutions without a GPU: what is offered for which operation, and what is emitted.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/conv/conv_choice.h"
#include "kernels/cuda.h"
#include "runtime/plan/size_expr.h"

namespace sluice::kernels {
namespace {

const Gpu& Hopper() { return *FindTarget("cuda-sm90a")->gpu; }

CudaOperand Operand(DType dtype, const std::vector<int64_t>& sizes) {
  CudaOperand operand{.dtype = dtype};
  for (const int64_t size : sizes) {
    operand.dims.push_back({.min = size, .max = size, .typical = size, .text = std::to_string(size)});
  }
  return operand;
}

// 3 x 3, stride 1, the size kept.
CudaQuery Conv(DType dtype, int64_t batch, int64_t image, int64_t channels, int64_t features, int64_t groups = 1) {
  CudaQuery query{.name = "conv"};
  query.attrs = Attrs({{"channels_last", int64_t{1}}, {"groups", groups}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  query.ins = {Operand(dtype, {batch, image, image, channels}), Operand(dtype, {features, 3, 3, channels / groups})};
  query.outs = {Operand(dtype, {batch, image, image, features})};
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
  EXPECT_EQ(Best(What(12544, 3, 64)).form, ConvForm::kGather);
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

TEST(ConvPlans, RefusalsSayWhatIsMissing) {
  const auto message = [](const CudaQuery& query) {
    return std::string(ChooseCuda(query, Hopper()).status().message());
  };
  EXPECT_EQ(message(Conv(DType::kF64, 1, 8, 8, 8)), "no CUDA kernel 'conv' for channels last of f64 or of two types");
  EXPECT_EQ(message(Conv(DType::kI8, 1, 8, 8, 8)), "no CUDA kernel 'conv' for i8 operands");
  CudaQuery dynamic = Conv(DType::kF16, 1, 8, 8, 8);
  dynamic.ins[1].dims[1] = {.text = "n"};
  EXPECT_EQ(message(dynamic), "no CUDA kernel 'conv' for a kernel of dynamic size");
}

}  // namespace
}  // namespace sluice::kernels
