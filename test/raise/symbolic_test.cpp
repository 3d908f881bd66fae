// Expressions and proofs: folding, decisions, integer reasoning.
#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "passes/raise/SymbolicFacts.h"

namespace mlir::sluice::raise {
namespace {

struct Symbolic : testing::Test {
  ExprContext x;
  Facts facts{x};
  Expr seq = x.symbol("seq"), past = x.symbol("past"), batch = x.symbol("batch");
  Expr total = x.add(seq, past);
  Expr b = x.index("b", batch->poly), q = x.index("q", seq->poly), k = x.index("k", total->poly);
  Expr c(double value) { return x.constant(value); }
};

TEST_F(Symbolic, EqualExpressionsAreOneNode) {
  EXPECT_EQ(x.add(q, past), x.add(past, q));
  EXPECT_EQ(x.sub(x.add(q, past), past), q);
  EXPECT_EQ(x.compare(Cmp::kLt, k, x.add(q, c(1))), x.compare(Cmp::kLe, k, q));
  EXPECT_EQ(x.compare(Cmp::kLe, x.add(k, k), x.add(x.add(q, q), c(1))), x.compare(Cmp::kLe, k, q));
  EXPECT_EQ(x.notOf(x.compare(Cmp::kGt, k, q)), x.compare(Cmp::kLe, k, q));
}

TEST_F(Symbolic, OperationsMoveIntoDecisions) {
  Expr condition = x.compare(Cmp::kLe, k, q);
  Expr mask = x.select(condition, c(0), c(-INFINITY));
  EXPECT_EQ(x.compare(Cmp::kEq, mask, c(0)), condition);
  EXPECT_EQ(x.add(mask, mask), mask);
  EXPECT_EQ(x.mul(x.select(condition, c(0), c(1)), c(-1e4)), x.select(condition, c(0), c(-1e4)));
  // The inner decision is taken already where the outer one holds.
  EXPECT_EQ(x.select(condition, x.select(condition, c(1), c(2)), c(3)), x.select(condition, c(1), c(3)));
}

TEST_F(Symbolic, NotANumberIsAnUnknown) {
  Expr nan = x.sub(c(INFINITY), c(INFINITY));
  EXPECT_FALSE(nan->poly.constant().has_value());
  EXPECT_FALSE(x.add(nan, c(1))->poly.constant().has_value());
}

TEST_F(Symbolic, RangesOfIndices) {
  EXPECT_TRUE(facts.proveNonNegative(q->poly));
  EXPECT_TRUE(facts.proveLe(x.add(q, past)->poly, (total->poly - Poly(1))));
  EXPECT_FALSE(facts.proveLe(k->poly, q->poly));
}

// A flattened position b*total + k splits into b and k.
TEST_F(Symbolic, DivisionKnowsItsRemainder) {
  Poly flat = b->poly * total->poly + k->poly;
  auto [floor, rest] = facts.divideFloor(flat, total->poly);
  EXPECT_EQ(floor, b);
  EXPECT_EQ(rest, k);
  Expr h = x.index("h", Poly(8));
  EXPECT_TRUE(facts.proveLe(facts.divideFloor(h->poly, Poly(4)).first->poly, Poly(1)));
  EXPECT_EQ(facts.divideFloor(h->poly, Poly(8)).first, c(0));
}

TEST_F(Symbolic, ValidityOverIntegers) {
  // past >= 0, so a key above past + q is above q.
  Expr above = x.compare(Cmp::kGt, k, x.add(past, q));
  EXPECT_TRUE(facts.valid(x.orOf(x.notOf(above), x.compare(Cmp::kGt, k, q))));
  EXPECT_FALSE(facts.valid(x.orOf(x.notOf(x.compare(Cmp::kGt, k, q)), above)));
  // 2k = 2q + 1 has no integer solution.
  EXPECT_TRUE(facts.valid(x.compare(Cmp::kNe, x.add(k, k), x.add(x.add(q, q), c(1)))));
}

TEST_F(Symbolic, AssumptionsCount) {
  Expr n = x.symbol("n");
  EXPECT_FALSE(facts.proveEqual(n->poly, total->poly));
  facts.assumeNotPositive(n->poly - total->poly);
  facts.assumeNotPositive(total->poly - n->poly);
  EXPECT_TRUE(facts.proveEqual(n->poly, total->poly));
}

}  // namespace
}  // namespace mlir::sluice::raise
