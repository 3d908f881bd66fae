// The CUDA GEMMs without a GPU: what is offered for which operation, and what is emitted.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/common/plan_numbers.h"
#include "kernels/device/layout.cuh"
#include "kernels/gemm/gemm_choice.h"
#include "runtime/plan/size_expr.h"
#include "test/kernels/cuda_query.h"

namespace sluice::kernels {
namespace {

// ---- Choice.

GemmWhat Linear(int64_t m, int64_t n, int64_t k) {
  return {.m = m, .n = n, .k = k, .m_max = m, .m_constant = true, .read_only_weight = true};
}

GemmHow Best(const GemmWhat& what) {
  const std::vector<GemmHow> all = GemmCandidates(what, Hopper());
  return *std::min_element(all.begin(), all.end(), [](const GemmHow& a, const GemmHow& b) { return a.us < b.us; });
}

std::set<GemmForm> Forms(const GemmWhat& what) {
  std::set<GemmForm> forms;
  for (const GemmHow& how : GemmCandidates(what, Hopper())) {
    forms.insert(how.form);
  }
  return forms;
}

using enum GemmForm;

TEST(GemmChoice, FormsFollowFromTypesSizesAndStrides) {
  EXPECT_EQ(Forms(Linear(8, 4096, 4096)), (std::set{kTiles, kStream, kAny}));
  EXPECT_EQ(Forms(Linear(65, 4096, 4096)), (std::set{kTiles, kAny}));  // stream holds 64 tokens
  GemmWhat what = Linear(8, 4096, 4096);
  what.m_max = -1;
  EXPECT_EQ(Forms(what), (std::set{kTiles, kAny}));           // nor any number of them
  EXPECT_EQ(Forms(Linear(8, 4096, 4095)), (std::set{kAny}));  // rows off 16 bytes have no tensor map
  what = Linear(8, 4096, 4096);
  what.in = what.weight = what.out = DType::kF32;
  EXPECT_EQ(Forms(what), (std::set{kAny}));
  what = Linear(8, 4096, 4096);
  what.in = DType::kF16;  // a bf16 weight
  EXPECT_EQ(Forms(what), (std::set{kAny}));
  what = Linear(200, 264, 128);
  what.batched = true;
  what.dense_constant = false;
  EXPECT_EQ(Forms(what), (std::set{kAny}));
}

GemmWhat Codes(int64_t m, int64_t n, int64_t k) {
  GemmWhat what = Linear(m, n, k);
  what.in = DType::kU8, what.weight = DType::kI8, what.out = DType::kI32;
  return what;
}

// wgmma reads codes along the depth only, in widths of 8, 16, 24, 32 and multiples of 16; rows of 16 codes have a
// tensor map.
TEST(GemmChoice, CodesHaveTheFormsOf16BitsAlongTheDepth) {
  EXPECT_EQ(Forms(Codes(8, 4096, 4096)), (std::set{kTiles, kStream, kAny}));
  EXPECT_EQ(Forms(Codes(300, 4096, 4096)), (std::set{kTiles, kAny}));
  EXPECT_EQ(Forms(Codes(8, 4096, 4104)), (std::set{kAny}));
  GemmWhat what = Codes(300, 4096, 4096);
  what.weight_by_width = true;
  EXPECT_EQ(Forms(what), (std::set{kAny}));
  for (int64_t m = 1; m <= 64; ++m) {
    for (const GemmHow& how : GemmCandidates(Codes(m, 4096, 4096), Hopper())) {
      EXPECT_TRUE(how.form != kStream || how.cols == 8 || how.cols == 24 || how.cols % 16 == 0) << how.Name();
    }
  }
}

// Twice the products a clk and half the bytes.
TEST(GemmChoice, CodesTakeHalfTheTimeOf16Bits) {
  for (const int64_t m : {1, 16, 4096}) {
    const double ratio = Best(Linear(m, 4096, 4096)).us / Best(Codes(m, 4096, 4096)).us;
    EXPECT_GT(ratio, 1.3) << m;
    EXPECT_LT(ratio, 2.1) << m;
  }
}

TEST(GemmChoice, WidthMajorWeightsComeInWholeBoxesOf64) {
  GemmWhat what = Linear(512, 4096, 4096);
  what.weight_by_width = true;
  int tiles = 0;
  for (const GemmHow& how : GemmCandidates(what, Hopper())) {
    if (how.form == kTiles) {
      ++tiles;
      EXPECT_EQ(how.cols % (64 * how.multicast), 0) << how.Name();
    }
  }
  EXPECT_GT(tiles, 5);
}

TEST(GemmChoice, EveryCandidateFitsTheChipAndHasItsOwnName) {
  for (const int64_t m : {1, 5, 16, 33, 64, 100, 300, 5000}) {
    std::set<std::string> names;
    for (const GemmHow& how : GemmCandidates(Linear(m, 3072, 776), Hopper())) {
      EXPECT_TRUE(names.insert(how.Name()).second) << how.Name();
      EXPECT_LE(how.SharedBytes(), Hopper().shared_per_block);
      EXPECT_EQ(how.ctas % how.cluster(), 0);
      EXPECT_GT(how.us, 0);
      EXPECT_EQ(FromPlanNumbers<GemmHow>(PlanNumbers(how)).Name(), how.Name());
      if (how.form == kStream) {  // the next kernel's CTA must fit beside this one's
        EXPECT_LE(2 * (how.SharedBytes() + 1024), Hopper().shared_per_sm);
        EXPECT_GE(how.stages, 4);
      }
    }
  }
}

// A prediction between the roofline and a multiple of it: loose enough for a new cost model, tight enough to catch a
// unit mistaken.
TEST(GemmChoice, PredictionsStayNearTheRoofline) {
  for (const int64_t m : {1, 16, 64, 256, 1024, 8192}) {
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{4096, 4096}, {28672, 4096}, {4096, 14336}}) {
      const double bytes = 2.0 * (n * k + m * k + m * n);
      const double floor = std::max(bytes / 4.8e6, 2.0 * m * n * k / 989e6);
      const double us = Best(Linear(m, n, k)).us;
      EXPECT_GT(us, floor) << m << "x" << n << "x" << k;
      EXPECT_LT(us, 1.6 * floor + 5) << m << "x" << n << "x" << k;
    }
  }
}

