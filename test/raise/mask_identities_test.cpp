// Masks rewritten by random algebraic identities raise to the same attention.
#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "test/raise/graph.h"

namespace mlir::sluice::raise {
namespace {

using P = arith::CmpIPredicate;

struct Spec {
  bool causal = true;
  int64_t window = 0;
  bool padding = true;
  int64_t shift = 0;  // the query seems to sit this much later: not causal unless 0
};

// Builds the mask of a spec, choosing among equal spellings at every step.
class RandomMask {
 public:
  RandomMask(Graph& g, unsigned seed) : g_(g), random_(seed) {}

  // Adds the mask to the graph's scores and finishes it.
  void attend(const Spec& spec) {
    std::vector<Value> tests;
    if (spec.causal) {
      tests.push_back(atMost(key(), query(spec.shift)));
    }
    if (spec.window > 0) {
      // query - key < window
      tests.push_back(below(g_.sub(query(0), key()), g_.constant(spec.window)));
    }
    if (spec.padding) {
      tests.push_back(padding());
    }
    std::shuffle(tests.begin(), tests.end(), random_);
    Value scores = g_.scores();
    switch (pick(3)) {
      case 0:  // one mask
        scores = g_.add(scores, additive(all(tests)));
        break;
      case 1:  // a mask a test
        for (Value test : tests) {
          scores = pick(2) ? g_.add(scores, additive(test)) : g_.add(additive(test), scores);
        }
        break;
      case 2:  // filled
        scores = pick(2) ? g_.select(spread(all(tests)), scores, least())
                         : g_.select(spread(negated(all(tests))), least(), scores);
        break;
    }
    g_.finish(scores);
  }

 private:
  unsigned pick(unsigned n) { return random_() % n; }
  Value least() {
    const double values[] = {-INFINITY, std::numeric_limits<float>::lowest(), -10000.0, -1e9};
    return g_.constant(values[pick(4)]);
  }

  // Positions as [seq, 1], by ranges that begin elsewhere.
  Value query(int64_t shift) {
    Value p;
    switch (pick(5)) {
      case 0:
        p = g_.add(g_.iota("seq"), g_.size("past"));
        break;
      case 1:
        p = g_.slice(g_.iota("past + seq"), 0, "past", "seq");
        break;
      case 2:
        p = g_.add(g_.sub(g_.size(g_.total), g_.size("seq")), g_.iota("seq"));
        break;
      case 3:
        p = g_.sub(g_.add(g_.size("past + 7"), g_.iota("seq")), g_.constant(int64_t{7}));
        break;
      case 4:  // gathered from a longer range
        p = g_.gather(g_.iota("2 * past + 2 * seq"), g_.add(g_.iota("seq"), g_.size("past")), 0);
        break;
    }
    p = shift ? g_.add(p, g_.constant(shift)) : p;
    return g_.reshape(p, {"seq", "1"});
  }
  // [t] or [1, t].
  Value key() {
    Value t;
    switch (pick(4)) {
      case 0:
        t = g_.iota(g_.total);
        break;
      case 1:
        t = g_.concat({g_.iota("past"), g_.add(g_.iota("seq"), g_.size("past"))}, 0);
        break;
      case 2:
        t = g_.slice(g_.sub(g_.iota("past + seq + 3"), g_.constant(int64_t{3})), 0, "3", "past + seq");
        break;
      case 3:
        t = g_.toInt(g_.toFloat(g_.iota("past + seq")));
        break;
    }
    return pick(2) ? t : g_.reshape(t, {"1", g_.total});
  }

  Value negated(Value test) {
    switch (pick(3)) {
      case 0:
        return g_.logicalNot(test);
      case 1:
        return g_.select(test, g_.constant(false), g_.constant(true));
      default:
        return g_.compare(P::eq, g_.toInt(test), g_.constant(int64_t{0}));
    }
  }

  // a <= b
  Value atMost(Value a, Value b) {
    Value one = g_.constant(int64_t{1});
    switch (pick(9)) {
      case 0:
        return g_.compare(P::sle, a, b);
      case 1:
        return g_.compare(P::slt, a, g_.add(b, one));
      case 2:
        return g_.compare(P::sge, b, a);
      case 3:
        return negated(g_.compare(P::sgt, a, b));
      case 4:
        return g_.compare(P::sge, g_.sub(b, a), g_.constant(int64_t{0}));
      case 5:
        return g_.compare(P::eq, g_.binary<arith::MinSIOp>(a, b), a);
      case 6:
        return g_.compare(P::slt, g_.add(a, a), g_.add(g_.add(b, b), one));
      case 7:
        return g_.compare(arith::CmpFPredicate::OLE, g_.toFloat(a), g_.toFloat(b));
      default:
        return negated(g_.compare(P::sge, g_.sub(a, one), b));
    }
  }
  Value below(Value a, Value b) { return atMost(a, g_.sub(b, g_.constant(int64_t{1}))); }

