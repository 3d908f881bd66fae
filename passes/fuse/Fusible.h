// Which ops a generated kernel can take in, and how.
#ifndef SLUICE_PASSES_FUSE_FUSIBLE_H_
#define SLUICE_PASSES_FUSE_FUSIBLE_H_

#include "dialects/nn/SizeAnalysis.h"
#include "dialects/nn/WeightExpr.h"
#include "mlir/IR/Operation.h"

namespace mlir::sluice::fuse {

enum class FuseKind {
  None,     // not part of generated kernels
  Compute,  // element-wise: one result, every operand of its shape
  Index,    // moves no element: broadcast, transpose, slice, reshape, bitcast; folded into how its source is read
  Leaf      // made from nothing: constants, iota, sizes, fills
};

// The kind of `op`.  A reshape is Index when each of its source's dimensions is a run of the result's.
FuseKind fuseKind(Operation* op, nn::SizeAnalysis& sizes);

// Compute that costs more than a load: evaluated once an element of its own shape, never once an element it is
// broadcast to.
bool isHeavy(Operation* op);

// Compute that costs less than a store and a load: repeated in each kernel that wants it.
bool isConversion(Operation* op);

// The elements that products of codes are made of: i8 and ui8.
bool isCode(Type element);
// What a zero point that is one known number everywhere is (0 for none); nothing for one that is not.
std::optional<int64_t> splatZero(Value zero);
// What a float that is one known number everywhere is.
std::optional<float> numberOf(Value value);

using nn::isWeightExpr;

// How a value is read from inside a loop nest: per dimension of the value, offset + Σ coef[i] · loop i.
struct LinearIndex {
  nn::SizeExpr offset;
  SmallVector<nn::SizeExpr> coef;
};
using Indices = SmallVector<LinearIndex>;

// The index of `op`'s source in a nest of `loops` loops, given the index of its result.  `op` is of kind Index.
Indices sourceIndices(Operation* op, const Indices& result, unsigned loops, nn::SizeAnalysis& sizes);

// The tensor an Index op reads.
Value indexSource(Operation* op);

// Signless integers for unsigned ones; what kernels compute on.
Type signless(Type element);

}  // namespace mlir::sluice::fuse

#endif  // SLUICE_PASSES_FUSE_FUSIBLE_H_
