#include "dialects/nn/WeightExpr.h"

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::nn {

bool isWeightExpr(Value value) {
  Operation* op = value.getDefiningOp();
  if (!op) {
    return false;
  }
  if (isa<WeightOp>(op)) {
    return true;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    return slice.getOffsets().empty() && slice.getSizes().empty() && isWeightExpr(slice.getSource());
  }
  if (isa<ReshapeOp, linalg::TransposeOp, tensor::BitcastOp, arith::ExtFOp, arith::TruncFOp>(op)) {
    return cast<RankedTensorType>(value.getType()).hasStaticShape() && isWeightExpr(op->getOperand(0));
  }
  // Exact sums of a weight's rows.
  if (auto linear = dyn_cast<LinearOp>(op)) {
    return linear.getX().getDefiningOp<arith::ConstantOp>() &&
           cast<RankedTensorType>(value.getType()).getElementType().isInteger() && isWeightExpr(linear.getW());
  }
  if (isa<tensor::ConcatOp, DequantizeOp>(op)) {
    auto constant = [](Value operand) { return operand.getDefiningOp<arith::ConstantOp>() != nullptr; };
    return llvm::any_of(op->getOperands(), isWeightExpr) &&
           llvm::all_of(op->getOperands(), [&](Value v) { return constant(v) || isWeightExpr(v); });
  }
  return false;
}

}  // namespace mlir::nn
