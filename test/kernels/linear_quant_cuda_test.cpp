// CUDA linear layers with integer weights, without a GPU: what is refused, what is preferred, what is emitted.
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/plan/size_expr.h"
#include "test/kernels/cuda_query.h"

namespace sluice::kernels {
namespace {

CudaQuery Query(int64_t m, int64_t n, int64_t k, int64_t block, DType code) {
  const int64_t blocks = block == 0 ? 1 : (k + block - 1) / block;
  return {.name = BitWidth(code) == 4 ? "linear_q4" : "linear_q8",
          .attrs = Attrs({{"block", block}}),
          .ins = {{.dtype = DType::kBF16, .dims = {Fixed(m), Fixed(k)}},
                  {.dtype = code, .dims = {Fixed(n), Fixed(k)}, .weight = true},
                  {.dtype = DType::kF16, .dims = {Fixed(n), Fixed(blocks)}, .weight = true}},
          .outs = {{.dtype = DType::kBF16, .dims = {Fixed(m), Fixed(n)}}}};
}

std::string Chosen(const CudaQuery& query) {
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(query, Hopper());
  return choice.ok() ? choice->plan.name : std::string(choice.status().message());
}

TEST(LinearQuantCuda, WhatTensorCoresCannotTakeIsPlain) {
  EXPECT_EQ(Chosen(Query(1, 4096, 4096, 32, DType::kU4)), "quant 8 rows");
  EXPECT_EQ(Chosen(Query(1, 4096, 4096, 16, DType::kU4)), "plain 64x64");  // a product is 32 of k
  EXPECT_EQ(Chosen(Query(1, 4096, 4096, 0, DType::kI8)), "quant 8 rows");
  EXPECT_EQ(Chosen(Query(1, 4096, 4098, 0, DType::kI8)), "plain 64x64");  // rows off 16 bytes
  CudaQuery query = Query(1, 4096, 4096, 32, DType::kU4);
  query.ins.push_back({.dtype = DType::kF16, .dims = {Fixed(4096), Fixed(128)}});  // zero points that are no codes
  EXPECT_EQ(Chosen(query), "plain 64x64");
  // The plain form takes no epilogue.
  query = Query(1, 4096, 4096, 16, DType::kU4);
  query.epilogue = "struct Epilogue {};";
  query.epilogue_ins = 3;
  EXPECT_EQ(Chosen(query), "no CUDA kernel 'linear_q4' for blocks of 16");
}

// A launch begins before the one it follows has ended: what another kernel makes is not read ahead of its turn.
TEST(LinearQuantCuda, ReadsAheadOnlyWhatNoKernelMakes) {
  const auto ahead = [](const CudaQuery& query) {
    return ChooseCuda(query, Hopper())->kernel.text.find("kWeights = 1") != std::string::npos;
  };
  CudaQuery query = Query(1, 4096, 4096, 32, DType::kU4);
  EXPECT_TRUE(ahead(query));
  for (const size_t made : {1, 2}) {
    CudaQuery other = query;
    other.ins[made].weight = false;
    EXPECT_FALSE(ahead(other)) << made;
  }
}

// Rows of x share a pass over the codes: as many as there are, but no more.
TEST(LinearQuantCuda, PassesGrowWithTheRows) {
  const auto rows = [](int64_t m) { return ChooseCuda(Query(m, 4096, 4096, 32, DType::kU4), Hopper())->plan.name; };
  EXPECT_EQ(rows(1), "quant 8 rows");
  EXPECT_EQ(rows(16), "quant 16 rows");
  EXPECT_EQ(rows(64), "quant 32 rows");
}

TEST(LinearQuantCuda, GridsCoverRowsAndWeights) {
  for (const int64_t m : {1, 16, 33, 64}) {
    const CudaChoice choice = ChooseCuda(Query(m, 1000, 256, 32, DType::kI4), Hopper()).value();
    const plan::Bindings sizes = {{"y0_0", m}, {"y0_1", 1000}};
    const int64_t tokens = 8 * choice.plan.numbers[0];
    EXPECT_EQ(plan::SizeExpr::Parse(choice.kernel.grid[0])->Evaluate(sizes).value(), 63);
    EXPECT_EQ(plan::SizeExpr::Parse(choice.kernel.grid[1])->Evaluate(sizes).value(), (m + tokens - 1) / tokens);
  }
}

TEST(LinearQuantCuda, CodesAreReadAsWhatTheyAre) {
  CudaQuery query = Query(1, 4096, 4096, 32, DType::kI4);
  EXPECT_NE(ChooseCuda(query, Hopper())->kernel.text.find("kSigned = 1, kZero = 0"), std::string::npos);
  query = Query(1, 4096, 4096, 32, DType::kU4);
  query.ins.push_back({.dtype = DType::kU4, .dims = {Fixed(4096), Fixed(128)}});
  const CudaKernel kernel = ChooseCuda(query, Hopper())->kernel;
  EXPECT_NE(kernel.text.find("kSigned = 0, kZero = 1"), std::string::npos);
  EXPECT_EQ(kernel.params.size(), 6u);  // the step block, four operands, the result
}

}  // namespace
}  // namespace sluice::kernels
