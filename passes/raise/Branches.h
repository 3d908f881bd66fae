// An nn.if between a program that continues from caches and one that begins without them (optimum's merged decoders).
#ifndef SLUICE_PASSES_RAISE_BRANCHES_H_
#define SLUICE_PASSES_RAISE_BRANCHES_H_

#include <optional>

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::sluice::raise {

// past → concat(past, new) → result, in one function.
struct GrownCache {
  BlockArgument past;
  int64_t present = -1;  // number of the result
  int64_t axis = 0;
};

std::optional<GrownCache> grownCacheOf(BlockArgument past, func::ReturnOp ret);

struct CacheBranch {
  nn::IfOp op;
  BlockArgument condition;         // of the caller: true says that there is a past
  func::FuncOp with;               // runs where it is true
  func::FuncOp without;            // runs where it is false; reads none of the caches
  SmallVector<GrownCache> caches;  // of `with`
};

// Nothing where the condition is no input, the program it chooses grows no cache, or the other one reads a cache.
std::optional<CacheBranch> cacheBranchOf(nn::IfOp op);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_BRANCHES_H_
