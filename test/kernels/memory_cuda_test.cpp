// CUDA kernels that memory bounds, without a GPU: how rows and permutations are cut.
#include <gtest/gtest.h>

#include "test/kernels/cuda_query.h"

namespace sluice::kernels {
namespace {

CudaChoice Choose(const std::string& name, const CudaOperand& x, const CudaOperand& y, std::vector<Attr> attrs) {
  return ChooseCuda({.name = name, .attrs = Attrs(std::move(attrs)), .ins = {x}, .outs = {y}}, Hopper()).value();
}

std::string Softmax(DType dtype, int64_t length, int64_t axis = 1) {
  const CudaOperand x = Operand(dtype, {-8, length});
  return Choose("softmax", x, x, {{"axis", axis}}).plan.name;
}

TEST(RowsCuda, AThreadHoldsAboutSixteenElementsInWordsOfSixteenBytes) {
  EXPECT_EQ(Softmax(DType::kBF16, 2048), "64 threads a row, 4 words of 8");
  EXPECT_EQ(Softmax(DType::kBF16, 4096), "128 threads a row, 4 words of 8");
  EXPECT_EQ(Softmax(DType::kF32, 512), "32 threads a row, 4 words of 4");
  EXPECT_EQ(Softmax(DType::kBF16, 1024), "32 threads a row, 4 words of 8");  // up to twice that within a warp
}

TEST(RowsCuda, LongRowsAreSharedByBlocks) {
  EXPECT_EQ(Softmax(DType::kF32, 4096), "256 threads a row, 4 words of 4");
  EXPECT_EQ(Softmax(DType::kF32, 16384), "4 blocks of 256 threads a row, 4 words of 4");  // 4 · 256 · 16
  EXPECT_EQ(Softmax(DType::kBF16, 32000), "4 blocks of 256 threads a row, 4 words of 8");
  EXPECT_EQ(Softmax(DType::kF32, 32000), "8 blocks of 256 threads a row, 4 words of 4");
  EXPECT_EQ(Softmax(DType::kF32, 128256), "8 blocks of 256 threads a row, 16 words of 4");  // a cluster has no more
  const CudaOperand x = Operand(DType::kF32, {-8, 32000});
  const CudaChoice choice = Choose("softmax", x, x, {{"axis", int64_t{1}}});
  EXPECT_EQ(choice.kernel.cluster, 8);
  EXPECT_NE(choice.kernel.grid[0].find(" * 8"), std::string::npos);  // whole clusters, however many rows
}

// 16 x 512 threads are few; 4096 x 128 are more than half of what 132 SMs hold.
TEST(RowsCuda, FewRowsGetAThreadForEachWord) {
  const auto plan = [](int64_t rows) {
    const CudaOperand x = Operand(DType::kF16, {rows, 768});
    return Choose("softmax", x, x, {{"axis", int64_t{1}}}).plan.name;
  };
  EXPECT_EQ(plan(16), "128 threads a row, 1 words of 8");
  EXPECT_EQ(plan(1500), "64 threads a row, 2 words of 8");
  EXPECT_EQ(plan(4096), "32 threads a row, 3 words of 8");
}

// A launch of any number of rows takes the plan for many; those of few rows have forms of their own, unless a row may
// not depend on how many there are.
TEST(RowsCuda, VaryingRowsHaveAPlanForEachRange) {
  const CudaOperand x = Operand(DType::kF16, {-4096, 768});
  CudaQuery query = {.name = "softmax", .attrs = Attrs({{"axis", int64_t{1}}}), .ins = {x}, .outs = {x}};
  const CudaChoice choice = ChooseCuda(query, Hopper()).value();
  EXPECT_EQ(choice.plan.name, "32 threads a row, 3 words of 8");
  ASSERT_FALSE(choice.smaller.empty());
  EXPECT_EQ(choice.smaller[0].plan.name, "128 threads a row, 1 words of 8");
  query.invariant = true;
  EXPECT_TRUE(ChooseCuda(query, Hopper())->smaller.empty());
}

TEST(RowsCuda, ALengthOffWordsIsReadElementByElement) {
  EXPECT_EQ(Softmax(DType::kBF16, 33), "4 threads a row, 9 words of 1");
}

TEST(RowsCuda, RowsThatAreUnknownOrTooLongAreReadAgain) {
  EXPECT_EQ(Softmax(DType::kF32, -4096), "256 threads a row, read again");
  EXPECT_EQ(Softmax(DType::kF32, 1 << 20), "512 threads a row, read again");
}

TEST(RowsCuda, AnInnerAxisIsColumns) { EXPECT_EQ(Softmax(DType::kF32, 64, 0), "a thread a column"); }

TEST(ArgReduceCuda, FewLongRowsHaveAClusterEach) {
  const auto argmax = [](const CudaOperand& x, int64_t axis) {
    CudaOperand y = x;
    y.dims.erase(y.dims.begin() + axis);
    y.dtype = DType::kI64;
    return Choose("arg_reduce", x, y, {{"axis", axis}});
  };
  // Logits of a step: a warp would read 4,008 times one after the other.
  const CudaChoice logits = argmax(Operand(DType::kBF16, {-8, 1, 128256}), 2);
  EXPECT_EQ(logits.plan.name, "8 blocks a row");
  EXPECT_EQ(logits.kernel.cluster, 8);
  EXPECT_EQ(logits.kernel.grid[0], "min(ceildiv(x0_0 * x0_1 * 1, 1), 132) * 8");
  EXPECT_EQ(logits.kernel.strided_ins, 1u);
  // Many short rows: 16 barriers a microsecond would be needed to keep up with warps.
  EXPECT_EQ(argmax(Operand(DType::kF32, {-4096, 64}), 1).plan.name, "a warp a row");
}

CudaChoice Rope(DType type, int64_t heads, int64_t d, int64_t half) {
  const CudaOperand x = Operand(type, {-1, heads, -9, d}), angles = Operand(DType::kF32, {-1, -9, half});
  return ChooseCuda({.name = "rope", .ins = {x, angles, angles}, .outs = {x}}, Hopper()).value();
}

TEST(RopeCuda, AThreadTurnsSixteenBytesOfHeadsThatShareTheirAngles) {
  EXPECT_EQ(Rope(DType::kBF16, 32, 128, 64).plan.name, "8 pairs of 2 heads a thread");
  EXPECT_EQ(Rope(DType::kF32, 9, 64, 32).plan.name, "4 pairs of 1 heads a thread");
}

TEST(RopeCuda, WordsFitWhatIsTurnedAndWhatIsCopied) {
  // 12 pairs are three words of 4, and so are the 24 elements behind them: 3 + 6 threads a head.
  const CudaChoice partial = Rope(DType::kBF16, 4, 48, 12);
  EXPECT_EQ(partial.plan.name, "4 pairs of 2 heads a thread");
  EXPECT_EQ(partial.kernel.grid[0], "min(ceildiv(x0_0 * ceildiv(x0_1, 2) * x0_2 * 9, 256), 2112)");
  EXPECT_EQ(Rope(DType::kF16, 4, 10, 5).plan.name, "1 pairs of 2 heads a thread");
  EXPECT_EQ(Rope(DType::kF16, 4, -64, -32).plan.name, "1 pairs of 2 heads a thread");  // nothing is known
}

TEST(SharedLaunch, PartsFollowEachOtherInOperandsAndNumbers) {
  const CudaOperand x = Operand(DType::kF16, {-9, 64}), ids = Operand(DType::kI64, {-3});
  const CudaKernel copy = Choose("copy", x, x, {}).kernel;
  const CudaKernel gather =
      ChooseCuda({.name = "gather", .ins = {x, ids}, .outs = {Operand(DType::kF16, {-3, 64})}}, Hopper())->kernel;
  const std::vector<CudaPart> parts = {{.kernel = gather, .ins = 2, .outs = 1}, {.kernel = copy, .ins = 1, .outs = 1}};
  const CudaKernel shared = ShareLaunch(parts).value();
  EXPECT_EQ(shared.grid[0], "p0 + p1");
  // The step block; blocks of the gather, its data, ids, result; blocks of the copy, its source, result.  Three
  // operands are read, so results begin at 3.
  std::vector<std::pair<CudaParam::Kind, int>> params;
  for (const CudaParam& param : shared.params) {
    params.emplace_back(param.kind, param.operand);
  }
  using enum CudaParam::Kind;
  EXPECT_EQ(params, (std::vector<std::pair<CudaParam::Kind, int>>{{kStep, 0},
                                                                  {kNumber, 0},
                                                                  {kOperand, 0},
                                                                  {kOperand, 1},
                                                                  {kOperand, 3},
                                                                  {kNumber, 1},
                                                                  {kOperand, 2},
                                                                  {kOperand, 4}}));
  EXPECT_EQ(shared.part, 0);  // it shares its launch already
}

// Work ahead of the turn is for parts that all wait: one that does not would read what is not there yet.
TEST(SharedLaunch, WaitsFirstUnlessAllPartsWaitOnTheirOwn) {
  const CudaOperand x = Operand(DType::kF16, {-9, 64}), ids = Operand(DType::kI64, {-3});
  const CudaKernel copy = Choose("copy", x, x, {}).kernel, rope = Rope(DType::kF16, 4, 64, 32).kernel;
  const CudaKernel gather =
      ChooseCuda({.name = "gather", .ins = {x, ids}, .outs = {Operand(DType::kF16, {-3, 64})}}, Hopper())->kernel;
  EXPECT_FALSE(TakesTurns(rope.text));
  EXPECT_FALSE(TakesTurns(copy.text));
  EXPECT_TRUE(TakesTurns(gather.text));
  const CudaKernel own = ShareLaunch(std::vector<CudaPart>{{rope, 3, 1}, {copy, 1, 1}}).value();
  EXPECT_FALSE(TakesTurns(own.text));
  EXPECT_TRUE(own.overlaps_previous);
  EXPECT_NE(own.text.find("sl::let_next_begin();"), std::string::npos);
  const CudaKernel mixed = ShareLaunch(std::vector<CudaPart>{{rope, 3, 1}, {gather, 2, 1}}).value();
  EXPECT_TRUE(TakesTurns(mixed.text));
  EXPECT_TRUE(mixed.overlaps_previous);
}

TEST(SharedLaunch, KernelsThatNeedALaunchForThemselvesAreRefused) {
  const CudaOperand x = Operand(DType::kF32, {-9, 64});
  const CudaKernel copy = Choose("copy", x, x, {}).kernel,
                   softmax = Choose("softmax", x, x, {{"axis", int64_t{1}}}).kernel;
  EXPECT_FALSE(ShareLaunch(std::vector<CudaPart>{{copy, 1, 1}, {softmax, 1, 1}}).ok());
  // 4096 bytes of parameters hold 51 copies of 8 + 2 · 48 bytes (and the step block) no more.
  EXPECT_TRUE(ShareLaunch(std::vector<CudaPart>(30, {copy, 1, 1})).ok());
  EXPECT_FALSE(ShareLaunch(std::vector<CudaPart>(52, {copy, 1, 1})).ok());
}

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
  EXPECT_EQ(squares.plan.name, "squares of 32 in blocks");  // 128 of them; 32 of 64 would leave most SMs idle
  EXPECT_NE(squares.kernel.grid[0].find("ceildiv(y0_0, 32) * ceildiv(y0_1, 32)"), std::string::npos);
  EXPECT_EQ(transpose(4, 1000).plan.name, "walk by 1");
}

TEST(MovementCuda, SquaresAreTurnedInBlocksWhereLinesAreWholeWords) {
  const auto transpose = [](int64_t rows, int64_t columns) {
    return Choose("transpose", Operand(DType::kF16, {rows, columns}), Operand(DType::kF16, {columns, rows}),
                  {{"perm", std::vector<int64_t>{1, 0}}})
        .plan.name;
  };
  EXPECT_EQ(transpose(200, 3000), "squares of 64 in blocks");  // words of 8
  EXPECT_EQ(transpose(2000, 3000), "squares of 128 in blocks");
  EXPECT_EQ(transpose(200, 3001), "squares of 64");
  EXPECT_EQ(transpose(-200, 3000), "squares of 64");
}

TEST(MovementCuda, NeighboursThatStayNeighboursCountAsOneDimension) {
  // 7 · 7 positions of 256 channels: 49 of 64 rows of a square are used, where 7 of 64 would be.
  EXPECT_EQ(Choose("transpose", Operand(DType::kF16, {-8, 256, 7, 7}), Operand(DType::kF16, {-8, 7, 7, 256}),
                   {{"perm", std::vector<int64_t>{0, 2, 3, 1}}})
                .plan.name,
            "squares of 64");
}

std::string Reduce(DType dtype, const std::vector<int64_t>& sizes, const std::vector<int64_t>& axes,
                   const std::vector<int64_t>& kept) {
  return Choose("reduce", Operand(dtype, sizes), Operand(dtype, kept), {{"axes", axes}}).plan.name;
}

TEST(ReduceCuda, TheThreadsOfAResultFollowFromItsLength) {
  EXPECT_EQ(Reduce(DType::kF32, {-100000, 64}, {1}, {-100000}), "4 threads a result, words of 4");  // 16 words
  EXPECT_EQ(Reduce(DType::kF32, {-100000, 1024}, {1}, {-100000}), "32 threads a result, words of 4");
  EXPECT_EQ(Reduce(DType::kF32, {-100, 65536}, {1}, {-100}), "256 threads a result, words of 4");
  EXPECT_EQ(Reduce(DType::kF16, {-100000, 49}, {1}, {-100000}), "8 threads a result, words of 1");  // 49 is odd
}

TEST(ReduceCuda, KeptNeighboursAreColumns) {
  EXPECT_EQ(Reduce(DType::kF16, {-32, 7, 7, 2048}, {1, 2}, {-32, 2048}), "columns, words of 8");
}

TEST(ReduceCuda, AFewLongResultsAreSharedByBlocksThatFillTheDevice) {
  const int64_t sms = Hopper().sms;
  EXPECT_EQ(Reduce(DType::kF32, {1 << 25}, {0}, {}),
            "256 threads a result, words of 4, " + std::to_string(4 * sms) + " blocks");
  // 1,024 columns are 8 tiles of 128.
  EXPECT_EQ(Reduce(DType::kF32, {1 << 15, 1024}, {0}, {1024}),
            "columns, words of 4, " + std::to_string(4 * sms / 8) + " blocks");
  // Each tile has a counter: an unknown number of them is not shared.
  EXPECT_EQ(Reduce(DType::kF32, {1 << 15, -1024}, {0}, {-1024}), "columns, words of 1");
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