// CTAs come in two at once where those of the kernel before leave: a grid that takes fewer places leaves SMs idle.
TEST(GemmChoice, StreamTakesThePlacesOfTwoCtasAnSm) {
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{4096, 4096}, {6144, 4096}, {4096, 14336}}) {
    for (const int64_t m : {1, 16, 32}) {
      const GemmHow how = Best(Linear(m, n, k));
      EXPECT_EQ(how.form, kStream) << m;
      EXPECT_GE(how.ctas, 2 * Hopper().sms * 9 / 10) << m << " " << how.Name();
      EXPECT_LE(how.ctas, 2 * Hopper().sms) << m << " " << how.Name();
    }
  }
}

// Where n alone gives too few tall tiles, a cluster splits k: x, of which each tile reads all, costs less then.
TEST(GemmChoice, StreamSplitsTheDepthOfNarrowWeights) {
  for (const int64_t m : {1, 16, 17, 32}) {
    const GemmHow how = Best(Linear(m, 4096, 4096));
    EXPECT_EQ(how.form, kStream) << m;
    EXPECT_GT(how.split, 1) << m;
    EXPECT_EQ(how.ctas, (4096 + how.rows - 1) / how.rows * how.split) << m;
  }
  // A cluster has one tile, and each of its CTAs some of the depth.
  for (const GemmHow& how : GemmCandidates(Linear(8, 28672, 128), Hopper())) {
    EXPECT_TRUE(how.form != kStream || how.split == 1) << how.Name();
  }
}

