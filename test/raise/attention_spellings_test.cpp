// Spellings of attention that exporters write, each with the attention it means.
#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/raise/graph.h"

namespace mlir::sluice::raise {
namespace {

using P = arith::CmpIPredicate;
constexpr double kLeast = std::numeric_limits<float>::lowest();

// key <= past + query as [seq, t], and mask != 0 as [batch, 1, 1, t].
Value causal(Graph& g) {
  Value position = g.add(g.iota("seq"), g.size("past"));
  return g.compare(P::sle, g.iota(g.total), g.reshape(position, {"seq", "1"}));
}
Value padding(Graph& g) {
  return g.compare(P::ne, g.reshape(g.mask, {"batch", "1", "1", g.total}), g.constant(int64_t{0}));
}
Value masked(Graph& g, Value visible, double least) { return g.select(visible, g.constant(0.0), g.constant(least)); }

void expectOperands(nn::AttentionOp op, const Graph& g, double scale = 0.25) {
  EXPECT_EQ(op.getQ(), g.q);
  EXPECT_EQ(op.getK(), g.k);
  EXPECT_EQ(op.getV(), g.v);
  EXPECT_NEAR(op.getScale().convertToDouble(), scale, 1e-9);
}
void expectCausalPadded(nn::AttentionOp op, const Graph& g) {
  expectOperands(op, g);
  EXPECT_TRUE(op.getPattern().getCausal());
  EXPECT_TRUE(op.getKeyMask());
  EXPECT_FALSE(op.getBias());
}

// q and k each by the root of the scale, the key transposed as [b*h, t, d], NaN rows set to zero.
TEST(AttentionSpellings, RootScalesAndGuard) {
  Graph g;
  Value k = g.reshape(g.repeat(g.k), {"batch * 4", "past + seq", "16"});
  k = g.reshape(g.transpose(k, {0, 2, 1}), {"batch", "4", "16", "past + seq"});
  Value scores = g.matmul(g.mul(g.q, g.constant(0.5)), g.mul(g.constant(0.5), k));
  Value mask = masked(g, g.logicalAnd(causal(g), padding(g)), -INFINITY);
  Value weights = g.softmax(g.add(scores, mask));
  Value nan = math::IsNaNOp::create(g.builder(), g.func().getLoc(), weights);
  weights = g.select(nan, g.constant(0.0), weights);
  func::ReturnOp::create(g.builder(), g.func().getLoc(), g.matmul(weights, g.repeat(g.v)));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
  EXPECT_EQ(op.getEmptyRows(), nn::EmptyRows::Zero);
}

// A division; the least number of the type: rows without keys are the mean of all values.
TEST(AttentionSpellings, DivisionAndFiniteMask) {
  Graph g;
  Value scores = g.binary<arith::DivFOp>(g.matmul(g.q, g.transpose(g.repeat(g.k), {0, 1, 3, 2})), g.constant(4.0));
  g.finish(g.add(masked(g, g.logicalAnd(padding(g), causal(g)), kLeast), scores));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
  EXPECT_EQ(op.getEmptyRows(), nn::EmptyRows::Uniform);
}

// A number that leaves the score its say: rows without keys go by scores; two added up, by those of the keys that only
// one of them removes.
TEST(AttentionSpellings, WeakMasks) {
  Graph g;
  g.attend(masked(g, g.logicalAnd(padding(g), causal(g)), -65504));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
  EXPECT_EQ(op.getEmptyRows(), nn::EmptyRows::Scores);
  Graph two;
  two.attend(two.add(masked(two, padding(two), -65504), masked(two, causal(two), -65504)));
  op = two.raise();
  ASSERT_TRUE(op) << two.text();
  expectCausalPadded(op, two);
  EXPECT_EQ(op.getEmptyRows(), nn::EmptyRows::Either);
}

// tanh(s · 0.25 / 5) · 5, then the mask.
TEST(AttentionSpellings, Softcap) {
  Graph g;
  Value capped = g.binary<arith::DivFOp>(g.scores(), g.constant(5.0));
  capped = math::TanhOp::create(g.builder(), g.func().getLoc(), capped);
  capped = g.mul(capped, g.constant(5.0));
  g.finish(g.add(capped, masked(g, g.logicalAnd(causal(g), padding(g)), kLeast)));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
  EXPECT_NEAR(op.getSoftcap().convertToDouble(), 5, 1e-9);
}

// Everything as [batch * heads, ..]: the heads are found behind the queries' reshape.
TEST(AttentionSpellings, MergedBatchAndHeads) {
  Graph g;
  Value q = g.mul(g.reshape(g.q, {"batch * 4", "seq", "16"}), g.constant(0.25));
  Value k = g.reshape(g.repeat(g.k), {"batch * 4", "past + seq", "16"});
  Value v = g.reshape(g.repeat(g.v), {"batch * 4", "past + seq", "16"});
  Value scores = g.reshape(g.matmul(q, g.transpose(k, {0, 2, 1})), {"batch", "4", "seq", "past + seq"});
  scores = g.add(scores, masked(g, g.logicalAnd(causal(g), padding(g)), -1e4));
  Value weights = g.softmax(g.reshape(scores, {"batch * 4", "seq", "past + seq"}));
  Value out = g.reshape(g.matmul(weights, v), {"batch", "4", "seq", "16"});
  func::ReturnOp::create(g.builder(), g.func().getLoc(), out);
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
}

// Positions counted along the padding, times a slope a head, added as [batch * heads, 1, t] inside the product.
TEST(AttentionSpellings, AlibiOfCountedKeysStaysARowBias) {
  Graph g;
  Value counted = nn::CumsumOp::create(g.builder(), g.func().getLoc(), g.mask.getType(), g.mask, 1);
  counted = g.mul(g.sub(counted, g.constant(int64_t{1})), g.mask);
  Value slopes =
      arith::ConstantOp::create(g.builder(), g.func().getLoc(),
                                DenseElementsAttr::get(RankedTensorType::get({4, 1}, g.builder().getF32Type()),
                                                       ArrayRef<float>{0.25F, 0.0625F, 0.015625F, 0.00390625F}));
  Value alibi = g.mul(slopes, g.toFloat(g.reshape(counted, {"batch", "1", g.total})));
  alibi = g.reshape(alibi, {"batch * 4", "1", g.total});
  Value q = g.reshape(g.q, {"batch * 4", "seq", "16"});
  Value k = g.transpose(g.reshape(g.repeat(g.k), {"batch * 4", "past + seq", "16"}), {0, 2, 1});
  Value scores = g.add(g.mul(g.matmul(q, k), g.constant(0.25)), alibi);
  scores = g.reshape(scores, {"batch", "4", "seq", "past + seq"});
  scores = g.add(scores, masked(g, g.logicalAnd(causal(g), padding(g)), kLeast));
  Value weights = g.reshape(g.softmax(scores), {"batch * 4", "seq", "past + seq"});
  Value out = g.matmul(weights, g.reshape(g.repeat(g.v), {"batch * 4", "past + seq", "16"}));
  func::ReturnOp::create(g.builder(), g.func().getLoc(), g.reshape(out, {"batch", "4", "seq", "16"}));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectOperands(op, g);
  EXPECT_TRUE(op.getPattern().getCausal());
  EXPECT_TRUE(op.getKeyMask());
  ASSERT_TRUE(op.getBias());
  EXPECT_EQ(g.sizesOf(op.getBias()), Graph::parse({"batch", "4", "1", g.total}));
}

// Slopes times the distance from the last key: the op's own form.
TEST(AttentionSpellings, AlibiByDistanceGivesSlopes) {
  Graph g;
  Value slopes =
      arith::ConstantOp::create(g.builder(), g.func().getLoc(),
                                DenseElementsAttr::get(RankedTensorType::get({1, 4, 1, 1}, g.builder().getF32Type()),
                                                       ArrayRef<float>{0.25F, 0.0625F, 0.015625F, 0.00390625F}));
  Value distance = g.add(g.iota("past + seq"), g.sub(g.constant(int64_t{1}), g.size(g.total)));
  Value alibi = g.mul(g.toFloat(g.reshape(distance, {"1", "1", "1", "past + seq"})), slopes);
  Value scores = g.add(g.scores(), alibi);
  g.finish(g.add(scores, masked(g, g.logicalAnd(causal(g), padding(g)), -INFINITY)));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
  ASSERT_TRUE(op.getSlopes());
  EXPECT_EQ(g.sizesOf(op.getSlopes()), Graph::parse({"4"}));
}

// (1 - mask) · least means padding for masks of zeros and ones; the position bias beside it stays.
TEST(AttentionSpellings, PositionBiasBesidePadding) {
  Graph g;
  Value inverted = g.sub(g.constant(1.0), g.toFloat(g.reshape(g.mask, {"batch", "1", "1", g.total})));
  Value distance = g.sub(g.reshape(g.iota("past + seq"), {"1", "past + seq"}), g.reshape(g.iota("seq"), {"seq", "1"}));
  Value bias = math::LogOp::create(g.builder(), g.func().getLoc(), g.toFloat(distance));
  g.attend(g.add(bias, g.mul(inverted, g.constant(kLeast))));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectOperands(op, g);
  EXPECT_FALSE(op.getPattern().getCausal());
  EXPECT_TRUE(op.getKeyMask());
  ASSERT_TRUE(op.getBias());
  EXPECT_EQ(g.sizesOf(op.getBias()), Graph::parse({"1", "1", "seq", "past + seq"}));
}

// A bias in one arm of the decision that masks.
TEST(AttentionSpellings, BiasInsideTheMask) {
  Graph g;
  Value row = g.toFloat(g.reshape(g.iota("past + seq"), {"1", "1", "1", "past + seq"}));
  row = math::LogOp::create(g.builder(), g.func().getLoc(), row);
  Value hidden =
      g.compare(arith::CmpFPredicate::OLT, masked(g, g.logicalAnd(causal(g), padding(g)), kLeast), g.constant(-1.0));
  g.attend(g.select(hidden, g.constant(kLeast), row));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  EXPECT_TRUE(op.getPattern().getCausal());
  EXPECT_TRUE(op.getKeyMask());
  ASSERT_TRUE(op.getBias());
  EXPECT_EQ(g.sizesOf(op.getBias()), Graph::parse({"1", "1", "1", "past + seq"}));
}

// The upper triangle times the causal test, padding found by adding and comparing with zero, scattered over the mask.
TEST(AttentionSpellings, TriangleAndScatter) {
  Graph g;
  nn::Sizes full = Graph::parse({"batch", "1", "seq", g.total});
  Value above =
      g.compare(P::sge, g.sub(g.iota(g.total), g.reshape(g.iota("seq"), {"seq", "1"})), g.constant(int64_t{1}));
  Value triangle = g.select(above, g.constant(kLeast), g.constant(0.0));
  Value base = g.mul(triangle, g.toFloat(g.logicalNot(causal(g))));
  base = g.broadcast(g.reshape(base, {"1", "1", "seq", g.total}), full);
  Value sum = g.add(base, g.toFloat(g.reshape(g.mask, {"batch", "1", "1", g.total})));
  Value update = g.select(g.compare(arith::CmpFPredicate::OEQ, sum, g.constant(0.0)), g.constant(kLeast), base);
  SmallVector<Value> tuple;
  Texts extents = {"batch", "1", "seq", g.total};
  for (size_t d = 0; d < 4; ++d) {
    Texts shape(4 - d, "1");
    shape[0] = extents[d];
    Value position = g.broadcast(g.reshape(g.iota(extents[d]), shape), full);
    tuple.push_back(g.reshape(position, {"batch", "1", "seq", g.total, "1"}));
  }
  g.attend(g.scatterNd(base, g.concat(tuple, 4), update));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
  EXPECT_EQ(op.getEmptyRows(), nn::EmptyRows::Uniform);
}

// The attention op of newer graphs: repeated heads and a boolean mask.
TEST(AttentionSpellings, GivenAttentionWithBooleanMask) {
  Graph g;
  Value visible = g.broadcast(g.logicalAnd(causal(g), padding(g)), Graph::parse({"batch", "1", "seq", g.total}));
  Value out = nn::AttentionOp::create(g.builder(), g.func().getLoc(), g.q.getType(), g.q, g.repeat(g.k), g.repeat(g.v),
                                      visible, Value(), Value(), Value(), nn::PatternAttr::get(&g.context(), false, 0),
                                      APFloat(0.25), APFloat(0.0), nn::EmptyRows::Zero);
  func::ReturnOp::create(g.builder(), g.func().getLoc(), out);
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectCausalPadded(op, g);
}

// A causal mask [seq, seq] that is spread over past + seq keys: right when there is no past or one query.
TEST(AttentionSpellings, MaskOfTheNewKeysOnly) {
  for (bool assumed : {true, false}) {
    Graph g("i64", /*namedTotal=*/false);
    Value square = g.compare(P::sle, g.iota("seq"), g.reshape(g.iota("seq"), {"seq", "1"}));
    Value key = g.binary<arith::MinSIOp>(g.iota("past + seq"), g.sub(g.size("seq"), g.constant(int64_t{1})));
    if (assumed) {
      g.func()->setAttr(nn::kAssumeAttr, g.builder().getStrArrayAttr({"past * seq == past"}));
    }
    g.attend(masked(g, g.logicalAnd(g.gather(square, key, 1), padding(g)), kLeast));
    nn::AttentionOp op = g.raise();
    ASSERT_TRUE(op) << g.text();
    EXPECT_EQ(op.getPattern().getCausal(), assumed);
    EXPECT_EQ(static_cast<bool>(op.getBias()), !assumed);
  }
}

// Padding as a boolean input that is true for keys to leave out.
TEST(AttentionSpellings, InvertedBooleanPadding) {
  Graph g("i1");
  Value mask = g.reshape(g.mask, {"batch", "1", "1", g.total});
  g.finish(g.select(mask, g.constant(-INFINITY), g.scores()));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectOperands(op, g);
  ASSERT_TRUE(op.getKeyMask());
  EXPECT_TRUE(op.getKeyMask().getDefiningOp<arith::XOrIOp>());
  EXPECT_FALSE(op.getPattern().getCausal());
}

// A float input as padding: itself times -10000 for zeros and ones.
TEST(AttentionSpellings, FloatPadding) {
  Graph g("f32");
  Value mask = g.reshape(g.mask, {"batch", "1", "1", g.total});
  g.attend(g.mul(g.sub(g.constant(1.0), mask), g.constant(-10000.0)));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectOperands(op, g);
  EXPECT_TRUE(op.getKeyMask());
  EXPECT_FALSE(op.getBias());
}

TEST(AttentionSpellings, NoMask) {
  Graph g;
  g.finish(g.scores());
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  expectOperands(op, g);
  EXPECT_FALSE(op.getBias() || op.getKeyMask());
  EXPECT_EQ(op.getPattern(), nn::PatternAttr::get(&g.context(), false, 0));
}

// Keys on both sides of the query: no pattern of the op, an explicit bias.
TEST(AttentionSpellings, SymmetricWindowStaysABias) {
  Graph g;
  Value distance = g.sub(g.iota("past + seq"), g.reshape(g.add(g.iota("seq"), g.size("past")), {"seq", "1"}));
  distance = math::AbsIOp::create(g.builder(), g.func().getLoc(), distance);
  g.attend(masked(g, g.compare(P::slt, distance, g.constant(int64_t{3})), -INFINITY));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  ASSERT_TRUE(op.getBias());
  EXPECT_EQ(g.sizesOf(op.getBias()), Graph::parse({"1", "1", "seq", "past + seq"}));
  EXPECT_EQ(op.getPattern(), nn::PatternAttr::get(&g.context(), false, 0));
}

// Causal by positions that an input gives: true for the usual ones only, so it stays a bias.
TEST(AttentionSpellings, PositionsFromAnInputStayABias) {
  Graph g;
  Value positions = g.slice(g.mask, 1, "past", "seq");
  Value visible = g.compare(P::sle, g.iota("past + seq"), g.reshape(positions, {"batch", "1", "seq", "1"}));
  g.attend(masked(g, visible, -INFINITY));
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << g.text();
  ASSERT_TRUE(op.getBias());
  EXPECT_EQ(g.sizesOf(op.getBias()), Graph::parse({"batch", "1", "seq", "past + seq"}));
  EXPECT_FALSE(op.getPattern().getCausal());
}

// A softmax over queries is no attention.
TEST(AttentionSpellings, SoftmaxOverQueries) {
  Graph g;
  Value scores = g.scores();
  Value weights = nn::SoftmaxOp::create(g.builder(), g.func().getLoc(), scores.getType(), scores, 2);
  func::ReturnOp::create(g.builder(), g.func().getLoc(), g.matmul(weights, g.repeat(g.v)));
  EXPECT_FALSE(g.raise());
}

}  // namespace
}  // namespace mlir::sluice::raise
