// Splits linears over packed weights: q, k and v, or gate and up, in one matrix are a linear each, as other exporters
// write them.
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {
#define GEN_PASS_DEF_SPLITLINEARSPASS
#include "passes/raise/Passes.h.inc"

namespace {

int64_t lastOf(ArrayRef<int64_t> list) { return list.back(); }

// A slice of the last dimension only, at numbers.
bool slicesFeatures(tensor::ExtractSliceOp slice, nn::SizeAnalysis& sizes) {
  if (slice.getSourceType().getRank() != slice.getType().getRank() || slice.getSourceType().getRank() == 0 ||
      ShapedType::isDynamic(lastOf(slice.getStaticOffsets())) ||
      ShapedType::isDynamic(lastOf(slice.getStaticSizes()))) {
    return false;
  }
  auto from = ArrayRef<nn::SizeExpr>(sizes.of(slice.getSource())).drop_back().vec();
  auto to = ArrayRef<nn::SizeExpr>(sizes.of(slice.getResult())).drop_back().vec();
  return llvm::all_of(slice.getStaticStrides(), [](int64_t stride) { return stride == 1; }) &&
         llvm::all_of(slice.getStaticOffsets().drop_back(), [](int64_t offset) { return offset == 0; }) && from == to;
}

// Rows [begin, begin + count) of a weight [n, k]; of a quantized one, of its elements, scales and zero points, so that
// it stays quantized.  Null for scales that are no rows.
Value rowsOf(OpBuilder& builder, Location loc, Value weight, int64_t begin, int64_t count) {
  auto type = cast<RankedTensorType>(weight.getType());
  if (auto dequantize = weight.getDefiningOp<nn::DequantizeOp>()) {
    SmallVector<Value> parts;
    for (Value operand : dequantize->getOperands()) {
      if (cast<RankedTensorType>(operand.getType()).getRank() != 2 || dequantize.getAxis() != 1) {
        return {};
      }
      parts.push_back(rowsOf(builder, loc, operand, begin, count));
    }
    Operation* rows = builder.clone(*dequantize);
    rows->setOperands(parts);
    rows->getResult(0).setType(RankedTensorType::get({count, type.getDimSize(1)}, type.getElementType()));
    return rows->getResult(0);
  }
  SmallVector<OpFoldResult> offsets = {builder.getIndexAttr(begin), builder.getIndexAttr(0)};
  SmallVector<OpFoldResult> extents = {builder.getIndexAttr(count), builder.getIndexAttr(type.getDimSize(1))};
  SmallVector<OpFoldResult> strides(2, builder.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(builder, loc, weight, offsets, extents, strides);
}

void split(nn::LinearOp linear, nn::SizeAnalysis& sizes) {
  SmallVector<tensor::ExtractSliceOp> slices;
  for (Operation* user : linear->getUsers()) {
    auto slice = dyn_cast<tensor::ExtractSliceOp>(user);
    if (!slice || !slicesFeatures(slice, sizes)) {
      return;
    }
    slices.push_back(slice);
  }
  for (tensor::ExtractSliceOp slice : slices) {
    OpBuilder builder(linear);
    Value rows = rowsOf(builder, linear.getLoc(), linear.getW(), lastOf(slice.getStaticOffsets()),
                        lastOf(slice.getStaticSizes()));
    if (!rows) {
      return;
    }
    slice.getResult().replaceAllUsesWith(
        nn::LinearOp::create(builder, linear.getLoc(), slice.getType(), linear.getX(), rows, linear.getAccAttr()));
  }
  if (!slices.empty()) {
    remark::passed(linear.getLoc(), remark::RemarkOpts::name("linear").category("raise"))
        << "split into " + std::to_string(slices.size()) + " linears, one a slice of its packed weight";
  }
}

struct SplitLinears : impl::SplitLinearsPassBase<SplitLinears> {
  using SplitLinearsPassBase::SplitLinearsPassBase;
  void runOnOperation() final {
    nn::SizeAnalysis sizes;
    SmallVector<nn::LinearOp> linears;
    getOperation()->walk([&](nn::LinearOp op) { linears.push_back(op); });
    for (nn::LinearOp linear : linears) {
      split(linear, sizes);
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