// A plan is no faster for few rows than the best one made for them.  Where a map ends with the rows, TMA fills the rest
// of a box, which is slower than reading it.
TEST(GemmChoice, APlanForManyRowsIsPredictedForFew) {
  const GemmWhat few = Linear(1, 4096, 14336);
  const GemmWhat many = Linear(128, 4096, 14336);
  for (const GemmHow& how : GemmCandidates(many, Hopper())) {
    EXPECT_GE(PredictGemm(few, Hopper(), how), Best(few).us) << how.Name();
    EXPECT_NEAR(PredictGemm(many, Hopper(), how), how.us, 1e-9) << how.Name();
  }
  GemmWhat filled = few;
  filled.fills = true;
  for (const GemmHow& how : GemmCandidates(many, Hopper())) {
    EXPECT_TRUE(how.form != kAny || PredictGemm(few, Hopper(), how) <= how.us) << how.Name();
    EXPECT_GE(PredictGemm(filled, Hopper(), how), PredictGemm(few, Hopper(), how)) << how.Name();
  }
}

// Two parts: a warpgroup has whole blocks of both, and the result is half as wide.
TEST(GemmChoice, PartsNeedTilesOfWholeBlocks) {
  for (const int64_t m : {1, 48, 300, 5000}) {
    GemmWhat what = Linear(m, 2064, 776);
    what.parts = 2;
    std::set<GemmForm> forms;
    for (const GemmHow& how : GemmCandidates(what, Hopper())) {
      forms.insert(how.form);
      EXPECT_EQ(how.form == kStream ? how.rows % 16 : how.cols / how.split % 32, 0) << how.Name();
      EXPECT_EQ(FromPlanNumbers<GemmHow>(PlanNumbers(how)).parts, 2);
    }
    EXPECT_EQ(forms.size(), m <= 64 ? 3u : 2u);
  }
}

TEST(GemmChoice, ManyTilesPersistAndAlternate) {
  const GemmHow how = Best(Linear(8192, 3072, 768));  // 64 x 24 tiles: epilogues must hide
  EXPECT_TRUE(how.ping_pong);
  EXPECT_LE(how.ctas, Hopper().sms);
}

// A layer of 128 rows leaves SMs idle, and those at work wait for what they take in: less for tiles of 64 rows.
TEST(GemmChoice, AShortNarrowProductHasTilesOf64Rows) {
  EXPECT_EQ(Best(Linear(128, 768, 768)).rows, 64);
  EXPECT_EQ(Best(Linear(4096, 768, 768)).rows, 128);
}

// Two tiles an SM at most, so a plain product shares tiles; an expensive epilogue must not wait for the products' end.
TEST(GemmChoice, WhatAnEpilogueCostsDecidesAboutPingPong) {
  GemmWhat what = Linear(4096, 3072, 1536);
  const auto lead = [&] {  // of the best ping-pong plan over the best other
    double pong = 1e9, other = 1e9;
    for (const GemmHow& how : GemmCandidates(what, Hopper())) {
      (how.ping_pong ? pong : other) = std::min(how.ping_pong ? pong : other, how.us);
    }
    return other / pong;
  };
  const double plain = lead();
  what.finish_ops = 50;
  EXPECT_GT(lead(), plain);
  EXPECT_TRUE(Best(what).ping_pong);
}

// What an epilogue reads is asked for as early as shared memory allows, and never beyond it.
TEST(GemmChoice, PanelsThatAreReadGetTheRoomThatIsLeft) {
  GemmWhat what = Linear(4096, 768, 768);
  what.finish_reads = true;
  for (const GemmHow& how : GemmCandidates(what, Hopper())) {
    EXPECT_LE(how.SharedBytes(), Hopper().shared_per_block) << how.Name();
    if (how.Name() == "tiles 128x192") {
      EXPECT_EQ(how.panels, 3);
    } else if (how.Name() == "tiles 128x256") {
      EXPECT_EQ(how.panels, 2);
    }
  }
}

