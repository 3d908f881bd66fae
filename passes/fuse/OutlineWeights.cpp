// Moves weight expressions out of functions and gives each its one layout.
#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_OUTLINEWEIGHTSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

// Slot of a dispatch's operand, absent ones counted.
int64_t slotOf(exec::DispatchOp dispatch, unsigned operand) {
  int64_t slot = operand;
  for (int64_t absent : dispatch.getAbsent()) {
    if (absent <= slot) {
      ++slot;
    }
  }
  return slot;
}

// Layouts beyond row-major that a use may have.
SmallVector<exec::Layout> layoutsOf(OpOperand& use, SymbolTable& symbols) {
  SmallVector<exec::Layout> layouts;
  auto dispatch = dyn_cast<exec::DispatchOp>(use.getOwner());
  if (!dispatch) {
    return layouts;
  }
  auto kernel = symbols.lookup<exec::KernelOp>(dispatch.getKernel());
  if (!kernel || kernel.isGenerated()) {
    return layouts;
  }
  int64_t slot = slotOf(dispatch, use.getOperandNumber());
  for (const kernels::CpuKernel::OperandLayout& option : traitsOf(kernel).layouts) {
    if (option.operand == slot) {
      layouts.push_back(static_cast<exec::Layout>(option.layout));
    }
  }
  return layouts;
}

// Packed layouts interleave rows of floats; other elements stay as they are.
bool canPack(RankedTensorType type, exec::Layout layout) {
  Type element = type.getElementType();
  bool small = element.isF32() || element.isF16() || element.isBF16();
  return small && (layout == exec::Layout::NkTile16 ? type.getRank() == 2 : type.getRank() >= 3);
}

// The layout every use reads; row-major when they have no other in common.
exec::Layout chooseLayout(RankedTensorType type, ArrayRef<OpOperand*> uses, SymbolTable& symbols) {
  for (exec::Layout layout : layoutsOf(*uses.front(), symbols)) {
    bool all = llvm::all_of(uses, [&](OpOperand* use) { return llvm::is_contained(layoutsOf(*use, symbols), layout); });
    if (all && canPack(type, layout)) {
      return layout;
    }
  }
  return exec::Layout::RowMajor;
}

// The ops of a weight expression, operands before users.
void collect(Value value, SetVector<Operation*>& ops) {
  Operation* op = value.getDefiningOp();
  if (ops.contains(op)) {
    return;
  }
  for (Value operand : op->getOperands()) {
    collect(operand, ops);
  }
  ops.insert(op);
}

// The expression's text without the names of weights: equal texts are equal bytes.
std::string keyOf(const SetVector<Operation*>& ops) {
  std::string key;
  llvm::raw_string_ostream os(key);
  DenseMap<Value, unsigned> numbers;
  for (Operation* op : ops) {
    for (Value result : op->getResults()) {
      numbers.try_emplace(result, numbers.size());
    }
    os << op->getName();
    for (Value operand : op->getOperands()) {
      os << " %" << numbers[operand];
    }
    for (NamedAttribute attr : op->getAttrs()) {
      if (attr.getName() != "name") {
        os << ' ' << attr.getName().getValue() << '=' << attr.getValue();
      }
    }
    for (Type type : op->getResultTypes()) {
      os << ' ' << type;
    }
    os << '\n';
  }
  return key;
}

struct Weight {
  Value value;  // the first occurrence
  SetVector<Operation*> ops;
  SmallVector<OpOperand*> uses;
  std::string name;
};

class Outliner {
 public:
  explicit Outliner(ModuleOp module) : module_(module), symbols_(module), builder_(module.getContext()) {}

  // Every use of a weight expression by an op that is none.
  void gather(Block& block) {
    for (Operation& op : block) {
      bool inside = op.getNumResults() == 1 && isWeightExpr(op.getResult(0));
      for (OpOperand& use : op.getOpOperands()) {
        if (!inside && isWeightExpr(use.get())) {
          add(use);
        }
      }
    }
  }

  void outline() {
    for (auto& [key, weight] : weights_) {
      auto type = cast<RankedTensorType>(weight.value.getType());
      exec::Layout layout = chooseLayout(type, weight.uses, symbols_);
      StringAttr symbol = make(weight, type, layout);
      for (OpOperand* use : weight.uses) {
        use->set(constantIn(use->getOwner()->getBlock(), symbol, type, weight.value.getLoc()));
      }
      remark::passed(weight.value.getLoc(), remark::RemarkOpts::name("choose-layout").category("fuse"))
          << "weight " << weight.name << " lies in layout " << exec::stringifyLayout(layout) << " for "
          << std::to_string(weight.uses.size()) << " uses";
    }
  }

 private:
  void add(OpOperand& use) {
    SetVector<Operation*> ops;
    collect(use.get(), ops);
    Weight& weight = weights_[keyOf(ops)];
    if (!weight.value) {
      weight.value = use.get();
      weight.ops = ops;
      for (Operation* op : ops) {
        if (auto source = dyn_cast<nn::WeightOp>(op); source && weight.name.empty()) {
          weight.name = source.getName().str();
        }
      }
    }
    weight.uses.push_back(&use);
  }

  StringAttr make(const Weight& weight, RankedTensorType type, exec::Layout layout) {
    auto functions = module_.getOps<func::FuncOp>();
    builder_.setInsertionPoint(module_.getBody(),
                               functions.empty() ? module_.getBody()->end() : Block::iterator(*functions.begin()));
    StringAttr symbol = builder_.getStringAttr("w" + std::to_string(count_++));
    auto op = exec::WeightOp::create(builder_, weight.value.getLoc(), symbol, builder_.getStringAttr(weight.name),
                                     exec::LayoutAttr::get(module_.getContext(), layout), TypeAttr::get(type));
    OpBuilder inside(module_.getContext());
    inside.setInsertionPointToEnd(&op.getBody().emplaceBlock());
    IRMapping mapping;
    for (Operation* source : weight.ops) {
      inside.clone(*source, mapping);
    }
    exec::YieldOp::create(inside, weight.value.getLoc(), mapping.lookup(weight.value));
    return symbol;
  }

  Value constantIn(Block* block, StringAttr symbol, RankedTensorType type, Location loc) {
    Value& value = constants_[{block, symbol}];
    if (!value) {
      OpBuilder builder = OpBuilder::atBlockBegin(block);
      value = exec::ConstantOp::create(builder, loc, type, FlatSymbolRefAttr::get(symbol));
    }
    return value;
  }

  ModuleOp module_;
  SymbolTable symbols_;
  OpBuilder builder_;
  llvm::MapVector<std::string, Weight, std::map<std::string, unsigned>> weights_;
  DenseMap<std::pair<Block*, StringAttr>, Value> constants_;
  int count_ = 0;
};

struct OutlineWeights : impl::OutlineWeightsPassBase<OutlineWeights> {
  void runOnOperation() final {
    Outliner outliner(getOperation());
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      outliner.gather(func.getBody().front());
    }
    outliner.outline();
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      for (Operation& op : llvm::make_early_inc_range(llvm::reverse(func.getBody().front()))) {
        if (isOpTriviallyDead(&op)) {
          op.erase();
        }
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
