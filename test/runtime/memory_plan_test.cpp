#include "runtime/exec/memory_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice::exec {
namespace {

using testing::ElementsAre;

TEST(RoundUp, PowersToSixtyFourThenQuarterSteps) {
  EXPECT_EQ(RoundUpSize(0), 0);
  EXPECT_EQ(RoundUpSize(1), 1);
  EXPECT_EQ(RoundUpSize(3), 4);
  EXPECT_EQ(RoundUpSize(64), 64);
  EXPECT_EQ(RoundUpSize(65), 80);
  EXPECT_EQ(RoundUpSize(128), 128);
  EXPECT_EQ(RoundUpSize(129), 160);
  EXPECT_EQ(RoundUpSize(1000), 1024);
  for (int64_t n = 1; n < 5000; ++n) {
    ASSERT_GE(RoundUpSize(n), n);
    ASSERT_LE(RoundUpSize(n), n <= 64 ? 2 * n : n * 5 / 4 + 1);
  }
}

Program ThreeSymbols() {
  Program p;
  p.symbols.resize(3);
  return p;
}

// batch 1, past 64, total 65: past and total share the bound 80, batch stays alone.
TEST(RoundUp, NeighboursShareABound) {
  const Program p = ThreeSymbols();
  EXPECT_THAT(RoundUpSymbols(p, std::vector<int64_t>{1, 64, 65}), ElementsAre(1, 80, 80));
  EXPECT_THAT(RoundUpSymbols(p, std::vector<int64_t>{2, 0, 9}), ElementsAre(2, 0, 16));
}

TEST(RoundUp, StaysInsideDims) {
  Program p = ThreeSymbols();
  p.symbols[2].max = 70;
  EXPECT_THAT(RoundUpSymbols(p, std::vector<int64_t>{1, 33, 66}), ElementsAre(1, 64, 70));
}

// A sequence that grows by one, with past and total as symbols of their own: the plans a decoder makes.
TEST(RoundUp, ThousandStepsMakeFewPlans) {
  const Program p = ThreeSymbols();
  int plans = 0;
  std::vector<int64_t> have = {-1, -1, -1};
  for (int64_t past = 0; past < 1000; ++past) {
    const std::vector<int64_t> now = {1, past, past + 1};
    if (now[1] > have[1] || now[2] > have[2]) {
      have = RoundUpSymbols(p, now);
      ++plans;
    }
  }
  EXPECT_LE(plans, 24);
}

}  // namespace
}  // namespace sluice::exec
