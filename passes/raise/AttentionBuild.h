// Operands of nn.attention from what a match found: queries, keys and values as [b, h, s, d] before they were repeated
// or flattened, masks as [b, t], biases as small as they are.
#ifndef SLUICE_PASSES_RAISE_ATTENTIONBUILD_H_
#define SLUICE_PASSES_RAISE_ATTENTIONBUILD_H_

#include "mlir/IR/PatternMatch.h"
#include "passes/raise/AttentionMatch.h"

namespace mlir::sluice::raise {

class AttentionBuilder {
 public:
  AttentionBuilder(ElementExpr& elements, const ScoreFrame& frame, OpBuilder& builder, Location loc)
      : elements_(elements), x_(elements.context()), frame_(frame), builder_(builder), loc_(loc) {}

  // [batch, heads or fewer, rows, columns]: the deepest value on the way up from `operand` that holds element
  // (b, h / r, row, column); `factor` is what its elements are multiplied with.  Made with a transpose and a reshape
  // when there is none.  Null when the operand is something else.
  struct Heads {
    Value value;
    double factor = 1;
  };
  Heads heads(Value operand, const Indices& at, Expr row, const Poly& rows, Expr column, const Poly& columns,
              bool scales, bool repeated);

  // What the terms add to visible scores (those with adds[i]) or, when the mask was not proven, all they add.
  struct Added {
    Value bias;           // [b|1, h|1, s|1, t], null: nothing
    Value slopes;         // [h], null: none.  slopes[h] · (key position) of ALiBi, up to what no key changes
    bool failed = false;  // it cannot be built
  };
  Added added(ArrayRef<MaskTerm> terms, const MaskMeaning& meaning);

  // [batch, keys] i1: all tests hold.  Null when a test's value cannot be brought to that shape.
  Value keyMask(ArrayRef<KeyTest> tests);

  // Text sizes of this polynomial for nn ops; nothing when it has atoms that are no symbols.
  std::optional<nn::SizeExpr> sizeOf(const Poly& p);

 private:
  std::optional<SmallVector<int64_t>> placesOf(const TraceEntry& entry, ArrayRef<std::pair<Expr, Poly>> axes,
                                               bool repeated);
  Value fourDimensional(Value operand, const Indices& at, ArrayRef<std::pair<Expr, Poly>> axes);
  // The value's elements at the frame's positions as [b|1, h|1, s|1, t]; null when they are no such tensor.
  Value aligned(Value value, const Indices& at);
  // The same as [b, t].
  Value alignedKeys(Value value, const Indices& at);
  Value cut(Value value, ArrayRef<int64_t> from, ArrayRef<std::pair<Expr, Poly>> axes);
  // A dimension that the graph reads up to `needed` is that long: otherwise its own gather were out of range.
  bool atLeast(const Poly& extent, const Poly& needed);
  Value reshape(Value value, ArrayRef<nn::SizeExpr> sizes);
  Value transpose(Value value, ArrayRef<int64_t> permutation);
  Value broadcast(Value value, ArrayRef<nn::SizeExpr> sizes);
  Value splat(double number, ArrayRef<nn::SizeExpr> sizes, Type element);
  Value addAligned(Value a, Value b);
  // A tensor added to visible scores: element `at` of `value`, times `factor`.
  struct Part {
    Value value;
    Indices at;
    double factor = 1;
    const MaskTerm* fill = nullptr;  // of a term that replaces scores
  };
  bool collect(const Part& part, std::optional<unsigned> binary, SmallVectorImpl<Part>& parts);
  Value slopesOf(const Part& part);
  Value materialize(const Part& part);

  ElementExpr& elements_;
  ExprContext& x_;
  const ScoreFrame& frame_;
  OpBuilder& builder_;
  Location loc_;
};

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_ATTENTIONBUILD_H_