// ---- Queries.

CudaDim Varying(int64_t max) { return {.min = 0, .max = max, .typical = 64, .text = "d"}; }

CudaQuery LinearQuery(CudaDim m, int64_t n, int64_t k) {
  return {.name = "linear",
          .ins = {{.dtype = DType::kBF16, .dims = {Fixed(2), m, Fixed(k)}},
                  {.dtype = DType::kBF16, .dims = {Fixed(n), Fixed(k)}, .weight = true}},
          .outs = {{.dtype = DType::kBF16, .dims = {Fixed(2), m, Fixed(n)}}}};
}

int64_t Blocks(const CudaKernel& kernel, int64_t rows, int64_t n) {
  return plan::SizeExpr::Parse(kernel.grid[0])->Evaluate({{"y0_0", 2}, {"y0_1", rows / 2}, {"y0_2", n}}).value();
}

TEST(GemmCuda, RowsMayVaryBelowTheirBound) {
  const CudaQuery query = LinearQuery(Varying(512), 4096, 4096);
  const CudaFamily& family = *FindCudaFamily("linear");
  std::string why;
  for (const CudaPlan& plan : family.plans(query, Hopper(), why)) {
    const CudaKernel kernel = family.emit(query, Hopper(), plan);
    const GemmHow how = FromPlanNumbers<GemmHow>(plan.numbers);
    for (const int64_t rows : {0, 2, 256, 1024}) {
      const int64_t blocks = Blocks(kernel, rows, 4096);
      EXPECT_EQ(blocks % kernel.cluster, 0) << plan.name;
      if (how.form == kTiles && how.split > 1) {  // a split's cluster does one tile
        EXPECT_EQ(blocks, std::max<int64_t>(1, (rows + how.rows - 1) / how.rows * ((4096 + how.cols - 1) / how.cols)) *
                              how.split);
      } else if (how.form == kTiles) {
        EXPECT_LE(blocks, Hopper().sms);
      } else {
        EXPECT_EQ(blocks, (rows + how.rows - 1) / how.rows * ((4096 + how.cols - 1) / how.cols));
      }
    }
  }
}

// ---- Plans for few rows.

// Where rows are unknown there is a plan for each range of them: limits ascend, and at every number of rows the first
// one whose limit is no less takes at most a little longer than the best plan for just that number.
TEST(GemmCuda, UnknownRowsGetAPlanForEachRange) {
  const CudaQuery query = LinearQuery(Varying(-1), 4096, 14336);
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(query, Hopper());
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->kernel.rows, "x0_0 * x0_1");
  ASSERT_EQ(choice->smaller.size(), choice->kernel.smaller.size());
  ASSERT_FALSE(choice->smaller.empty());
  int64_t limit = 0;
  for (size_t i = 0; i < choice->smaller.size(); ++i) {
    EXPECT_GT(choice->smaller[i].limit, limit);
    limit = choice->smaller[i].limit;
    EXPECT_EQ(choice->kernel.smaller[i].limit, limit);
    EXPECT_TRUE(choice->kernel.smaller[i].smaller.empty());
    EXPECT_NE(choice->kernel.smaller[i].text, choice->kernel.text);
    CudaQuery few = query;
    few.rows_max = limit;
    std::string why;
    double best = 1e30;
    for (const CudaPlan& plan : FindCudaFamily("linear")->plans(few, Hopper(), why)) {
      best = std::min(best, plan.us);
    }
    EXPECT_EQ(choice->smaller[i].plan.us, best) << limit;
  }
  // One row streams the weight; a prompt does not.
  EXPECT_EQ(FromPlanNumbers<GemmHow>(choice->smaller.front().plan.numbers).form, kStream);
  EXPECT_EQ(FromPlanNumbers<GemmHow>(choice->plan.numbers).form, kTiles);
}

