#include "passes/raise/SameAtSizes.h"

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OperationSupport.h"

namespace mlir::sluice::raise {
namespace {

// "nn.linear (/lm_head/MatMul)"
std::string textOf(Value value) {
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    return "argument " + std::to_string(arg.getArgNumber());
  }
  std::string text = value.getDefiningOp()->getName().getStringRef().str();
  value.getLoc()->walk([&](Location part) {
    auto name = dyn_cast<NameLoc>(part);
    text += name ? " (" + name.getName().str() + ")" : "";
    return name ? WalkResult::interrupt() : WalkResult::advance();
  });
  return text;
}

bool isSize(Value value) { return isa<IndexType>(value.getType()); }

}  // namespace

nn::Sizes SameAtSizes::sizesOf(Value value) {
  return llvm::map_to_vector(sizes_.of(value), [&](const nn::SizeExpr& size) { return at(size); });
}

bool SameAtSizes::isZero(Value value) {
  if (auto sizes = value.getDefiningOp<nn::SizesOp>()) {
    return llvm::all_of(nn::sizesFromAttr(sizes.getExprs()),
                        [&](const nn::SizeExpr& size) { return at(size) == nn::SizeExpr(0); });
  }
  if (auto broadcast = value.getDefiningOp<linalg::BroadcastOp>()) {
    return isZero(broadcast.getInput());
  }
  if (auto reshape = value.getDefiningOp<nn::ReshapeOp>()) {
    return isZero(reshape.getX());
  }
  return matchPattern(value, m_Zero());
}

bool SameAtSizes::isWholeSlice(Operation* op) {
  auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
  if (!slice || slice.getSourceType().getRank() != slice.getType().getRank() || !slice.hasUnitStride()) {
    return false;
  }
  return llvm::all_of(slice.getMixedOffsets(), [&](OpFoldResult offset) {
    FailureOr<nn::SizeExpr> size = sizes_.index(offset);
    return succeeded(size) && at(*size) == nn::SizeExpr(0);
  });
}

// The operand that `op` gives unchanged; null: it changes it.
Value SameAtSizes::passedOn(Operation* op) {
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    SmallVector<Value> filled = llvm::filter_to_vector(
        concat.getInputs(), [&](Value input) { return sizesOf(input)[concat.getDim()] != nn::SizeExpr(0); });
    return filled.size() == 1 ? filled[0] : Value();
  }
  if (isa<arith::AddIOp>(op)) {
    return isZero(op->getOperand(1)) ? op->getOperand(0) : isZero(op->getOperand(0)) ? op->getOperand(1) : Value();
  }
  if (isa<tensor::CastOp>(op)) {
    return op->getOperand(0);
  }
  bool view = isa<nn::ReshapeOp>(op) || isWholeSlice(op);
  return view && sizesOf(op->getOperand(0)) == sizesOf(op->getResult(0)) ? op->getOperand(0) : Value();
}

Value SameAtSizes::through(Value value) {
  for (Operation* op = value.getDefiningOp(); op; op = value.getDefiningOp()) {
    Value inner = passedOn(op);
    if (!inner) {
      break;
    }
    value = inner;
  }
  return value;
}

// Texts in attributes are names or sizes: sizes are the same when they have the same value.
bool SameAtSizes::sameAttr(Attribute a, Attribute b) const {
  if (a == b) {
    return true;
  }
  if (auto list = dyn_cast_or_null<ArrayAttr>(a), other = dyn_cast_or_null<ArrayAttr>(b); list && other) {
    return list.size() == other.size() && llvm::all_of(llvm::zip_equal(list, other), [&](auto pair) {
             return sameAttr(std::get<0>(pair), std::get<1>(pair));
           });
  }
  auto text = dyn_cast_or_null<StringAttr>(a), other = dyn_cast_or_null<StringAttr>(b);
  if (!text || !other) {
    return false;
  }
  auto x = nn::SizeExpr::Parse(text.str()), y = nn::SizeExpr::Parse(other.str());
  return x.ok() && y.ok() && ::sluice::plan::ProvenEqual(at(*x), at(*y));
}

bool SameAtSizes::sameAttrs(Operation* a, Operation* b) const {
  DictionaryAttr left = a->getAttrDictionary(), right = b->getAttrDictionary();
  return left.size() == right.size() &&
         llvm::all_of(left, [&](NamedAttribute attr) { return sameAttr(attr.getValue(), right.get(attr.getName())); });
}

bool SameAtSizes::sameType(Value a, Value b) {
  if (isSize(a)) {
    return isSize(b);
  }
  auto left = dyn_cast<RankedTensorType>(a.getType()), right = dyn_cast<RankedTensorType>(b.getType());
  return left && right && left.getElementType() == right.getElementType() && left.getRank() == right.getRank() &&
         llvm::all_of(llvm::zip_equal(sizesOf(a), sizesOf(b)),
                      [](auto pair) { return ::sluice::plan::ProvenEqual(std::get<0>(pair), std::get<1>(pair)); });
}

// The same but for their operands.
bool SameAtSizes::sameOp(Operation* a, Operation* b) {
  if (a->getName() != b->getName() || a->getNumOperands() != b->getNumOperands() ||
      a->getNumResults() != b->getNumResults() || a->getNumRegions() != b->getNumRegions() || !sameAttrs(a, b)) {
    return false;
  }
  return llvm::all_of(llvm::zip_equal(a->getRegions(), b->getRegions()), [](auto pair) {
    return OperationEquivalence::isRegionEquivalentTo(&std::get<0>(pair), &std::get<1>(pair),
                                                      OperationEquivalence::IgnoreLocations);
  });
}

bool SameAtSizes::prove(Value first, Value second) {
  SmallVector<Pair> todo = {{first, second}};
  while (!todo.empty()) {
    auto [a, b] = todo.pop_back_val();
    a = through(a), b = through(b);
    if (!proven_.insert({a, b}).second) {
      continue;
    }
    bool same = sameType(a, b);
    if (same && isSize(a)) {
      FailureOr<nn::SizeExpr> x = sizes_.index(a), y = sizes_.index(b);
      same = succeeded(x) && succeeded(y) && ::sluice::plan::ProvenEqual(at(*x), at(*y));
    } else if (same && isa<OpResult>(a) && isa<OpResult>(b)) {
      Operation *op = a.getDefiningOp(), *other = b.getDefiningOp();
      same = cast<OpResult>(a).getResultNumber() == cast<OpResult>(b).getResultNumber() && sameOp(op, other);
      if (same) {
        for (auto [x, y] : llvm::zip_equal(op->getOperands(), other->getOperands())) {
          todo.push_back({x, y});
        }
      }
    } else if (same) {
      auto arg = dyn_cast<BlockArgument>(a), other = dyn_cast<BlockArgument>(b);
      same = arg && other && arg.getArgNumber() == other.getArgNumber();
    }
    if (!same) {
      difference_ = textOf(a) + " and " + textOf(b);
      return false;
    }
  }
  return true;
}

}  // namespace mlir::sluice::raise
