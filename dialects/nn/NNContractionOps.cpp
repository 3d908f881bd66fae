// Sizes of contractions and convolutions.
#include "dialects/nn/NNDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::nn;

OperandRole LinearOp::getOperandRole(unsigned index) {
  return index == 1 ? OperandRole::Weight : OperandRole::Activation;
}

OperandRole MoeOp::getOperandRole(unsigned index) {
  // x, indices, weights; then what the experts are made of.
  return index == 1 ? OperandRole::Exact : index < 3 ? OperandRole::Activation : OperandRole::Weight;
}

LogicalResult MoeOp::verify() {
  if (getUpBias() && !getUp()) {
    return emitOpError("has a bias of up but no up");
  }
  ArrayRef<int64_t> gate = cast<RankedTensorType>(getGate().getType()).getShape();
  ArrayRef<int64_t> down = cast<RankedTensorType>(getDown().getType()).getShape();
  auto check = [&](StringRef name, Value operand, ArrayRef<int64_t> expected) -> LogicalResult {
    if (operand && failed(verifyCompatibleShape(cast<RankedTensorType>(operand.getType()).getShape(), expected))) {
      auto expectedType = RankedTensorType::get(expected, getElementTypeOrSelf(operand.getType()));
      return emitOpError(name) << " is " << operand.getType() << ", gate and down need " << expectedType;
    }
    return success();
  };
  return success(succeeded(check("up", getUp(), gate)) &&
                 succeeded(check("bias of gate", getGateBias(), gate.take_front(2))) &&
                 succeeded(check("bias of up", getUpBias(), gate.take_front(2))) &&
                 succeeded(check("bias of down", getDownBias(), down.take_front(2))));
}

namespace {

// floor((in + pads − dilation·(kernel − 1) − 1) / stride) + 1
SizeExpr convSize(const SizeExpr& in, const SizeExpr& kernel, int64_t pads, int64_t dilation, int64_t stride) {
  return SizeExpr::FloorDiv(in + SizeExpr(pads) - (kernel - SizeExpr(1)) * SizeExpr(dilation) - SizeExpr(1),
                            SizeExpr(stride)) +
         SizeExpr(1);
}

LogicalResult checkSpatial(Operation* op, const Sizes& x, const Sizes& w, ArrayRef<int64_t> strides,
                           ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations) {
  if (x.size() < 3 || x.size() > 5) {
    return op->emitOpError("x has rank ") << x.size() << ", expected 3 to 5 (batch, channels, 1 to 3 spatial)";
  }
  size_t spatial = x.size() - 2;
  if (w.size() != x.size()) {
    return op->emitOpError("weight has rank ") << w.size() << ", x has " << x.size();
  }
  if (strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial) {
    return op->emitOpError("strides and dilations need ") << spatial << " values, pads " << 2 * spatial;
  }
  return success();
}

}  // namespace

LogicalResult ConvOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  const Sizes& x = operands[0];
  const Sizes& w = operands[1];
  if (failed(checkSpatial(*this, x, w, getStrides(), getPads(), getDilations()))) {
    return failure();
  }
  auto channels = x[1].Constant();
  auto perGroup = w[1].Constant();
  if (channels && perGroup && *channels != *perGroup * static_cast<int64_t>(getGroups())) {
    return emitOpError("weight has ") << *perGroup << " input channels in each of " << getGroups() << " groups, x has "
                                      << *channels;
  }
  Sizes out = {x[0], w[0]};
  size_t spatial = x.size() - 2;
  for (size_t d = 0; d < spatial; ++d) {
    out.push_back(
        convSize(x[d + 2], w[d + 2], getPads()[d] + getPads()[d + spatial], getDilations()[d], getStrides()[d]));
  }
  results.push_back(std::move(out));
  return success();
}

LogicalResult ConvTransposeOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  const Sizes& x = operands[0];
  const Sizes& w = operands[1];
  if (failed(checkSpatial(*this, x, w, getStrides(), getPads(), getDilations()))) {
    return failure();
  }
  if (getOutputPadding().size() != x.size() - 2) {
    return emitOpError("output_padding needs ") << x.size() - 2 << " values";
  }
  auto channels = x[1].Constant();
  auto rows = w[0].Constant();
  if (channels && rows && *channels != *rows) {
    return emitOpError("weight has ") << *rows << " input channels, x has " << *channels;
  }
  Sizes out = {x[0], w[1] * SizeExpr(getGroups())};
  size_t spatial = x.size() - 2;
  for (size_t d = 0; d < spatial; ++d) {
    out.push_back((x[d + 2] - SizeExpr(1)) * SizeExpr(getStrides()[d]) +
                  (w[d + 2] - SizeExpr(1)) * SizeExpr(getDilations()[d]) +
                  SizeExpr(1 + getOutputPadding()[d] - getPads()[d] - getPads()[d + spatial]));
  }
  results.push_back(std::move(out));
  return success();
}
