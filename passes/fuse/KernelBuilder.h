// Builds one generated kernel: the expression tree of a root op as one linalg.generic over as few loops as possible.
//
//   %e = arith.extf %x                                      exec.kernel @ew_0 generated dims [["p0", "64"], ["64"],
//   ["p0", "64"]] %b = linalg.broadcast %bias                       →     ^bb0(%x: tensor<?x64xf16>, %bias:
//   tensor<64xf32>, %y: tensor<?x64xf32>) %r = arith.addf %e, %b : tensor<?x?x64xf32>               %0 = linalg.generic
//   { extf, addf } ... yield %0
//
// [batch, seq, 64] becomes two loops: batch and seq are contiguous in every operand, so they are one, of size p0 =
// batch·seq.  Nothing of the model's names is in the kernel, so equal layers give equal kernels.
#ifndef SLUICE_PASSES_FUSE_KERNELBUILDER_H_
#define SLUICE_PASSES_FUSE_KERNELBUILDER_H_

#include "dialects/exec/ExecDialect.h"
#include "llvm/ADT/DenseSet.h"
#include "passes/fuse/Fusible.h"

namespace mlir::sluice::fuse {

struct BuiltKernel {
  OwningOpRef<exec::KernelOp> kernel;  // not in a module yet, without a name of its own
  SmallVector<Value> ins;              // what a dispatch gives it
  SmallVector<nn::SizeExpr> params;
  SmallVector<Location> locs;  // of every op taken in
};

// `root` is Compute or Leaf.  Producers in `roots` are read from memory, all others of a fusible kind are taken in.
BuiltKernel buildKernel(Operation* root, const llvm::DenseSet<Operation*>& roots, nn::SizeAnalysis& sizes);

}  // namespace mlir::sluice::fuse

#endif  // SLUICE_PASSES_FUSE_KERNELBUILDER_H_
