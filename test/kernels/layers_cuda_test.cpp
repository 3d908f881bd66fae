// CUDA experts, recurrences and resampling, without a GPU: what is refused, what is preferred, what is emitted.
#include <gtest/gtest.h>

#include "runtime/plan/size_expr.h"
#include "test/kernels/cuda_query.h"

namespace sluice::kernels {
namespace {

// 8 of 128 experts of 768 x 2048.
CudaQuery Experts(int64_t tokens, DType type = DType::kBF16, int64_t d = 2048) {
  return {.name = "moe",
          .ins = {Operand(type, {tokens, d}), Operand(DType::kI64, {tokens, 8}), Operand(type, {tokens, 8}),
                  Operand(type, {128, 768, d}), Operand(type, {128, d, 768}), Operand(type, {128, 768, d})},
          .outs = {Operand(type, {tokens, d})}};
}

std::string Chosen(const CudaQuery& query) {
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(query, Hopper());
  return choice.ok() ? choice->plan.name : std::string(choice.status().message());
}

TEST(MoeCuda, PiecesWidenWithThePairsOfAnExpertUntilTheyAreTiles) {
  EXPECT_EQ(Chosen(Experts(1)), "16x8 pieces");                          // 8 pairs, 8 experts
  EXPECT_EQ(Chosen(Experts(4096)), "128x128 tiles");                     // 256 pairs an expert
  EXPECT_EQ(Chosen(Experts(4096, DType::kF32)), "16x16 pieces");         // no tiles of f32
  EXPECT_EQ(Chosen(Experts(4096, DType::kBF16, 2044)), "16x32 pieces");  // nor of rows off 16 bytes
}

TEST(MoeCuda, OneTokenCostsItsExpertsWeights) {
  // 8 experts · 3 · 768 · 2048 · 2 bytes = 75.5 MB: 16.8 us at 4500 GB/s.
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(Experts(1), Hopper());
  ASSERT_TRUE(choice.ok());
  EXPECT_GT(choice->plan.us, 16.8);
  EXPECT_LT(choice->plan.us, 16.8 * 2);
}

TEST(MoeCuda, WorkspaceHoldsThePairsComputedAtOnce) {
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(Experts(2), Hopper());
  ASSERT_TRUE(choice.ok());
  const auto bytes = [&](int64_t tokens) {
    return plan::SizeExpr::Parse(choice->kernel.workspace)
        ->Evaluate({{"x0_0", tokens}, {"x1_1", 8}, {"x4_1", 2048}, {"x4_2", 768}})
        .value();
  };
  EXPECT_EQ(bytes(2), 16 * (2048 * 4 + 768 * 2));
  EXPECT_EQ(bytes(1 << 20), bytes(1024));                           // 8192 pairs
  EXPECT_EQ(choice->kernel.grid[0], std::to_string(Hopper().sms));  // all at once: they meet at a barrier
}

TEST(MoeCuda, RowsOffSixteenBytesAskForNoAlignment) {
  EXPECT_EQ(ChooseCuda(Experts(1), Hopper())->kernel.aligned_ins, 0b111001u);
  EXPECT_EQ(ChooseCuda(Experts(1, DType::kBF16, 2044), Hopper())->kernel.aligned_ins, 0u);
}

TEST(MoeCuda, RefusalsSayWhatIsMissing) {
  EXPECT_EQ(Chosen(Experts(1, DType::kF64)), "no CUDA kernel 'moe' for f64 operands");
  CudaQuery query = Experts(1);
  query.ins[4].dtype = DType::kF32;
  EXPECT_EQ(Chosen(query), "no CUDA kernel 'moe' for operands of several element types");
}

CudaQuery Lstm(int64_t hidden, int64_t directions) {
  return {.name = "lstm",
          .ins = {Operand(DType::kF32, {10, 2, 8}), Operand(DType::kF32, {directions, 4 * hidden, 8}),
                  Operand(DType::kF32, {directions, 4 * hidden, hidden})},
          .outs = {Operand(DType::kF32, {10, directions, 2, hidden}), Operand(DType::kF32, {directions, 2, hidden}),
                   Operand(DType::kF32, {directions, 2, hidden})}};
}

TEST(RecurrentCuda, BlocksOfBothDirectionsFitTheGpuAtOnce) {
  EXPECT_EQ(Chosen(Lstm(16, 2)), "1 blocks a direction");
  EXPECT_EQ(Chosen(Lstm(4096, 1)), absl::StrCat(Hopper().sms, " blocks a direction"));
  EXPECT_EQ(Chosen(Lstm(4096, 2)), absl::StrCat(Hopper().sms / 2, " blocks a direction"));
}

TEST(RecurrentCuda, RefusalsSayWhatIsMissing) {
  CudaQuery query = Lstm(16, 1);
  query.ins.push_back({});
  query.ins.push_back(Operand(DType::kI16, {2}));
  EXPECT_EQ(Chosen(query), "no CUDA kernel 'lstm' for i16 sequence lengths");
}

// Weights may be fetched before the kernel's turn; what another kernel writes may not, and the turn comes first.
TEST(NormCuda, OnlyWeightsAreFetchedAheadOfTheTurn) {
  CudaQuery query = {
      .name = "layer_norm",
      .ins = {Operand(DType::kF16, {128, 768}), Operand(DType::kF16, {768}), Operand(DType::kF16, {768})},
      .outs = {Operand(DType::kF16, {128, 768})}};
  const auto text = [&] { return ChooseCuda(query, Hopper())->kernel.text; };
  query.ins[1].weight = query.ins[2].weight = true;
  EXPECT_NE(text().find("sl::layer_norm<sl::RowHow<128, 8, 1, 1, true, 768>, true, true, "), std::string::npos)
      << text();
  EXPECT_FALSE(TakesTurns(text()));
  query.ins[2].weight = false;
  EXPECT_NE(text().find("sl::layer_norm<sl::RowHow<128, 8, 1, 1, true, 768>, false, true, "), std::string::npos)
      << text();
  EXPECT_TRUE(TakesTurns(text()));
}

TEST(ResizeCuda, DimensionsThatStayAreKnown) {
  CudaQuery query = {.name = "resize",
                     .attrs = Attrs({{"mode", std::string("linear")}}),
                     .ins = {Operand(DType::kF32, {2, 3, 8, 8})},
                     .outs = {Operand(DType::kF32, {2, 3, 16, 8})}};
  EXPECT_NE(ChooseCuda(query, Hopper())->kernel.text.find(", 11, float>"), std::string::npos);  // 0, 1 and 3
  // Equal sizes whose scale is not 1 are interpolated.
  query.attrs = Attrs({{"mode", std::string("linear")}, {"scales", std::vector<double>{1, 1, 2, 1.01}}});
  EXPECT_NE(ChooseCuda(query, Hopper())->kernel.text.find(", 3, float>"), std::string::npos);
}

TEST(GridSampleCuda, RefusalsSayWhatIsMissing) {
  const CudaQuery query = {.name = "grid_sample",
                           .ins = {Operand(DType::kF32, {1, 2, 3, 4}), Operand(DType::kF16, {1, 3, 3, 2})},
                           .outs = {Operand(DType::kF32, {1, 2, 3, 3})}};
  EXPECT_EQ(Chosen(query), "no CUDA kernel 'grid_sample' for a grid of another element type");
}

}  // namespace
}  // namespace sluice::kernels
