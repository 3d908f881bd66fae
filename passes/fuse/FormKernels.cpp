// Groups element-wise ops into generated kernels.
//
// Facts: what each op is (Fusible.h).  Decision, from the last op to the first: an op whose value every user takes in
// belongs to that user's kernel; any other is the root of its own.  Rewrite: a kernel a root, equal ones once.
#include "llvm/ADT/MapVector.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "passes/fuse/KernelBuilder.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_FORMKERNELSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

constexpr size_t kMaxRepeats = 4;  // kernels a conversion is repeated in

using Roots = SmallVector<Operation*, 2>;

class Grouping {
 public:
  Grouping(Block& block, nn::SizeAnalysis& sizes) : sizes_(sizes) {
    for (Operation& op : llvm::reverse(block)) {
      FuseKind kind = fuseKind(&op, sizes_);
      if (kind != FuseKind::None && !isWeightExpr(op.getResult(0))) {
        decide(&op, kind);
      }
    }
  }
  const llvm::DenseSet<Operation*>& roots() const { return roots_; }

 private:
  // Kernels that take `op`'s value in; `stored` when somebody else needs it in memory.
  Roots takers(Operation* op, bool& stored) {
    Roots result;
    auto add = [&](Operation* root) {
      if (!llvm::is_contained(result, root)) {
        result.push_back(root);
      }
    };
    for (OpOperand& use : op->getResult(0).getUses()) {
      Operation* user = use.getOwner();
      FuseKind kind = fuseKind(user, sizes_);
      auto destination = dyn_cast<DestinationStyleOpInterface>(user);
      if (destination && destination.isDpsInit(&use)) {
        continue;  // its contents are not read (a reduction's are the neutral element)
      }
      if (user->getNumResults() == 1 && isWeightExpr(user->getResult(0))) {
        continue;  // computed before any kernel runs
      }
      if (roots_.contains(user)) {
        add(user);
      } else if (kind == FuseKind::Compute || (kind == FuseKind::Index && use.getOperandNumber() == 0)) {
        llvm::for_each(takers_[user], add);
        stored = stored || (kind == FuseKind::Index && stored_.contains(user));
      } else {
        stored = true;
      }
    }
    return result;
  }

  // Taking in a costly op behind a broadcast would repeat it an element of the larger shape.
  bool repeats(Operation* op, Operation* root) {
    return isHeavy(op) && !(sizes_.elements(op->getResult(0)) == sizes_.elements(root->getResult(0)));
  }

  void decide(Operation* op, FuseKind kind) {
    bool stored = false;
    Roots kernels = takers(op, stored);
    if (kind == FuseKind::Index) {
      takers_[op] = kernels;
      if (stored) {
        stored_.insert(op);
      }
      return;
    }
    if (kind == FuseKind::Leaf) {
      if (stored && needsFilling(op)) {
        roots_.insert(op);
      }
      return;
    }
    if (kernels.empty() && !stored) {
      return;  // dead
    }
    bool taken = !stored && llvm::none_of(kernels, [&](Operation* root) { return repeats(op, root); }) &&
                 (kernels.size() == 1 || (isConversion(op) && kernels.size() <= kMaxRepeats));
    if (taken) {
      takers_[op] = kernels;
    } else {
      roots_.insert(op);
    }
  }

  // A constant of few elements stays one; others are written by a kernel.
  static bool needsFilling(Operation* op) {
    auto constant = dyn_cast<arith::ConstantOp>(op);
    return !constant || cast<DenseElementsAttr>(constant.getValue()).getNumElements() > 64;
  }

  nn::SizeAnalysis& sizes_;
  llvm::DenseSet<Operation*> roots_;
  llvm::DenseSet<Operation*> stored_;  // Index ops somebody reads as a tensor
  DenseMap<Operation*, Roots> takers_;
};

// The kernel's text without names and places: equal texts are equal kernels.
std::string textOf(exec::KernelOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  kernel->print(os, OpPrintingFlags().printGenericOpForm(false).enableDebugInfo(false));
  return text;
}

class Outliner {
 public:
  explicit Outliner(ModuleOp module) : module_(module), builder_(module.getContext()) {}

  // Replaces `root` by a dispatch of its kernel.
  void outline(Operation* root, const Grouping& grouping, nn::SizeAnalysis& sizes) {
    BuiltKernel built = buildKernel(root, grouping.roots(), sizes);
    StringAttr name = nameOf(std::move(built.kernel));
    builder_.setInsertionPoint(root);
    SmallVector<Attribute> params;
    for (const nn::SizeExpr& size : built.params) {
      params.push_back(builder_.getStringAttr(size.ToString()));
    }
    Location loc = FusedLoc::get(module_.getContext(), built.locs);
    ArrayAttr resultSizes = nn::sizesAttr(module_.getContext(), sizes.of(root->getResult(0)));
    auto dispatch =
        exec::DispatchOp::create(builder_, loc, root->getResultTypes(), FlatSymbolRefAttr::get(name), built.ins,
                                 builder_.getDenseI64ArrayAttr({}), builder_.getArrayAttr({resultSizes}),
                                 builder_.getArrayAttr(params), ArrayAttr());
    remark::passed(loc, remark::RemarkOpts::name("form-kernel").category("fuse"))
        << "kernel " << name.getValue() << " takes in " << std::to_string(built.locs.size()) << " ops, reads "
        << std::to_string(built.ins.size()) << " tensors";
    root->getResult(0).replaceAllUsesWith(dispatch.getResult(0));
  }

 private:
  StringAttr nameOf(OwningOpRef<exec::KernelOp> kernel) {
    auto [it, inserted] = names_.try_emplace(textOf(*kernel), StringAttr());
    if (inserted) {
      it->second = builder_.getStringAttr("ew_" + std::to_string(names_.size() - 1));
      kernel->setSymName(it->second.getValue());
      OpBuilder::InsertionGuard guard(builder_);
      builder_.setInsertionPoint(module_.getBody(), firstFunction());
      builder_.insert(kernel.release());
    }
    return it->second;
  }
  Block::iterator firstFunction() {
    auto functions = module_.getOps<func::FuncOp>();
    return functions.empty() ? module_.getBody()->end() : Block::iterator(*functions.begin());
  }

  ModuleOp module_;
  OpBuilder builder_;
  llvm::StringMap<StringAttr> names_;
};

void eraseDead(Block& block) {
  for (Operation& op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (isOpTriviallyDead(&op)) {
      op.erase();
    }
  }
}

struct FormKernels : impl::FormKernelsPassBase<FormKernels> {
  void runOnOperation() final {
    Outliner outliner(getOperation());
    for (auto func : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      Block& block = func.getBody().front();
      eraseDead(block);
      nn::SizeAnalysis sizes;
      Grouping grouping(block, sizes);
      SmallVector<Operation*> ops = llvm::map_to_vector(block, [](Operation& op) { return &op; });
      for (Operation* op : ops) {
        if (grouping.roots().contains(op)) {
          outliner.outline(op, grouping, sizes);
        }
      }
      eraseDead(block);
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
