// What a mask means: which keys a query sees, as causal, window and padding, proven from the mask's elements.
//
//   bias(b, h, q, k) = select(k <= past + q and attention_mask(b, k) != 0, 0, -3.4e38)
//     -> causal, key test "attention_mask(b, k) != 0", nothing left to add, finite
//
// Classification of added constants: one at or below kMaskedBelow removes a key (exp underflows beside any visible
// score), whatever its spelling: -inf, the least finite number of a type, -10000.  The difference shows in rows that
// see no key only: -inf gives NaN or, with the usual guard, zero; a finite constant gives some mean of the values: the
// plain one (EmptyRows::Uniform) when it swallows the score it is added to, else the one by scores, over all keys or,
// when two masks add up, over those that only one of them removes (EmptyRows::Either).
#ifndef SLUICE_PASSES_RAISE_MASKANALYSIS_H_
#define SLUICE_PASSES_RAISE_MASKANALYSIS_H_

#include "passes/raise/ElementExpr.h"

namespace mlir::sluice::raise {

inline constexpr double kMaskedBelow = -9000;  // -10000 in bf16 is -9984

// The position of a score: batch, head, query, key, and how many there are of each.
struct ScoreFrame {
  Expr b, h, q, k;
  Poly batch, heads, queries, keys;
};

// One operand of the scores' sum, seen at the frame's position.
struct MaskTerm {
  enum Kind {
    kAdd,  // a number, times `factor`, that is added
    kFill  // a boolean: `when` replaces the score by `fill`
  };
  Kind kind;
  Value value;
  Indices at;
  double factor = 1;
  bool when = true;
  double fill = 0;
  Type sum = {};  // kAdd: the element type of the sum; the value's own by default
};

// A test of key (b, k) that padding is made of: `value[at] cmp rhs`, or the boolean itself.
struct KeyTest {
  Value value;
  Indices at;
  Cmp cmp = Cmp::kNe;
  double rhs = 0;
  Expr holds;  // the test as an expression
};

struct MaskMeaning {
  bool proven = false;
  bool causal = false;
  int64_t window = 0;            // 0: none
  SmallVector<KeyTest, 2> keys;  // all must hold
  nn::EmptyRows emptyRows = nn::EmptyRows::Zero;
  std::optional<unsigned> binary;  // proven when this atom, an element of a padding input, is 0 or 1
  SmallVector<bool> adds;          // per term: adds something to visible scores
  SmallVector<bool> removes;       // per term: removes keys
  std::string why;                 // what was not proven
};

// The meaning of the terms' sum.  Pure: the same terms give the same answer.
MaskMeaning analyzeMask(ElementExpr& elements, const ScoreFrame& frame, ArrayRef<MaskTerm> terms);

// An added value: where it removes a key, and what it adds elsewhere.
struct MaskSplit {
  Expr masked;     // boolean
  Expr value;      // number, meaningful where not masked
  double weakest;  // the largest masking constant; -inf when there is none
  Expr stronger;   // boolean: masked by a much smaller one, as the sum of two is
  bool addsNothing() const { return value->kind == Node::kNumber && value->poly.constant() == 0; }
};
// With `binary`, that atom takes the values 0 and 1 only.  The value is 0 when it is proven to be where not masked.
MaskSplit splitMask(ElementExpr& elements, Expr added, std::optional<unsigned> binary = std::nullopt);

// The first of `samples` seeded positions (random sizes, padding and positions) at which two booleans differ, as text;
// empty when they agree on all.  May only reject: agreement is no proof.
std::string findDifference(ElementExpr& elements, const ScoreFrame& frame, Expr a, Expr b, int samples);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_MASKANALYSIS_H_
