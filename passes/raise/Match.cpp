#include "passes/raise/Match.h"

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"

namespace mlir::sluice::raise {

Value stripCasts(Value value) {
  while (isa_and_nonnull<arith::ExtFOp, arith::TruncFOp>(value.getDefiningOp())) {
    value = value.getDefiningOp()->getOperand(0);
  }
  return value;
}

bool isUnitReshape(Operation* op, nn::SizeAnalysis& sizes) {
  auto reshape = dyn_cast_or_null<nn::ReshapeOp>(op);
  if (!reshape) {
    return false;
  }
  auto significant = [&](Value v) {
    nn::Sizes kept;
    for (const nn::SizeExpr& size : sizes.of(v)) {
      if (size.Constant() != 1) {
        kept.push_back(size);
      }
    }
    return kept;
  };
  return significant(reshape.getX()) == significant(reshape.getResult());
}

Value stripSpread(Value value, nn::SizeAnalysis& sizes) {
  while (Operation* op = value.getDefiningOp()) {
    if (isa<arith::ExtFOp, arith::TruncFOp>(op) || isUnitReshape(op, sizes)) {
      value = op->getOperand(0);
    } else if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
      value = broadcast.getInput();
    } else {
      break;
    }
  }
  return value;
}

std::optional<double> scalarConstant(Value value) {
  while (Operation* op = value.getDefiningOp()) {
    if (isa<arith::ExtFOp, arith::TruncFOp, nn::ReshapeOp, tensor::CastOp>(op)) {
      value = op->getOperand(0);
    } else if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
      value = broadcast.getInput();
    } else {
      break;
    }
  }
  DenseElementsAttr dense;
  if (!matchPattern(value, m_Constant(&dense)) || !(dense.isSplat() || dense.getNumElements() == 1)) {
    return std::nullopt;
  }
  if (isa<FloatType>(dense.getElementType())) {
    APFloat number = *dense.value_begin<APFloat>();
    bool lossy;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
    return number.convertToDouble();
  }
  if (dense.getElementType().isSignlessInteger()) {
    return static_cast<double>((*dense.value_begin<APInt>()).getSExtValue());
  }
  return std::nullopt;
}

Value lastDimVector(Value value, nn::SizeAnalysis& sizes) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 0) {
    return {};
  }
  nn::SizeExpr last = sizes.of(value).back();
  Value source = value;
  while (Operation* op = source.getDefiningOp()) {
    if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
      // The last dimension must come from the input: a broadcast that adds it spreads scalars.
      if (llvm::is_contained(broadcast.getDimensions(), cast<RankedTensorType>(source.getType()).getRank() - 1)) {
        return {};
      }
      source = broadcast.getInput();
    } else if (isUnitReshape(op, sizes)) {
      source = op->getOperand(0);
    } else {
      break;
    }
    auto sourceType = cast<RankedTensorType>(source.getType());
    if (sourceType.getRank() == 1 && sizes.of(source)[0] == last) {
      return source;
    }
    if (sourceType.getRank() == 0 || !(sizes.of(source).back() == last)) {
      return {};
    }
  }
  return type.getRank() == 1 ? value : Value();
}

Location fuse(Operation* a, Operation* b) {
  if (a->getLoc() == b->getLoc()) {
    return a->getLoc();
  }
  return FusedLoc::get(a->getContext(), {a->getLoc(), b->getLoc()});
}

}  // namespace mlir::sluice::raise
