// Element types on demand (--dtype): what is stored between kernels becomes f16 or bf16, or everything becomes f32.
//
//   %y = nn.linear %x, %w : f32          %0 = arith.truncf %x, %1 = arith.truncf %w     (a weight: while it is packed)
//   %z = math.exp %y             →       %2 = nn.linear %0, %1 : bf16
//                                        %z = math.exp (arith.extf %2) : f32
//
// Element-wise maths, softmax and reductions stay f32, and so does what sines and cosines are taken of: an angle of a
// thousand has no digit left in bf16.  Kernels sum in f32 whatever they store, so norms and rope lose no more than
// their results' rounding.  A value that somebody reads narrow is stored narrow for all its readers.  A model that has
// layers in the type already stays as it is: what it computes wider, it says with casts of its own.
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/WeightExpr.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "passes/precision/Accumulate.h"
#include "passes/precision/Passes.h"

namespace mlir::sluice::precision {

#define GEN_PASS_DEF_CONVERTPRECISIONPASS
#include "passes/precision/Passes.h.inc"

namespace {

Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }

RankedTensorType withElement(Value value, Type element) {
  return cast<RankedTensorType>(value.getType()).clone(element);
}

bool isTensorOf(Value value, Type element) {
  return isa<RankedTensorType>(value.getType()) && elementOf(value) == element;
}

Value cast(OpBuilder& builder, Location loc, Value value, Type element) {
  RankedTensorType type = withElement(value, element);
  if (element.getIntOrFloatBitWidth() > elementOf(value).getIntOrFloatBitWidth()) {
    return arith::ExtFOp::create(builder, loc, type, value);
  }
  return arith::TruncFOp::create(builder, loc, type, value);
}

// The elements of `constant` as `element`.
TypedAttr converted(DenseElementsAttr constant, FloatType element) {
  auto convert = [&](const APFloat& value) {
    APFloat result = value;
    bool inexact = false;
    result.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
    return result.bitcastToAPInt();
  };
  return cast<DenseFPElementsAttr>(constant).mapValues(element, convert);
}

// Operands that a kernel of the dialect reads as numbers of the type its result has: those of its loop spec (what it
// has besides are tables, rope's angles), or all.  None for ops that are no layers (of one operand only, or that sum
// nothing), and for those over coded weights, whose kernels decode what they multiply.
unsigned layerOperands(Operation* op) {
  for (Value operand : op->getOperands()) {
    auto transposed = operand.getDefiningOp<linalg::TransposeOp>();
    if ((transposed ? transposed.getInput() : operand).getDefiningOp<nn::DequantizeOp>()) {
      return 0;
    }
  }
  auto spec = dyn_cast<nn::LoopSpecOpInterface>(op);
  if (!isa<nn::KernelOpInterface>(op) || op->getNumResults() != 1) {
    return 0;
  }
  if (!spec) {
    return accumulates(op) || isa<nn::PrecisionOpInterface>(op) ? op->getNumOperands() : 0;
  }
  unsigned inputs = static_cast<unsigned>(llvm::count(spec.getLoopSpec().split("->").first, ',')) + 1;
  bool layer = inputs > 1 || (!spec.getLoopSpec().empty() && isa<nn::PrecisionOpInterface>(op));
  return layer ? std::min(inputs, op->getNumOperands()) : 0;
}

// True when the model has layers in that type: then what it keeps wide it means to be wide.
bool isStoredIn(ModuleOp module, Type narrow) {
  return module
      .walk([&](Operation* op) {
        bool layer = layerOperands(op) > 0 && isTensorOf(op->getResult(0), narrow);
        return layer ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

// Rows of a weight are moved as they are packed; the values stay the same.
bool looksUp(Operation* op) {
  auto gather = dyn_cast_or_null<nn::GatherOp>(op);
  return gather && nn::isWeightExpr(gather.getData());
}

bool movesOnly(Operation* op) {
  return looksUp(op) || isa_and_nonnull<nn::ReshapeOp, linalg::TransposeOp, linalg::BroadcastOp, tensor::ExtractSliceOp,
                                        tensor::ConcatOp>(op);
}

// Ops whose results sines and cosines are taken of, at any distance.
llvm::SetVector<Operation*> angles(func::FuncOp func) {
  llvm::SetVector<Operation*> ops;
  func.walk([&](Operation* op) {
    if (isa<math::SinOp, math::CosOp>(op)) {
      (void)getBackwardSlice(op, &ops);
    }
  });
  return ops;
}

class Narrower {
 public:
  Narrower(func::FuncOp func, FloatType narrow)
      : func_(func), builder_(func.getContext()), narrow_(narrow), wide_(builder_.getF32Type()) {}

  void run() {
    llvm::SetVector<Operation*> exact = angles(func_);
    for (Operation& op : llvm::make_early_inc_range(func_.getBody().front())) {
      unsigned operands = exact.contains(&op) ? 0 : layerOperands(&op);
      if (operands > 0 && isTensorOf(op.getResult(0), wide_)) {
        convertLayer(&op, operands);
      }
    }
    convertStates();
    for (const Stored& stored : stored_) {
      shareStored(stored);
    }
    for (Operation& op : llvm::make_early_inc_range(llvm::reverse(func_.getBody().front()))) {
      if (isOpTriviallyDead(&op)) {
        op.erase();
      }
    }
  }

 private:
  // A value and what is stored of it.
  struct Stored {
    Value wide, narrow;
  };

  void convertLayer(Operation* op, unsigned operands) {
    for (OpOperand& operand : op->getOpOperands().take_front(operands)) {
      if (isTensorOf(operand.get(), wide_)) {
        operand.set(narrowed(operand.get()));
      }
    }
    Value result = op->getResult(0);
    result.setType(withElement(result, narrow_));
    builder_.setInsertionPointAfter(op);
    Value wide = cast(builder_, op->getLoc(), result, wide_);
    result.replaceAllUsesExcept(wide, wide.getDefiningOp());
    remark::passed(op->getLoc(), remark::RemarkOpts::name("dtype").category("precision"))
        << "stored in " << llvm::formatv("{0}", Type(narrow_)).str();
  }

  // A cache holds the type its attention reads.
  void convertStates() {
    Operation* ret = func_.getBody().front().getTerminator();
    FunctionType type = func_.getFunctionType();
    SmallVector<Type> inputs(type.getInputs()), results(type.getResults());
    auto isState = [](StringAttr role) { return role && role.getValue() == "state"; };
    for (BlockArgument arg : func_.getArguments()) {
      if (isState(func_.getArgAttrOfType<StringAttr>(arg.getArgNumber(), nn::kRoleAttr)) && isTensorOf(arg, wide_)) {
        arg.setType(withElement(arg, narrow_));
        builder_.setInsertionPointToStart(&func_.getBody().front());
        Value wide = cast(builder_, arg.getLoc(), arg, wide_);
        arg.replaceAllUsesExcept(wide, wide.getDefiningOp());
        forgetCasts(wide, arg);
        inputs[arg.getArgNumber()] = arg.getType();
      }
    }
    for (OpOperand& operand : ret->getOpOperands()) {
      unsigned n = operand.getOperandNumber();
      if (isState(func_.getResultAttrOfType<StringAttr>(n, nn::kRoleAttr)) && isTensorOf(operand.get(), wide_)) {
        operand.set(narrowed(operand.get()));
        results[n] = operand.get().getType();
      }
    }
    func_.setFunctionType(FunctionType::get(func_.getContext(), inputs, results));
  }

  // Where `wide` = extf `narrow` is cut back to what it was, the original serves.
  void forgetCasts(Value wide, Value narrow) {
    for (Operation* user : llvm::make_early_inc_range(wide.getUsers())) {
      if (auto cut = dyn_cast<arith::TruncFOp>(user); cut && cut.getType() == narrow.getType()) {
        cut.getResult().replaceAllUsesWith(narrow);
      }
    }
  }

  // `value` in the narrow type: cut where it was computed, and moved as it was.
  Value narrowed(Value value) {
    Value& known = narrowed_[value];
    if (known) {
      return known;
    }
    Operation* op = value.getDefiningOp();
    if (auto wide = dyn_cast_or_null<arith::ExtFOp>(op); wide && elementOf(wide.getIn()) == narrow_) {
      return known = wide.getIn();
    }
    Value result = movesOnly(op) && !nn::isWeightExpr(value) ? moved(op) : cut(value);
    return narrowed_[value] = result;
  }

  Value cut(Value value) {
    builder_.setInsertionPointAfterValue(value);
    auto constant = value.getDefiningOp<arith::ConstantOp>();
    if (constant && isa<DenseFPElementsAttr>(constant.getValue())) {
      return arith::ConstantOp::create(builder_, value.getLoc(),
                                       converted(mlir::cast<DenseElementsAttr>(constant.getValue()), narrow_));
    }
    Value stored = arith::TruncFOp::create(builder_, value.getLoc(), withElement(value, narrow_), value);
    stored_.push_back({value, stored});
    return stored;
  }

  Value moved(Operation* op) {
    IRMapping map;
    for (Value operand : op->getOperands()) {
      if (auto empty = operand.getDefiningOp<tensor::EmptyOp>()) {
        builder_.setInsertionPoint(op);
        map.map(operand, tensor::EmptyOp::create(builder_, op->getLoc(), empty.getMixedSizes(), narrow_));
      } else if (isTensorOf(operand, wide_)) {
        map.map(operand, narrowed(operand));
      }
    }
    builder_.setInsertionPointAfter(op);
    Operation* clone = builder_.clone(*op, map);
    clone->getResult(0).setType(withElement(op->getResult(0), narrow_));
    for (Region& region : clone->getRegions()) {
      for (BlockArgument arg : region.getArguments()) {
        arg.setType(narrow_);
      }
    }
    if (looksUp(op)) {
      stored_.push_back({op->getResult(0), clone->getResult(0)});
    }
    return clone->getResult(0);
  }

  // Other readers widen what is stored, rather than have it stored twice.
  void shareStored(const Stored& stored) {
    Value value = stored.wide;
    Operation* cut = stored.narrow.getDefiningOp();
    bool others = llvm::any_of(value.getUsers(), [&](Operation* user) { return user != cut; });
    if (stored.narrow.use_empty() || !others || isa<BlockArgument>(value) || nn::isWeightExpr(value)) {
      return;
    }
    builder_.setInsertionPointAfter(cut);
    Value wide = cast(builder_, cut->getLoc(), stored.narrow, wide_);
    value.replaceAllUsesExcept(wide, cut);
  }

  func::FuncOp func_;
  OpBuilder builder_;
  FloatType narrow_, wide_;
  llvm::DenseMap<Value, Value> narrowed_;
  SmallVector<Stored> stored_;
};

// Everything in f32: 16-bit weights are widened while they are packed, inputs and results where they enter and leave.
class Widener {
 public:
  explicit Widener(func::FuncOp func) : func_(func), builder_(func.getContext()), wide_(builder_.getF32Type()) {}

  void run() {
    Block& body = func_.getBody().front();
    builder_.setInsertionPointToStart(&body);
    for (BlockArgument arg : func_.getArguments()) {
      isSixteen(arg.getType()) ? widenUses(arg) : void();
    }
    for (Operation& op : llvm::make_early_inc_range(body)) {
      if (!op.hasTrait<OpTrait::IsTerminator>()) {
        widen(&op);
      }
    }
    Operation* ret = body.getTerminator();
    builder_.setInsertionPoint(ret);
    for (auto [operand, type] : llvm::zip_equal(ret->getOpOperands(), func_.getResultTypes())) {
      if (operand.get().getType() != type) {
        operand.set(cast(builder_, ret->getLoc(), operand.get(), getElementTypeOrSelf(type)));
      }
    }
  }

 private:
  bool isSixteen(Type type) const {
    Type element = getElementTypeOrSelf(type);
    return element.isF16() || element.isBF16();
  }

  void widenUses(Value value) {
    Value wide = cast(builder_, value.getLoc(), value, wide_);
    value.replaceAllUsesExcept(wide, wide.getDefiningOp());
  }

  void widen(Operation* op) {
    if (isa<nn::WeightOp>(op)) {
      builder_.setInsertionPointAfter(op);
      isSixteen(op->getResult(0).getType()) ? widenUses(op->getResult(0)) : void();
      return;
    }
    bool toWide = isa<arith::ExtFOp>(op) && op->getResult(0).getType() == op->getOperand(0).getType();
    bool toSixteen =
        isa<arith::TruncFOp>(op) && isSixteen(op->getResult(0).getType()) && elementOf(op->getOperand(0)).isF32();
    if (toWide || toSixteen) {
      op->getResult(0).replaceAllUsesWith(op->getOperand(0));
      op->erase();
      return;
    }
    if (isa<nn::IfOp, nn::LoopOp>(op)) {  // the programs they call keep their types
      call(op);
      return;
    }
    retype(op);
  }

  void call(Operation* op) {
    builder_.setInsertionPoint(op);
    for (OpOperand& operand : op->getOpOperands()) {
      if (auto wide = operand.get().getDefiningOp<arith::ExtFOp>(); wide && isSixteen(wide.getIn().getType())) {
        operand.set(wide.getIn());
      } else if (Type type = narrowed_.lookup(operand.get())) {
        operand.set(cast(builder_, op->getLoc(), operand.get(), type));
      }
    }
    builder_.setInsertionPointAfter(op);
    for (Value result : op->getResults()) {
      isSixteen(result.getType()) ? widenUses(result) : void();
    }
  }

  void retype(Operation* op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && isSixteen(constant.getType())) {
      if (auto elements = dyn_cast<DenseElementsAttr>(constant.getValue())) {
        constant.setValueAttr(converted(elements, wide_));
      } else {
        bool inexact = false;
        APFloat value = mlir::cast<FloatAttr>(constant.getValue()).getValue();
        value.convert(wide_.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
        constant.setValueAttr(FloatAttr::get(wide_, value));
      }
    }
    auto widen = [&](Value value) {
      if (isSixteen(value.getType())) {
        auto tensor = dyn_cast<RankedTensorType>(value.getType());
        narrowed_[value] = getElementTypeOrSelf(value.getType());
        value.setType(tensor ? Type(tensor.clone(wide_)) : Type(wide_));
      }
    };
    llvm::for_each(op->getResults(), widen);
    for (Region& region : op->getRegions()) {
      for (Block& block : region) {
        llvm::for_each(block.getArguments(), widen);
        for (Operation& inner : block) {
          retype(&inner);
        }
      }
    }
  }

  func::FuncOp func_;
  OpBuilder builder_;
  FloatType wide_;
  llvm::DenseMap<Value, Type> narrowed_;  // what values were
};

struct ConvertPrecision : impl::ConvertPrecisionPassBase<ConvertPrecision> {
  using ConvertPrecisionPassBase::ConvertPrecisionPassBase;
  void runOnOperation() final {
    if (dtype.empty()) {
      return;
    }
    MLIRContext* context = &getContext();
    FloatType narrow = dtype == "f16"    ? FloatType(Float16Type::get(context))
                       : dtype == "bf16" ? FloatType(BFloat16Type::get(context))
                                         : FloatType();
    if (narrow && isStoredIn(getOperation(), narrow)) {
      remark::missed(getOperation().getLoc(), remark::RemarkOpts::name("dtype").category("precision"))
          << "the model's layers are " << dtype.getValue() << " already: nothing is converted";
      return;
    }
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (dtype == "tf32") {
        func.walk([&](Operation* op) {
          if (accumulates(op) && isTensorOf(op->getOperand(0), Float32Type::get(context))) {
            op->setAttr(kAccumulateAttr, TypeAttr::get(FloatTF32Type::get(context)));
          }
        });
        continue;
      }
      Widener(func).run();
      if (narrow) {
        Narrower(func, narrow).run();
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::precision