// A batch of last positions may be larger than what is typical of it: some hundred rows have plans of their own.
TEST(GemmCuda, MoreRowsThanTypicalGetPlans) {
  CudaDim batch = Varying(-1);
  batch.typical = 4;
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(LinearQuery(batch, 4096, 14336), Hopper());
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_GE(choice->smaller.back().limit, 256);
}

// Rows that are known need one plan, and families without `rows` have no other.
TEST(GemmCuda, KnownRowsGetOnePlan) {
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(LinearQuery(Fixed(8), 4096, 4096), Hopper());
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_TRUE(choice->smaller.empty());
  EXPECT_TRUE(choice->kernel.rows.empty());
}

// A tile reads no more rows of x than those it is meant for, in whole groups of 8.
TEST(GemmCuda, BoxesAreNoTallerThanTheRowsMeant) {
  CudaQuery query = LinearQuery(Varying(-1), 28672, 4096);
  for (const auto& [rows, box] : {std::pair(1, 8), {3, 8}, {16, 16}, {33, 40}, {100, 104}, {1000, 128}}) {
    query.rows_max = rows;
    std::string why;
    for (const CudaPlan& plan : FindCudaFamily("linear")->plans(query, Hopper(), why)) {
      const GemmHow how = FromPlanNumbers<GemmHow>(plan.numbers);
      if (how.form != kAny) {
        EXPECT_EQ(how.form == kTiles ? how.box : how.cols, how.form == kTiles ? std::min<int64_t>(how.rows, box) : box)
            << plan.name;
      }
    }
  }
}

// Rows beyond x make results that nobody stores, so its map may reach on to where the last boxes end; rows beyond a
// weight or a result are others' memory.
TEST(GemmCuda, TheMapOfXAloneReachesOn) {
  for (const int64_t rows : {1, 13, 64, 197, 1000}) {
    const CudaQuery query = LinearQuery(Fixed(rows), 4096, 4096);
    std::string why;
    for (const CudaPlan& plan : FindCudaFamily("linear")->plans(query, Hopper(), why)) {
      const CudaKernel kernel = FindCudaFamily("linear")->emit(query, Hopper(), plan);
      for (const CudaParam& param : kernel.params) {
        if (param.kind == CudaParam::Kind::kTensorMap && param.operand == 0) {
          EXPECT_GT(param.reach, 0) << plan.name;
          EXPECT_EQ(param.reach % param.box.front(), 0) << plan.name;
        } else {
          EXPECT_EQ(param.reach, 0) << plan.name;
        }
      }
    }
  }
}

// The text depends on the form, not on n and k: layers of different sizes share an image.
TEST(GemmCuda, EqualPlansOfDifferentSizesAreOneText) {
  const CudaFamily& family = *FindCudaFamily("linear");
  const CudaQuery one = LinearQuery(Fixed(4096), 4096, 4096), two = LinearQuery(Fixed(2048), 6144, 14336);
  std::string why;
  const CudaPlan plan = family.plans(one, Hopper(), why).front();
  EXPECT_EQ(family.emit(one, Hopper(), plan).text, family.emit(two, Hopper(), plan).text);
}

TEST(GemmCuda, EpiloguesGetTheirOperands) {
  CudaQuery query = LinearQuery(Fixed(64), 768, 768);
  query.epilogue = "struct Epilogue { /* printed from the graph */ };\n";
  query.epilogue_ins = 2;
  query.ins.push_back({.dtype = DType::kBF16, .dims = {Fixed(768)}});
  query.ins.push_back({.dtype = DType::kF32, .dims = {Fixed(2), Fixed(64), Fixed(768)}});
  const CudaChoice choice = ChooseCuda(query, Hopper()).value();
  EXPECT_NE(choice.kernel.text.find(query.epilogue), std::string::npos);
  EXPECT_NE(choice.kernel.text.find("sl::Arg<1> e0, sl::Arg<3> e1)"), std::string::npos) << choice.kernel.text;
  EXPECT_NE(choice.kernel.text.find("Epilogue(step, e0, e1)"), std::string::npos);
  std::vector<int> operands;
  operands.reserve(choice.kernel.params.size());
  for (const CudaParam& param : choice.kernel.params) {
    operands.push_back(param.kind == CudaParam::Kind::kStep ? -1 : param.operand);
  }
  // The step block, maps of x, w and the result (number 4, behind four ins), then x, the result, and the epilogue's.
  EXPECT_EQ(operands, (std::vector<int>{-1, 0, 1, 4, 0, 4, 2, 3}));
}

