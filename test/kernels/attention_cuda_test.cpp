// CUDA attention without a GPU: what is offered for which operation, and what is emitted.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/attention/attention_choice.h"
#include "kernels/common/plan_numbers.h"
#include "runtime/plan/size_expr.h"
#include "test/kernels/cuda_query.h"

namespace sluice::kernels {
namespace {

using enum AttentionForm;

AttentionWhat What(int64_t b, int64_t h, int64_t g, int64_t s, int64_t t, int64_t d) {
  return {.b = b, .h = h, .g = g, .s = s, .t = t, .d = d, .e = d, .s_max = s, .b_max = b, .causal = true};
}

std::vector<AttentionHow> All(const AttentionWhat& what) { return AttentionCandidates(what, Hopper()); }

AttentionHow Best(const AttentionWhat& what) {
  const std::vector<AttentionHow> all = All(what);
  return *std::min_element(all.begin(), all.end(),
                           [](const AttentionHow& a, const AttentionHow& b) { return a.us < b.us; });
}

std::set<AttentionForm> Forms(const AttentionWhat& what) {
  std::set<AttentionForm> forms;
  for (const AttentionHow& how : All(what)) {
    forms.insert(how.form);
  }
  return forms;
}

TEST(AttentionChoice, FormsFollowFromTypesWidthsAndRows) {
  EXPECT_EQ(Forms(What(2, 32, 8, 1, 4096, 128)), (std::set{kPrefill, kDecode, kAny}));
  EXPECT_EQ(Forms(What(2, 32, 8, 5, 4096, 128)), (std::set{kPrefill, kAny}));  // 5 · 4 rows of a key head: 16 are held
  EXPECT_EQ(Forms(What(2, 32, 32, 16, 4096, 128)), (std::set{kPrefill, kDecode, kAny}));
  EXPECT_EQ(Forms(What(2, 4, 4, 9, 99, 84)), (std::set{kAny}));  // rows off 16 bytes have no tensor map
  EXPECT_TRUE(Forms(What(2, 4, 4, 9, 99, 264)).empty());         // too wide for any
  AttentionWhat what = What(2, 32, 8, 1, 4096, 128);
  what.type = DType::kF32;
  EXPECT_EQ(Forms(what), (std::set{kAny}));
  what = What(2, 32, 8, 1, 4096, 128);
  what.s_max = -1;  // any number of queries
  EXPECT_EQ(Forms(what), (std::set{kPrefill, kAny}));
  what = What(2, 32, 8, 1, 4096, 128);
  what.lengths = true;
  what.b_max = -1;  // lengths of any number of sequences fit no shared memory
  EXPECT_EQ(Forms(what), (std::set{kPrefill, kAny}));
}

TEST(AttentionChoice, EveryCandidateFitsTheChipAndHasItsOwnName) {
  for (const int64_t d : {32, 64, 80, 128, 192, 256}) {
    for (const int64_t s : {1, 2, 100, 4096}) {
      std::set<std::string> names;
      for (const AttentionHow& how : All(What(4, 16, 8, s, 4096, d))) {
        EXPECT_TRUE(names.insert(how.Name()).second) << how.Name();
        EXPECT_LE(how.SharedBytes(1024), Hopper().shared_per_block) << how.Name();
        EXPECT_LE((how.SharedBytes(0) + 1024) * how.per_sm, Hopper().shared_per_sm) << how.Name();
        EXPECT_GE(how.dim, d);
        EXPECT_EQ(FromPlanNumbers<AttentionHow>(PlanNumbers(how)).Name(), how.Name());
        if (how.form == kDecode) {
          EXPECT_GE(8 * how.rows8, s * 2);
          EXPECT_EQ(how.stages % (how.warps() / 2), 0);
        }
      }
    }
  }
}

// One query over a long context is a matter of reading it once; many queries are a matter of multiplying.
TEST(AttentionChoice, FewQueriesStreamManyMultiply) {
  EXPECT_EQ(Best(What(1, 32, 8, 1, 8192, 128)).form, kDecode);
  EXPECT_EQ(Best(What(128, 32, 8, 1, 4096, 128)).form, kDecode);
  EXPECT_EQ(Best(What(8, 32, 8, 4096, 4096, 128)).form, kPrefill);
  EXPECT_EQ(Best(What(1, 12, 12, 512, 512, 64)).form, kPrefill);
}

// 8 items on 132 SMs: 128 runs touch one item each, 132 would make some of them touch two.
TEST(AttentionChoice, RunsFollowTheItems) { EXPECT_EQ(Best(What(1, 32, 8, 1, 65536, 128)).ctas, 128); }

// Blocks that the diagonal cuts cost as much as whole ones, so short sequences want narrow ones.
TEST(AttentionChoice, WideBlocksForLongSequences) {
  EXPECT_EQ(Best(What(32, 32, 8, 1024, 1024, 128)).keys, 64);
  EXPECT_EQ(Best(What(1, 32, 8, 16384, 16384, 128)).keys, 80);
}

// Few tiles of 64 queries reach twice the SMs of tiles of 128 and end sooner; many want the sharing of keys.
TEST(AttentionChoice, SmallTilesForFewQueries) {
  AttentionWhat bert = What(1, 12, 12, 128, 128, 64);
  bert.causal = false;
  EXPECT_EQ(Best(bert).consumers, 1);
  EXPECT_EQ(Best(bert).per_sm, 2);
  EXPECT_EQ(Best(bert).ctas, 2 * Hopper().sms);
  EXPECT_EQ(Best(What(16, 32, 8, 2048, 2048, 64)).consumers, 3);
}

// What all the registers of three consumers are needed for does not go to two.
TEST(AttentionChoice, ThreeConsumersTakeOneThingMore) {
  for (bool AttentionWhat::* asked : {&AttentionWhat::key_mask, &AttentionWhat::slopes, &AttentionWhat::softcap}) {
    AttentionWhat what = What(8, 32, 8, 4096, 4096, 128);
    what.*asked = true;
    EXPECT_EQ(Best(what).consumers, 3);
    what.window = 1024;
    EXPECT_EQ(Best(what).consumers, asked == &AttentionWhat::softcap ? 3 : 2);
  }
  AttentionWhat what = What(8, 32, 8, 4096, 4096, 128);
  what.bias = true;
  EXPECT_LT(Best(what).consumers, 3);
  what.bias_rows = what.s;
  EXPECT_EQ(Best(what).Name(), "prefill 192x64 d128");
  what = What(8, 32, 8, 4096, 4096, 64);
  what.window = 1024;
  EXPECT_EQ(Best(what).consumers, 3);
  what.softcap = true;
  EXPECT_LT(Best(what).consumers, 3);
}

// Many short sequences: three blocks an SM hide each other's starts and ends, in keys that fit the length.
TEST(AttentionChoice, ThreeBlocksForManyShortSequences) {
  AttentionWhat what = What(32, 12, 12, 128, 128, 64);
  what.causal = false;
  EXPECT_EQ(Best(what).per_sm, 3);
  EXPECT_EQ(Best(what).keys, 64);
  what.s = what.t = what.s_max = 197;
  EXPECT_EQ(Best(what).per_sm, 3);
  EXPECT_EQ(Best(what).keys, 80);  // 3 · 80, not 4 · 64
}

// What a row without keys gives is computed by the same tiles, but for keys that lie beyond its sequence.
TEST(AttentionChoice, RowsWithoutKeysCostNoKernelOfTheirOwn) {
  AttentionWhat what = What(4, 12, 12, 300, 300, 64);
  what.empty_rows = what.key_mask = true;
  EXPECT_EQ(Best(what).form, kPrefill);
  what.lengths = what.beyond_ends = true;
  EXPECT_EQ(Forms(what), (std::set{kAny}));
}

TEST(AttentionChoice, PredictionsStayNearTheRoofline) {
  for (const int64_t t : {1024, 16384, 131072}) {
    for (const int64_t b : {1, 16}) {
      const double floor = 4.0 * b * 8 * t * 128 / 4.8e6;
      const double us = Best(What(b, 32, 8, 1, t, 128)).us;
      EXPECT_GT(us, floor);
      EXPECT_LT(us, 1.3 * floor + 12) << b << " x " << t;
    }
    if (t <= 16384) {
      const double floor = 2.0 * 32 * t * t * 128 / 989e6;
      EXPECT_GT(Best(What(1, 32, 8, t, t, 128)).us, floor);
      EXPECT_LT(Best(What(1, 32, 8, t, t, 128)).us, 2.2 * floor + 10) << t;
    }
  }
}

CudaDim Varying(int64_t max) { return {.min = 0, .max = max, .typical = max, .text = "d"}; }
CudaOperand Operand(DType type, std::vector<CudaDim> dims) { return {.dtype = type, .dims = std::move(dims)}; }

CudaQuery Query(CudaDim s, CudaDim t) {
  return {.name = "attention",
          .attrs = Attrs({{"scale", 0.125}, {"causal", int64_t{1}}}),
          .ins = {Operand(DType::kF16, {Fixed(2), Fixed(8), s, Fixed(64)}),
                  Operand(DType::kF16, {Fixed(2), Fixed(4), t, Fixed(64)}),
                  Operand(DType::kF16, {Fixed(2), Fixed(4), t, Fixed(64)}),
                  {},
                  {},
                  {},
                  {}},
          .outs = {Operand(DType::kF16, {Fixed(2), Fixed(8), s, Fixed(64)})}};
}

std::vector<CudaPlan> Plans(const CudaQuery& query, std::string& why) {
  return FindCudaFamily("attention")->plans(query, Hopper(), why);
}

TEST(AttentionCuda, AbsentOperandsAreNoParameters) {
  std::string why;
  CudaQuery query = Query(Fixed(300), Fixed(300));
  const CudaKernel plain = FindCudaFamily("attention")->emit(query, Hopper(), Plans(query, why).front());
  query.ins[4] = Operand(DType::kBool, {Fixed(2), Fixed(300)});
  const CudaKernel masked = FindCudaFamily("attention")->emit(query, Hopper(), Plans(query, why).front());
  EXPECT_EQ(masked.params.size(), plain.params.size() + 1);
  EXPECT_NE(plain.text.find("kKeyMask = 0"), std::string::npos);
  EXPECT_NE(masked.text.find("kKeyMask = 1"), std::string::npos);
  EXPECT_NE(masked.text.find("sl::Arg<2> arg_key_mask"), std::string::npos);
}

// A bias comes by tensor map where its rows have a pitch of 16 bytes that is known; else the kernel reads it as it
// lies.
TEST(AttentionCuda, ABiasComesByTensorMapWhereOneCanTakeIt) {
  const auto maps = [](int64_t rows, CudaDim keys, DType type) {
    CudaQuery query = Query(Fixed(300), keys);
    query.ins[3] = Operand(type, {Fixed(1), Fixed(8), Fixed(rows), keys});
    std::string why;
    const CudaKernel kernel = FindCudaFamily("attention")->emit(query, Hopper(), Plans(query, why).front());
    return std::count_if(kernel.params.begin(), kernel.params.end(),
                         [](const CudaParam& p) { return p.kind == CudaParam::Kind::kTensorMap && p.operand == 3; });
  };
  EXPECT_EQ(maps(300, Fixed(512), DType::kF16), 1);
  EXPECT_EQ(maps(1, Fixed(512), DType::kF16), 1);      // the same for every query
  EXPECT_EQ(maps(300, Fixed(508), DType::kF16), 0);    // 1016 bytes
  EXPECT_EQ(maps(300, Varying(512), DType::kF16), 0);  // a pitch for each length
  EXPECT_EQ(maps(300, Fixed(512), DType::kF32), 0);
}

// Where decode cuts a sequence depends on the rest of the batch, so rows that must not do not get it.
TEST(AttentionCuda, InvariantRowsAreNeverSplit) {
  std::string why;
  CudaQuery query = Query(Fixed(1), Varying(4096));
  const auto decodes = [&] {
    const std::vector<CudaPlan> plans = Plans(query, why);
    return std::count_if(plans.begin(), plans.end(), [](const CudaPlan& p) { return p.name.rfind("decode", 0) == 0; });
  };
  EXPECT_EQ(decodes(), 1);
  query.invariant = true;
  EXPECT_EQ(decodes(), 0);
}

// A block takes tiles until none is left: no more blocks than tiles, and one where there is no work at all.
TEST(AttentionCuda, GridsHoldForEverySizeBelowTheBound) {
  std::string why;
  const CudaQuery query = Query(Varying(4096), Varying(4096));
  for (const CudaPlan& plan : Plans(query, why)) {
    const CudaKernel kernel = FindCudaFamily("attention")->emit(query, Hopper(), plan);
    const AttentionHow how = FromPlanNumbers<AttentionHow>(plan.numbers);
    for (const int64_t s : {0, 1, 129, 4096}) {
      const int64_t blocks =
          plan::SizeExpr::Parse(kernel.grid[0])->Evaluate({{"x0_0", 2}, {"x0_1", 8}, {"x0_2", s}}).value();
      if (how.form == kAny) {
        EXPECT_EQ(blocks, (s + 15) / 16 * 16);
      } else {
        EXPECT_LE(blocks, Hopper().sms * how.per_sm);
        EXPECT_GE(blocks, 1);
      }
    }
  }
}

TEST(AttentionCuda, DecodeHasACounterAndTwoPartsForEveryRun) {
  std::string why;
  const CudaQuery query = Query(Fixed(1), Varying(4096));
  for (const CudaPlan& plan : Plans(query, why)) {
    const AttentionHow how = FromPlanNumbers<AttentionHow>(plan.numbers);
    if (how.form == kDecode) {
      const CudaKernel kernel = FindCudaFamily("attention")->emit(query, Hopper(), plan);
      EXPECT_EQ(kernel.counters, how.ctas);
      EXPECT_EQ(kernel.workspace, std::to_string(how.ctas * 2 * 8 * (64 + 2) * 4));
      EXPECT_FALSE(kernel.row_invariant);
    }
  }
}

// Nothing bounds a decoder's caches: what is nominal for any size would give them one block a key head.
TEST(AttentionCuda, CachesWithoutABoundAreTakenForLong) {
  const auto decode_ctas = [](CudaDim t) {
    std::string why;
    for (const CudaPlan& plan : Plans(Query(Fixed(1), std::move(t)), why)) {
      if (const AttentionHow how = FromPlanNumbers<AttentionHow>(plan.numbers); how.form == kDecode) {
        return how.ctas;
      }
    }
    return int64_t{0};
  };
  CudaDim open = Varying(-1);
  open.typical = 64;
  EXPECT_EQ(decode_ctas(open), decode_ctas(Varying(1024)));
  EXPECT_LT(decode_ctas(Varying(64)), decode_ctas(open));
}

TEST(AttentionCuda, RefusalsNameTheProperty) {
  std::string why;
  CudaQuery query = Query(Fixed(8), Fixed(8));
  query.ins[3] = Operand(DType::kF16, {Fixed(8), Fixed(8)});
  EXPECT_TRUE(Plans(query, why).empty());
  EXPECT_EQ(why, "bias of rank 2");
  query = Query(Fixed(8), Fixed(8));
  query.ins[0].dtype = query.ins[1].dtype = query.ins[2].dtype = query.outs[0].dtype = DType::kI32;
  EXPECT_TRUE(Plans(query, why).empty());
  EXPECT_EQ(why, "i32 operands");
  query = Query(Fixed(8), Fixed(8));
  query.ins[1].dims[1] = Varying(4);
  EXPECT_TRUE(Plans(query, why).empty());
  EXPECT_EQ(why, "heads or widths that vary");
}

}  // namespace
}  // namespace sluice::kernels
