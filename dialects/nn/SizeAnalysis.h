// Which expression each `?` of a function is, recomputed from the text.
//
//   SizeAnalysis sizes(func);
//   sizes.of(value)      // {batch, past + seq, 64}
//
// Sources, in order: the type's static sizes; `nn.dims` of arguments; inferSizes of nn ops; inits of destination-style
// ops; `nn.size` operands of upstream tensor ops. Element-wise ops have their operands' sizes. Lazy and memoised;
// values made after the analysis may be asked for too.
// NOTE: values are known by address: a pass that asks must not erase tensor ops before it is done (leave them dead).
#ifndef SLUICE_DIALECTS_NN_SIZEANALYSIS_H_
#define SLUICE_DIALECTS_NN_SIZEANALYSIS_H_

#include "dialects/common/LoopSpec.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/Value.h"

namespace mlir::nn {

class SizeAnalysis {
 public:
  // Sizes of a ranked tensor.  A dynamic dimension nothing determines becomes the symbol "unknown.N" (N counts), so
  // that callers need no error path; VerifyImport refuses graphs that have one.
  Sizes of(Value tensor);
  SizeExpr of(Value tensor, unsigned dim) { return of(tensor)[dim]; }
  // The expression of an index value or attribute (nn.size, arith.constant, tensor.dim, affine-free arithmetic).
  FailureOr<SizeExpr> index(OpFoldResult value);
  // The number of elements.
  SizeExpr elements(Value tensor);

 private:
  Sizes compute(Value tensor);
  llvm::DenseMap<Value, Sizes> memo_;
  int unknowns_ = 0;
};

// "nn.dims"-style attribute from sizes: ["batch", "4"].
ArrayAttr sizesAttr(MLIRContext* context, ArrayRef<SizeExpr> sizes);
// Sizes from such an attribute (its texts are known to parse).
Sizes sizesFromAttr(ArrayAttr attr);
// A tensor type with these sizes: constants static, the rest `?`.
RankedTensorType typeOf(ArrayRef<SizeExpr> sizes, Type element);

// nn.size (or an index attribute for a constant): what upstream ops take as dynamic sizes.
OpFoldResult sizeValue(OpBuilder& builder, Location loc, const SizeExpr& size);
// A tensor.empty of these sizes.
Value emptyTensor(OpBuilder& builder, Location loc, ArrayRef<SizeExpr> sizes, Type element);

}  // namespace mlir::nn

#endif  // SLUICE_DIALECTS_NN_SIZEANALYSIS_H_
