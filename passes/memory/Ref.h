// Where a tensor's elements are: a buffer, an offset and a stride a dimension.  Views are arithmetic on it, no copies.
//
//   Ref x{buffer, f32, {batch, seq, 4, 16}, dense};      // a linear's result
//   permute(x, {0, 2, 1, 3})                             // strides {64·seq, 16, 64, 1}: heads first, nothing moves
#ifndef SLUICE_PASSES_MEMORY_REF_H_
#define SLUICE_PASSES_MEMORY_REF_H_

#include "dialects/nn/SizeAnalysis.h"
#include "mlir/IR/Value.h"

namespace mlir::sluice::memory {

struct Ref {
  Value buffer;  // !exec.buffer
  Type element;
  nn::Sizes sizes;
  nn::Sizes strides;  // elements
  nn::SizeExpr offset;
  // On a state's buffer strides and offset follow from its capacity; the view begins at `start` along `axis`.
  bool state = false;
  int64_t axis = 0;
  nn::SizeExpr start;
};

nn::Sizes denseStrides(ArrayRef<nn::SizeExpr> sizes);
// Row-major without gaps (dimensions of size 1 may have any stride).  A state's view never is.
bool isDense(const Ref& ref);
// Begins at a constant multiple of 16 bytes.
bool isAligned(const Ref& ref);
Ref denseRef(Value buffer, Type element, const nn::Sizes& sizes);

// Result dimension d is source dimension permutation[d].
Ref permute(const Ref& ref, ArrayRef<int64_t> permutation);
// The view whose permutation is `ref`.
Ref unpermute(const Ref& ref, ArrayRef<int64_t> permutation);
// Elements offsets[d] + i · steps[d]; dimensions not in `kept` are dropped.
Ref slice(const Ref& ref, ArrayRef<nn::SizeExpr> offsets, ArrayRef<nn::SizeExpr> steps,
          const llvm::SmallBitVector& dropped, const nn::Sizes& sizes);
// Dimensions `added` of the result repeat the source.
Ref broadcast(const Ref& ref, ArrayRef<int64_t> added, const nn::Sizes& sizes);
// The same elements under other sizes; none when that is no view.
std::optional<Ref> reshape(const Ref& ref, const nn::Sizes& sizes);

}  // namespace mlir::sluice::memory

#endif  // SLUICE_PASSES_MEMORY_REF_H_
