// An element of a tensor as a symbolic expression: walks from a value through views, element-wise maths, gathers and
// scatters to constants, iotas, sizes and elements of graph inputs.
//
//   ElementExpr elements(func, sizes, context, facts);
//   elements.element(mask, {b, zero, q, k})       // and(le(k - q - past), element(attention_mask)(b, k))
//   elements.throughView(transposed, {b, h, d, t})  // the value before the view, and {b, h, t, d}
//
// What it does not understand becomes an unknown: "element (b, k) of this value".
#ifndef SLUICE_PASSES_RAISE_ELEMENTEXPR_H_
#define SLUICE_PASSES_RAISE_ELEMENTEXPR_H_

#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "passes/raise/SymbolicFacts.h"

namespace mlir::sluice::raise {

using Indices = std::vector<Expr>;

class ElementExpr {
 public:
  // Reads the entry assumptions of `func` into `facts`.
  ElementExpr(FunctionOpInterface func, nn::SizeAnalysis& sizes, ExprContext& context, Facts& facts);

  // The element of `value` at `indices` (one a dimension, numbers in range).
  Expr element(Value value, Indices indices);
  // Where a view (reshape, transpose, broadcast, slice, or a gather that only selects) finds that element; nothing for
  // other values.
  std::optional<std::pair<Value, Indices>> throughView(Value value, const Indices& indices);
  // A size over the symbols that the entry assumptions leave.
  Poly size(const nn::SizeExpr& expr);
  Poly size(Value value, unsigned dim) { return size(sizes_.of(value)[dim]); }
  Poly elements(Value value) { return size(sizes_.elements(value)); }
  // An index variable over dimension `dim` of `value`.
  Expr index(const std::string& name, const Poly& extent) { return context_.index(name, extent); }

  // Makes `a >= b` an entry assumption; false in a sub-program, which may never be called.
  bool assumeAtLeast(const nn::SizeExpr& a, const nn::SizeExpr& b);

  ExprContext& context() { return context_; }
  Facts& facts() { return facts_; }
  nn::SizeAnalysis& sizes() { return sizes_; }

 private:
  Expr compute(Value value, const Indices& indices);
  Expr unknown(Value value, const Indices& indices);
  std::optional<Poly> positions(Value value, const Indices& indices);
  std::optional<Expr> elementwise(Operation* op, const Indices& indices);
  std::optional<Expr> arithmetic(Operation* op, ArrayRef<Expr> operands);
  std::optional<Expr> conversion(Operation* op, Expr x);
  std::optional<Expr> logic(Operation* op, ArrayRef<Expr> operands);
  std::optional<Expr> constant(DenseElementsAttr data, const Indices& indices);
  std::optional<Expr> concat(tensor::ConcatOp op, const Indices& indices);
  std::optional<Expr> scatter(nn::ScatterNdOp op, const Indices& indices);
  std::optional<std::pair<Value, Indices>> gathered(Operation* op, const Indices& indices);
  std::optional<Indices> reshaped(nn::ReshapeOp op, const Indices& indices);
  // An index of a gather, read for element `result`: negative ones count from the end.  Nothing when its sign is not
  // known.
  std::optional<Expr> gatherIndex(Value indices, const Indices& at, const Poly& extent, const Indices& result);
  Expr rounded(Expr x, Type type);
  void assume(StringRef text);

  FunctionOpInterface func_;
  nn::SizeAnalysis& sizes_;
  ExprContext& context_;
  Facts& facts_;
  std::map<std::string, Poly> replaced_;  // symbol -> what an assumption says it is
  std::map<std::pair<void*, Indices>, Expr> memo_;
};

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_ELEMENTEXPR_H_
