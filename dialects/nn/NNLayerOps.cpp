// Sizes of pooling, resizing and recurrent ops.
#include "dialects/nn/NNDialect.h"

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
LogicalResult recurrentSizes(Operation* op, ArrayRef<Sizes> operands, int64_t hidden, StringRef direction, int states,
                             SmallVectorImpl<Sizes>& results) {
  const Sizes& x = operands[0];
  if (x.size() != 3) {
    return op->emitOpError("x has rank ") << x.size() << ", expected 3, [time, batch, features]";
  }
  SizeExpr directions(direction == "bidirectional" ? 2 : 1);
  results.push_back({x[0], directions, x[1], SizeExpr(hidden)});
  for (int i = 0; i < states; ++i) {
    results.push_back({directions, x[1], SizeExpr(hidden)});
  }
  return success();
}
}  // namespace

LogicalResult LstmOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  return recurrentSizes(*this, operands, getHidden(), getDirection(), 2, results);
}

LogicalResult GruOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  return recurrentSizes(*this, operands, getHidden(), getDirection(), 1, results);
}