  // mask[b, t] != 0 as [batch, 1, 1, t].
  Value padding() {
    Value mask = g_.mask;
    Value rows = g_.reshape(g_.iota("batch"), {"batch", "1"});
    Value columns = g_.reshape(g_.iota(g_.total), {"1", g_.total});
    nn::Sizes both = g_.sizesOf(g_.mask), tuples = both;
    tuples.push_back(nn::SizeExpr(1));
    switch (pick(5)) {
      case 0:
        break;
      case 1:  // index tuples
        mask = g_.gatherNd(mask, pairs(rows, columns, both));
        break;
      case 2: {  // the flattened mask at b * total + t
        Value index = g_.add(g_.mul(rows, g_.size(g_.total)), columns);
        mask = g_.gather(g_.reshape(mask, {"batch * (" + g_.total + ")"}), index, 0);
        break;
      }
      case 3:  // transposed and back
        mask = g_.gather(g_.transpose(mask, {1, 0}), g_.iota(g_.total), 0);
        mask = g_.transpose(mask, {1, 0});
        break;
      case 4:  // its own copy, scattered over it
        mask = g_.scatterNd(mask, pairs(rows, columns, both), mask);
        break;
    }
    Value zero = g_.constant(int64_t{0});
    mask = g_.reshape(mask, {"batch", "1", "1", g_.total});
    switch (pick(4)) {
      case 0:
        return g_.compare(P::ne, mask, zero);
      case 1:
        return negated(g_.compare(P::eq, mask, zero));
      case 2:
        return g_.compare(arith::CmpFPredicate::UNE, g_.toFloat(mask), g_.constant(0.0));
      default:
        return g_.logicalOr(g_.compare(P::sgt, mask, zero), g_.compare(P::slt, mask, zero));
    }
  }
  Value pairs(Value rows, Value columns, const nn::Sizes& both) {
    Value r = g_.reshape(g_.broadcast(rows, both), {"batch", g_.total, "1"});
    Value c = g_.reshape(g_.broadcast(columns, both), {"batch", g_.total, "1"});
    return g_.concat({r, c}, 2);
  }

  Value conjunction(Value a, Value b) {
    switch (pick(6)) {
      case 0:
        return g_.logicalAnd(a, b);
      case 1:  // De Morgan
        return negated(g_.logicalOr(negated(a), negated(b)));
      case 2:
        return g_.select(a, b, g_.constant(false));
      case 3:
        return g_.select(negated(a), g_.constant(false), b);
      case 4:
        return g_.compare(P::ne, g_.mul(g_.toInt(a), g_.toInt(b)), g_.constant(int64_t{0}));
      default:
        return g_.compare(P::sgt, g_.add(g_.toInt(b), g_.toInt(a)), g_.constant(int64_t{1}));
    }
  }
  Value all(const std::vector<Value>& tests) {
    Value result = tests[0];
    for (size_t i = 1; i < tests.size(); ++i) {
      result = pick(2) ? conjunction(result, tests[i]) : conjunction(tests[i], result);
    }
    return result;
  }

  // To the scores' sizes, in an order of broadcasts that is not the last dimension's.
  Value spread(Value test) {
    nn::Sizes to = Graph::parse({"batch", "4", "seq", g_.total});
    if (pick(2)) {
      return g_.broadcast(test, to);
    }
    nn::Sizes some = g_.sizesOf(test);
    while (some.size() < 4) {
      some.insert(some.begin(), nn::SizeExpr(1));
    }
    some[2] = to[2];
    Value wide = g_.transpose(g_.broadcast(test, some), {0, 2, 3, 1});
    return g_.broadcast(g_.transpose(wide, {0, 3, 1, 2}), to);
  }

  // 0 where the test holds, a large negative number elsewhere.
  Value additive(Value test) {
    Value zero = g_.constant(0.0);
    test = pick(2) ? spread(test) : test;
    switch (pick(4)) {
      case 0:
        return g_.select(test, zero, least());
      case 1:
        return g_.select(negated(test), least(), zero);
      case 2:
        return g_.mul(g_.sub(g_.constant(1.0), g_.toFloat(test)), g_.constant(-1e9));
      default: {
        Value inverted = g_.sub(g_.constant(1.0), g_.toFloat(test));
        return g_.select(g_.compare(arith::CmpFPredicate::UNE, inverted, zero), least(), inverted);
      }
    }
  }

  Graph& g_;
  std::mt19937 random_;
};

void expectRaise(const Spec& spec, unsigned seed, bool namedTotal) {
  Graph g("i64", namedTotal);
  RandomMask(g, seed).attend(spec);
  nn::AttentionOp op = g.raise();
  ASSERT_TRUE(op) << "seed " << seed << "\n" << g.text();
  EXPECT_EQ(op.getPattern().getCausal(), spec.causal) << "seed " << seed << "\n" << g.text();
  EXPECT_EQ(op.getPattern().getWindow(), spec.window) << "seed " << seed;
  EXPECT_EQ(static_cast<bool>(op.getKeyMask()), spec.padding) << "seed " << seed;
  EXPECT_FALSE(op.getBias()) << "seed " << seed << "\n" << g.text();
  EXPECT_EQ(op.getK(), g.k);
  EXPECT_EQ(op.getV(), g.v);
  EXPECT_NEAR(op.getScale().convertToDouble(), 0.25, 1e-12);
}

TEST(MaskIdentities, CausalWithPadding) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    expectRaise({}, seed, seed % 2);
  }
}

TEST(MaskIdentities, Causal) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    expectRaise({.padding = false}, seed, seed % 2);
  }
}

TEST(MaskIdentities, Window) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    expectRaise({.window = 1 + seed % 9, .padding = seed % 3 != 0}, seed, seed % 2);
  }
}

TEST(MaskIdentities, PaddingOnly) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    expectRaise({.causal = false}, seed, seed % 2);
  }
}

// One key further, or one less: no pattern, the mask stays a bias.
TEST(MaskIdentities, OffByOneStaysABias) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    Graph g("i64", seed % 2);
    RandomMask(g, seed).attend({.padding = seed % 3 == 0, .shift = seed % 2 ? 1 : -1});
    nn::AttentionOp op = g.raise();
    ASSERT_TRUE(op) << g.text();
    EXPECT_FALSE(op.getPattern().getCausal()) << "seed " << seed << "\n" << g.text();
    EXPECT_TRUE(op.getBias()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace mlir::sluice::raise
