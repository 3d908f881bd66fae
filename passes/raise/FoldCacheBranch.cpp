// A decoder exported twice over, once without caches and once with them under an nn.if, becomes the one with caches.
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "passes/raise/Branches.h"
#include "passes/raise/Passes.h"
#include "passes/raise/SameAtSizes.h"

namespace mlir::sluice::raise {
#define GEN_PASS_DEF_FOLDCACHEBRANCHPASS
#include "passes/raise/Passes.h.inc"

namespace {

// Why it is not one program; empty: it is.
using Reason = std::string;

// The sizes at which the program with caches has none: every cache's length 0.
Reason noPast(CacheBranch& branch, std::map<std::string, nn::SizeExpr>& values) {
  nn::SizeAnalysis sizes;
  for (const GrownCache& cache : branch.caches) {
    std::set<std::string> symbols = sizes.of(cache.past, cache.axis).Symbols();
    if (symbols.size() != 1 || sizes.of(cache.past, cache.axis) != nn::SizeExpr::Symbol(*symbols.begin())) {
      return "the length of a cache is " + sizes.of(cache.past, cache.axis).ToString() +
             ", which is no size of its own";
    }
    values.insert({*symbols.begin(), nn::SizeExpr(0)});
  }
  return {};
}

// The results of the nn.if go nowhere but out of @main: no size of another op is spelled in its symbols.
bool onlyReturned(nn::IfOp op) {
  return llvm::all_of(op->getUsers(), [](Operation* user) { return isa<func::ReturnOp>(user); });
}

Reason whyTwoPrograms(CacheBranch& branch) {
  std::map<std::string, nn::SizeExpr> values;
  if (Reason reason = noPast(branch, values); !reason.empty()) {
    return reason;
  }
  if (!onlyReturned(branch.op)) {
    return "what it gives is used further";
  }
  SameAtSizes same(values);
  auto with = cast<func::ReturnOp>(branch.with.front().getTerminator());
  auto without = cast<func::ReturnOp>(branch.without.front().getTerminator());
  for (auto [a, b] : llvm::zip_equal(with.getOperands(), without.getOperands())) {
    if (!same.prove(a, b)) {
      return "without a past its two programs differ: " + same.difference();
    }
  }
  return {};
}

// An argument's sizes as the program that reads it knows them: total became past + seq there.
void refineArguments(func::FuncOp main, CacheBranch& branch) {
  for (auto [operand, inner] : llvm::zip_equal(branch.op.getArgs(), branch.with.getArguments())) {
    auto arg = dyn_cast<BlockArgument>(operand);
    Attribute dims = branch.with.getArgAttr(inner.getArgNumber(), nn::kDimsAttr);
    if (arg && dims) {
      main.setArgAttr(arg.getArgNumber(), nn::kDimsAttr, dims);
    }
  }
}

void addAssumptions(func::FuncOp main, func::FuncOp with) {
  SmallVector<Attribute> all;
  for (func::FuncOp func : {main, with}) {
    if (auto texts = func->getAttrOfType<ArrayAttr>(nn::kAssumeAttr)) {
      llvm::append_range(all, texts);
    }
  }
  if (!all.empty()) {
    main->setAttr(nn::kAssumeAttr, ArrayAttr::get(main.getContext(), all));
  }
}

// The nn.if gives way to the body of its program with caches.
void inlineWith(func::FuncOp main, CacheBranch& branch) {
  refineArguments(main, branch);
  addAssumptions(main, branch.with);
  OpBuilder builder(branch.op);
  IRMapping mapping;
  mapping.map(branch.with.getArguments(), branch.op.getArgs());
  for (Operation& op : branch.with.front().without_terminator()) {
    builder.clone(op, mapping);
  }
  for (auto [result, value] :
       llvm::zip_equal(branch.op.getOuts(), branch.with.front().getTerminator()->getOperands())) {
    result.replaceAllUsesWith(mapping.lookup(value));
  }
  branch.op.erase();
  branch.with.erase();
  branch.without.erase();
  nn::SizeAnalysis sizes;
  auto ret = cast<func::ReturnOp>(main.front().getTerminator());
  for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
    main.setResultAttr(i, nn::kDimsAttr, nn::sizesAttr(main.getContext(), sizes.of(value)));
  }
}

struct FoldCacheBranch : impl::FoldCacheBranchPassBase<FoldCacheBranch> {
  using FoldCacheBranchPassBase::FoldCacheBranchPassBase;
  void runOnOperation() final {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal()) {
      return;
    }
    for (nn::IfOp op : llvm::make_early_inc_range(main.getOps<nn::IfOp>())) {
      std::optional<CacheBranch> branch = cacheBranchOf(op);
      if (!branch) {
        continue;
      }
      Location loc = op.getLoc();
      const auto options = remark::RemarkOpts::name("cache-branch").category("raise");
      if (Reason reason = whyTwoPrograms(*branch); !reason.empty()) {
        remark::missed(loc, options) << "kept as two programs: " + reason;
        continue;
      }
      unsigned condition = branch->condition.getArgNumber();
      inlineWith(main, *branch);
      main.setArgAttr(condition, nn::kRoleAttr, StringAttr::get(&getContext(), "branch"));
      remark::passed(loc, options) << "one program: without a past the one with caches is the other";
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
