// Sizes of pooling, resampling and recurrent ops, and where scales lie.
#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::nn;

LogicalResult PoolOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  const Sizes& x = operands[0];
  size_t spatial = getKernel().size();
  if (x.size() != spatial + 2 || getStrides().size() != spatial || getDilations().size() != spatial ||
      getPads().size() != 2 * spatial) {
    return emitOpError("x of rank ") << x.size() << " needs kernel, strides and dilations of " << x.size() - 2
                                     << " values and twice as many pads";
  }
  Sizes out = {x[0], x[1]};
  for (size_t d = 0; d < spatial; ++d) {
    int64_t stride = getStrides()[d];
    int64_t begin = getPads()[d];
    SizeExpr room = x[d + 2] + SizeExpr(begin + getPads()[d + spatial] - getDilations()[d] * (getKernel()[d] - 1) - 1);
    SizeExpr size =
        (getCeilMode() ? SizeExpr::CeilDiv(room, SizeExpr(stride)) : SizeExpr::FloorDiv(room, SizeExpr(stride))) +
        SizeExpr(1);
    if (getCeilMode()) {
      // A window must not begin in the padding behind the input (ONNX 1.16, MaxPool).
      size = SizeExpr::Min(size, SizeExpr::FloorDiv(x[d + 2] + SizeExpr(begin - 1), SizeExpr(stride)) + SizeExpr(1));
    }
    out.push_back(size);
  }
  results.push_back(std::move(out));
  return success();
}

LogicalResult GridSampleOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  const Sizes &x = operands[0], &grid = operands[1];
  if (x.size() < 3 || x.size() > 5) {
    return emitOpError("x has rank ") << x.size() << ", expected 3 to 5 (batch, channels, 1 to 3 spatial)";
  }
  int64_t spatial = x.size() - 2;
  if (grid.size() != x.size() || grid.back().Constant().value_or(spatial) != spatial) {
    return emitOpError("samples ") << spatial << " spatial dimensions, grid has type " << getGrid().getType();
  }
  if (x[0].IsConstant() && grid[0].IsConstant() && !(x[0] == grid[0])) {
    return emitOpError("grid has ") << grid[0].ToString() << " images, x has " << x[0].ToString();
  }
  Sizes out = {x[0], x[1]};
  out.append(grid.begin() + 1, grid.end() - 1);
  results.push_back(std::move(out));
  return success();
}

LogicalResult ResizeOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  Sizes out;
  for (Attribute text : getSizes()) {
    auto size = SizeExpr::Parse(cast<StringAttr>(text).getValue().str());
    if (!size.ok()) {
      return emitOpError("bad size expression ") << text;
    }
    out.push_back(*size);
  }
  if (out.size() != operands[0].size()) {
    return emitOpError("gives ") << out.size() << " sizes for rank " << operands[0].size();
  }
  results.push_back(std::move(out));
  return success();
}

namespace {

// A weight of a recurrent op is [directions, gates · hidden, columns].
LogicalResult checkGates(Operation* op, StringRef name, const Sizes& w, const Sizes& want) {
  for (size_t d = 0; d < want.size(); ++d) {
    bool contradicts = w.size() == 3 && w[d].IsConstant() && want[d].IsConstant() && !(w[d] == want[d]);
    if (w.size() != 3 || contradicts) {
      auto text = [](const Sizes& sizes) {
        return llvm::join(llvm::map_range(sizes, [](const SizeExpr& size) { return size.ToString(); }), ", ");
      };
      return op->emitOpError() << name << " is [" << text(w) << "], expected [" << text(want) << "]";
    }
  }
  return success();
}

LogicalResult recurrentSizes(Operation* op, ArrayRef<Sizes> operands, int64_t gates, int64_t hidden,
                             StringRef direction, int states, SmallVectorImpl<Sizes>& results) {
  const Sizes& x = operands[0];
  if (x.size() != 3) {
    return op->emitOpError("x has rank ") << x.size() << ", expected 3, [time, batch, features]";
  }
  SizeExpr directions(direction == "bidirectional" ? 2 : 1), rows(gates * hidden);
  if (failed(checkGates(op, "w", operands[1], {directions, rows, x[2]})) ||
      failed(checkGates(op, "r", operands[2], {directions, rows, SizeExpr(hidden)}))) {
    return failure();
  }
  results.push_back({x[0], directions, x[1], SizeExpr(hidden)});
  for (int i = 0; i < states; ++i) {
    results.push_back({directions, x[1], SizeExpr(hidden)});
  }
  return success();
}
}  // namespace

LogicalResult LstmOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  return recurrentSizes(*this, operands, 4, getHidden(), getDirection(), 2, results);
}

LogicalResult GruOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  return recurrentSizes(*this, operands, 3, getHidden(), getDirection(), 1, results);
}

namespace {

// A scale or zero point has one element in all, one an element of `axis`, or one a block of `axis`.
LogicalResult checkScale(Operation* op, StringRef name, Value value, RankedTensorType x, int64_t axis, int64_t block) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 0 && block == 0) {
    return success();
  }
  if (axis < -x.getRank() || axis >= x.getRank()) {
    return op->emitOpError("axis ") << axis << " is outside rank " << x.getRank();
  }
  axis = axis < 0 ? axis + x.getRank() : axis;
  SmallVector<int64_t> want = {x.getDimSize(axis)};
  if (block > 0) {
    want = llvm::to_vector(x.getShape());
    want[axis] = x.isDynamicDim(axis) ? want[axis] : llvm::divideCeil(want[axis], block);
  }
  if (failed(verifyCompatibleShape(type.getShape(), want))) {
    return op->emitOpError() << name << " has type " << type << ", expected the shape of "
                             << RankedTensorType::get(want, type.getElementType());
  }
  return success();
}

template <typename Op>
LogicalResult verifyScales(Op op, Value x) {
  auto type = cast<RankedTensorType>(x.getType());
  if (failed(checkScale(op, "scale", op.getScale(), type, op.getAxis(), op.getBlock()))) {
    return failure();
  }
  return op.getZeroPoint() ? checkScale(op, "zero point", op.getZeroPoint(), type, op.getAxis(), op.getBlock())
                           : success();
}

}  // namespace

LogicalResult QuantizeOp::verify() { return verifyScales(*this, getX()); }

LogicalResult DequantizeOp::verify() { return verifyScales(*this, getQ()); }
