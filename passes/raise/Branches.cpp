#include "passes/raise/Branches.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"

namespace mlir::sluice::raise {

std::optional<GrownCache> grownCacheOf(BlockArgument past, func::ReturnOp ret) {
  for (Operation* user : past.getUsers()) {
    auto concat = dyn_cast<tensor::ConcatOp>(user);
    if (!concat || concat.getInputs().size() != 2 || concat.getInputs()[0] != past) {
      continue;
    }
    for (OpOperand& use : concat.getResult().getUses()) {
      if (use.getOwner() == ret) {
        return GrownCache{past, static_cast<int64_t>(use.getOperandNumber()), static_cast<int64_t>(concat.getDim())};
      }
    }
  }
  return std::nullopt;
}

std::optional<CacheBranch> cacheBranchOf(nn::IfOp op) {
  Value condition = op.getCondition();
  while (auto reshape = condition.getDefiningOp<nn::ReshapeOp>()) {
    condition = reshape.getX();
  }
  CacheBranch branch{op, dyn_cast<BlockArgument>(condition), {}, {}, {}};
  if (!branch.condition) {
    return std::nullopt;
  }
  branch.with = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getThenProgramAttr());
  branch.without = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getElseProgramAttr());
  auto ret = cast<func::ReturnOp>(branch.with.front().getTerminator());
  for (BlockArgument arg : branch.with.getArguments()) {
    std::optional<GrownCache> cache = grownCacheOf(arg, ret);
    if (!cache) {
      continue;
    }
    if (!branch.without.getArgument(arg.getArgNumber()).use_empty()) {
      return std::nullopt;
    }
    branch.caches.push_back(*cache);
  }
  return branch.caches.empty() ? std::nullopt : std::make_optional(branch);
}

}  // namespace mlir::sluice::raise
