// Matrix products and convolutions.
#include "compiler/onnx/ops/Spatial.h"

namespace mlir::onnx_import {
namespace {

void importMatMul(OpContext& op) { op.out(0, op.t().matmul(op.in(0), op.in(1))); }

// alpha · A·B + beta · C
void importGemm(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor a = op.flag("transA") ? t.swapLast(op.in(0)) : op.in(0);
  Tensor b = op.in(1);
  Tensor y;
  if (b.isWeight()) {
    y = t.linear(a, op.flag("transB") ? b : t.swapLast(b));
  } else {
    y = t.matmul(a, op.flag("transB") ? t.swapLast(b) : b);
  }
  double alpha = op.attrFloat("alpha", 1);
  double beta = op.attrFloat("beta", 1);
  y = alpha == 1 ? y : t.mul(y, alpha);
  if (op.has(2) && beta != 0) {
    y = t.add(y, beta == 1 ? op.in(2) : t.mul(op.in(2), beta));
  }
  op.out(0, y);
}

void importConv(OpContext& op) {
  Tensor x = op.in(0);
  Tensor w = op.in(1);
  Window window = windowOf(op, x, ArrayRef<SizeExpr>(w.sizes()).drop_front(2));
  op.out(0, conv(op, x, w, op.opt(2), window));
}

void importConvTranspose(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor w = op.in(1);
  ArrayRef<SizeExpr> kernel = ArrayRef<SizeExpr>(w.sizes()).drop_front(2);
  size_t spatial = kernel.size();
  SmallVector<int64_t> strides = op.attrInts("strides", SmallVector<int64_t>(spatial, 1));
  SmallVector<int64_t> dilations = op.attrInts("dilations", SmallVector<int64_t>(spatial, 1));
  SmallVector<int64_t> pads = op.attrInts("pads", SmallVector<int64_t>(2 * spatial, 0));
  SmallVector<int64_t> extra = op.attrInts("output_padding", SmallVector<int64_t>(spatial, 0));
  SmallVector<int64_t> shape = op.attrInts("output_shape");
  std::string mode = op.attr("auto_pad", "NOTSET");
  int64_t groups = op.attr("group", int64_t{1});
  Sizes sizes = {x.size(0), w.size(1) * SizeExpr(groups)};
  for (size_t d = 0; d < spatial; ++d) {
    SizeExpr full = (x.size(d + 2) - SizeExpr(1)) * SizeExpr(strides[d]) +
                    (kernel[d] - SizeExpr(1)) * SizeExpr(dilations[d]) + SizeExpr(1 + extra[d]);
    SizeExpr want = !shape.empty() ? SizeExpr(shape[d]) : x.size(d + 2) * SizeExpr(strides[d]);
    if (!shape.empty() || mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      auto total = (full - want).Constant();
      if (!total || *total < 0) {
        op.fail("its padding depends on the sizes of its input");
      }
      int64_t less = *total / 2;
      pads[d] = mode == "SAME_UPPER" ? less : *total - less;
      pads[d + spatial] = *total - pads[d];
    }
    sizes.push_back(full - SizeExpr(pads[d] + pads[d + spatial]));
  }
  op.out(0, t.emit<nn::ConvTransposeOp>(sizes, x.element(), t.value(x), t.value(w), t.valueOrNull(op.opt(2)),
                                        op.b().getDenseI64ArrayAttr(strides), op.b().getDenseI64ArrayAttr(pads),
                                        op.b().getDenseI64ArrayAttr(dilations), op.b().getDenseI64ArrayAttr(extra),
                                        op.b().getI64IntegerAttr(groups)));
}

constexpr OpDefinition kOps[] = {
    {"", "MatMul", importMatMul},
    {"", "Gemm", importGemm},
    {"", "Conv", importConv},
    {"", "ConvTranspose", importConvTranspose},
};

}  // namespace

ArrayRef<OpDefinition> contractionOps() { return kOps; }

}  // namespace mlir::onnx_import
