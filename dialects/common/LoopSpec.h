// Loop specs: einsum-like strings from which an op's verifier, sizes, indexing maps and sharding rule follow.
//
//   "...k,nk->...n"   linear:  `...` any leading dims, n and k one letter each; k is absent on the right: a reduction
//   "bhsd,bgtd,bgte->bhse"   attention (h and g are not related by the spec; the op's verifier relates them)
//   "...d,d->...d"    rms_norm
//
// Operands past the spec's inputs (optional masks, biases) are the op's own business.
#ifndef SLUICE_DIALECTS_COMMON_LOOPSPEC_H_
#define SLUICE_DIALECTS_COMMON_LOOPSPEC_H_

#include <string>

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "runtime/plan/size_expr.h"

namespace mlir::nn {

using SizeExpr = ::sluice::plan::SizeExpr;
// The size of each dimension of one value.
using Sizes = llvm::SmallVector<SizeExpr, 4>;

struct LoopSpec {
  llvm::SmallVector<llvm::StringRef> ins;  // "...k", "nk"
  llvm::StringRef out;                     // "...n"; empty for an op without spec
  static LoopSpec parse(llvm::StringRef text);
};

namespace detail {
// One affine map per spec input, then the result; `...` becomes `rank - letters` leading loops.
llvm::SmallVector<AffineMap> loopMaps(Operation* op, llvm::StringRef spec);
// "…k,nk->…n {n=16, k=8 reduce}"
std::string shardingRule(Operation* op, llvm::StringRef spec);
// Sizes of the (single) result from the operands' sizes; emits on `op` when two sizes of one letter differ.
LogicalResult sizesFromLoopSpec(Operation* op, llvm::StringRef spec, llvm::ArrayRef<Sizes> operands,
                                llvm::SmallVectorImpl<Sizes>& results);
// Checks result types against inferSizes, dynamic dims as unknowns.
LogicalResult verifySizes(Operation* op);
}  // namespace detail

}  // namespace mlir::nn

#endif  // SLUICE_DIALECTS_COMMON_LOOPSPEC_H_
