// CUDA kernels that memory bounds, without a GPU: how rows and permutations are cut.
#include <gtest/gtest.h>

#include "kernels/cuda.h"

namespace sluice::kernels {
namespace {

const Gpu& Hopper() { return *FindTarget("cuda-sm90a")->gpu; }

// Positive sizes are constants, -n a dynamic size of about n.
CudaOperand Operand(DType dtype, const std::vector<int64_t>& sizes) {
  CudaOperand operand{.dtype = dtype};
  for (const int64_t size : sizes) {
    const bool known = size >= 0;
    operand.dims.push_back(
        {.min = known ? size : 0, .max = known ? size : -1, .typical = std::abs(size), .text = std::to_string(size)});
  }
  return operand;
}

CudaChoice Choose(const std::string& name, const CudaOperand& x, const CudaOperand& y, std::vector<Attr> attrs) {
  return ChooseCuda({.name = name, .attrs = Attrs(std::move(attrs)), .ins = {x}, .outs = {y}}, Hopper()).value();
}

std::string Softmax(DType dtype, int64_t length, int64_t axis = 1) {
  const CudaOperand x = Operand(dtype, {-8, length});
  return Choose("softmax", x, x, {{"axis", axis}}).plan.name;
}

TEST(RowsCuda, AThreadHoldsAboutSixteenElementsInWordsOfSixteenBytes) {
  EXPECT_EQ(Softmax(DType::kBF16, 2048), "128 threads a row, 2 words of 8");
  EXPECT_EQ(Softmax(DType::kBF16, 4096), "256 threads a row, 2 words of 8");
  EXPECT_EQ(Softmax(DType::kF32, 512), "32 threads a row, 4 words of 4");
  EXPECT_EQ(Softmax(DType::kBF16, 1024), "32 threads a row, 4 words of 8");    // up to twice that within a warp
  EXPECT_EQ(Softmax(DType::kF32, 32000), "512 threads a row, 16 words of 4");  // the longest rows: more
}

TEST(RowsCuda, ALengthOffWordsIsReadElementByElement) {
  EXPECT_EQ(Softmax(DType::kBF16, 33), "4 threads a row, 9 words of 1");
}

TEST(RowsCuda, RowsThatAreUnknownOrTooLongAreReadAgain) {
  EXPECT_EQ(Softmax(DType::kF32, -4096), "256 threads a row, read again");
  EXPECT_EQ(Softmax(DType::kF32, 1 << 20), "512 threads a row, read again");
}

TEST(RowsCuda, AnInnerAxisIsColumns) { EXPECT_EQ(Softmax(DType::kF32, 64, 0), "a thread a column"); }

TEST(MovementCuda, ALastDimensionThatStaysMovesByWords) {
  const std::vector<int64_t> perm = {0, 2, 1, 3};
  EXPECT_EQ(
      Choose("transpose", Operand(DType::kF16, {-2, 9, 4, 64}), Operand(DType::kF16, {-2, 4, 9, 64}), {{"perm", perm}})
          .plan.name,
      "walk by 8");
  // 63 elements are no whole words.
  EXPECT_EQ(
      Choose("transpose", Operand(DType::kF16, {-2, 9, 4, 63}), Operand(DType::kF16, {-2, 4, 9, 63}), {{"perm", perm}})
          .plan.name,
      "walk by 1");
}

TEST(MovementCuda, AnotherLastDimensionGoesBySquaresUnlessTheyAreMostlyEmpty) {
  const std::vector<int64_t> perm = {1, 0};
  const auto transpose = [&](int64_t rows, int64_t columns) {
    return Choose("transpose", Operand(DType::kF32, {rows, columns}), Operand(DType::kF32, {columns, rows}),
                  {{"perm", perm}});
  };
  const CudaChoice squares = transpose(100, 1000);
  EXPECT_EQ(squares.plan.name, "squares");
  EXPECT_NE(squares.kernel.grid[0].find("ceildiv(y0_0, 64) * ceildiv(y0_1, 64)"), std::string::npos);
  EXPECT_EQ(transpose(4, 1000).plan.name, "walk by 1");
}

TEST(MovementCuda, ScattersFillTheGpuOnceAndMayBeInPlace) {
  CudaQuery query = {
      .name = "scatter_nd",
      .ins = {Operand(DType::kF32, {-100, 64}), Operand(DType::kI64, {-5, 1}), Operand(DType::kF32, {-5, 64})},
      .outs = {Operand(DType::kF32, {-100, 64})}};
  const CudaChoice choice = ChooseCuda(query, Hopper()).value();
  EXPECT_TRUE(choice.kernel.in_place);
  EXPECT_NE(choice.kernel.grid[0].find(std::to_string(Hopper().sms)), std::string::npos);  // they meet at a barrier
}

}  // namespace
}  // namespace sluice::kernels