// By a map with the result's boxes, if it has the result's type and shape.
TEST(GemmCuda, AnOperandThatLiesAsTheResultDoesComesByTma) {
  CudaQuery query = LinearQuery(Fixed(2048), 768, 768);
  query.epilogue = "struct Epilogue { /* printed from the graph */ };\n";
  query.epilogue_ins = query.epilogue_whole = 2;
  query.ins.push_back(query.outs[0]);
  const auto maps = [&] {
    const CudaChoice choice = ChooseCuda(query, Hopper()).value();
    std::vector<CudaParam> found;
    for (const CudaParam& param : choice.kernel.params) {
      if (param.kind == CudaParam::Kind::kTensorMap) {
        found.push_back(param);
      }
    }
    return found;
  };
  const std::vector<CudaParam> read = maps();
  ASSERT_EQ(read.size(), 4u);  // x, w, the result, and what is read
  EXPECT_EQ(read[3].operand, 2);
  EXPECT_EQ(read[3].box, read[2].box);
  EXPECT_EQ(read[3].swizzle, read[2].swizzle);
  EXPECT_EQ(ChooseCuda(query, Hopper())->kernel.aligned_ins, 7u);
  query.ins[2].dtype = DType::kF16;
  EXPECT_EQ(maps().size(), 3u);
}

TEST(GemmCuda, WhatNoKernelComputesIsRefusedByType) {
  CudaQuery query = LinearQuery(Fixed(4), 64, 64);
  for (CudaOperand* operand : {&query.ins[0], &query.ins[1], &query.outs[0]}) {
    operand->dtype = DType::kF64;
  }
  const absl::StatusOr<CudaChoice> choice = ChooseCuda(query, Hopper());
  ASSERT_FALSE(choice.ok());
  EXPECT_EQ(choice.status().message(), "no CUDA kernel 'linear' for f64 operands");
}

// Maps of a batched product keep the batch apart; their boxes never span it.
TEST(GemmCuda, BatchedMatmulMapsHaveABatchDimension) {
  CudaQuery query{.name = "matmul",
                  .ins = {{.dtype = DType::kF16, .dims = {Fixed(2), Fixed(12), Fixed(200), Fixed(64)}},
                          {.dtype = DType::kF16, .dims = {Fixed(2), Fixed(12), Fixed(64), Fixed(136)}}},
                  .outs = {{.dtype = DType::kF16, .dims = {Fixed(2), Fixed(12), Fixed(200), Fixed(136)}}}};
  std::string why;
  const CudaFamily& family = *FindCudaFamily("matmul");
  for (const CudaPlan& plan : family.plans(query, Hopper(), why)) {
    const CudaKernel kernel = family.emit(query, Hopper(), plan);
    for (const CudaParam& param : kernel.params) {
      if (param.kind == CudaParam::Kind::kTensorMap) {
        EXPECT_EQ(param.dims.size(), 3u) << plan.name;
        EXPECT_EQ(param.dims[0], (std::array<int, 2>{0, 1}));
        EXPECT_EQ(param.box[0], 1);
        EXPECT_LE(*std::max_element(param.box.begin(), param.box.end()), 256);
        EXPECT_EQ(param.swizzle, param.box.back() * 2);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
