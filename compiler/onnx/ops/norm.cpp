// Norms and softmax.
#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {
namespace {

// x with all dimensions from `axis` on merged into the last one.
Tensor rowsFrom(TensorBuilder& t, const Tensor& x, int64_t axis) {
  return axis == x.rank() - 1 ? x : t.mergeDims(x, axis, x.rank());
}

// A scale or shift with the sizes of the merged dimensions, in x's type.
Tensor rowWeight(TensorBuilder& t, const Tensor& w, const Tensor& x, int64_t axis) {
  if (!w) {
    return w;
  }
  Tensor wide = t.broadcast(w, Sizes(x.sizes().begin() + axis, x.sizes().end()));
  return t.cast(rowsFrom(t, wide, 0), x.element());
}

Tensor rmsNorm(TensorBuilder& t, const Tensor& x, const Tensor& w, double eps) {
  return t.emit<nn::RmsNormOp>(x.sizes(), x.element(), t.value(x), t.valueOrNull(w), t.builder().getF64FloatAttr(eps));
}

Tensor layerNorm(TensorBuilder& t, const Tensor& x, const Tensor& w, const Tensor& b, double eps) {
  return t.emit<nn::LayerNormOp>(x.sizes(), x.element(), t.value(x), t.valueOrNull(w), t.valueOrNull(b),
                                 t.builder().getF64FloatAttr(eps));
}

// An epsilon as its decimal: 1e-05f is 9.99999974737875e-06 as a double, which nobody wrote.
double epsilonOf(OpContext& op, double otherwise = 1e-5) {
  const auto* attribute = op.find("epsilon");
  if (!attribute) {
    return otherwise;
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%.7g", attribute->f());
  return std::strtod(text, nullptr);
}

void importLayerNormalization(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  int64_t axis = op.axisAttr(-1, x.rank());
  Tensor w = rowWeight(t, op.in(1), x, axis);
  Tensor b = rowWeight(t, op.opt(2), x, axis);
  double eps = epsilonOf(op);
  op.out(0, t.reshape(layerNorm(t, rowsFrom(t, x, axis), w, b, eps), x.sizes()));
  if (op.wants(1) || op.wants(2)) {
    SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(axis, x.rank()));
    Tensor wide = t.cast(x, op.b().getF32Type());
    Tensor mean = t.reduce(Reduction::Mean, wide, axes, true);
    Tensor centred = t.sub(wide, mean);
    Tensor variance = t.reduce(Reduction::Mean, t.mul(centred, centred), axes, true);
    op.out(1, mean);
    op.out(2, t.div(t.number(1, variance), t.unary(Unary::Sqrt, t.add(variance, eps))));
  }
}

void importRmsNormalization(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  int64_t axis = op.axisAttr(-1, x.rank());
  Tensor rows = rmsNorm(t, rowsFrom(t, x, axis), rowWeight(t, op.in(1), x, axis), epsilonOf(op));
  op.out(0, t.reshape(rows, x.sizes()));
}

// x + skip [+ bias], then the norm; output 3 is the sum.
Tensor skipSum(OpContext& op, size_t bias) {
  Tensor sum = op.t().add(op.in(0), op.in(1));
  sum = op.has(bias) ? op.t().add(sum, op.in(bias)) : sum;
  op.out(3, sum);
  return sum;
}

void importSkipRmsNormalization(OpContext& op) {
  Tensor sum = skipSum(op, 3);
  op.out(0, rmsNorm(op.t(), sum, op.in(2), epsilonOf(op, 1e-12)));
}

void importSkipLayerNormalization(OpContext& op) {
  Tensor sum = skipSum(op, 4);
  op.out(0, layerNorm(op.t(), sum, op.in(2), op.opt(3), epsilonOf(op, 1e-12)));
}

// [c] seen from [b, c, …].
Tensor perChannel(TensorBuilder& t, const Tensor& w, const Tensor& x) {
  Sizes sizes(x.rank() - 1, SizeExpr(1));
  sizes[0] = w.size(0);
  return t.reshape(w, sizes);
}

// Each channel's pixels are one row of a layer norm.
void importInstanceNormalization(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor rows = layerNorm(t, rowsFrom(t, x, 2), Tensor(), Tensor(), epsilonOf(op));
  Tensor y = t.mul(t.reshape(rows, x.sizes()), perChannel(t, op.in(1), x));
  op.out(0, t.add(y, perChannel(t, op.in(2), x)));
}

// (x − mean) / sqrt(var + eps) · scale + bias as x · factor + shift, factor and shift per channel.
void importBatchNormalization(OpContext& op) {
  TensorBuilder& t = op.t();
  if (op.flag("training_mode")) {
    op.fail("training_mode is for training");
  }
  Tensor x = op.in(0);
  Tensor variance = op.in(4);
  Tensor deviation = t.unary(Unary::Sqrt, t.add(variance, epsilonOf(op)));
  Tensor factor = t.div(op.in(1), deviation);
  Tensor shift = t.sub(op.in(2), t.mul(op.in(3), factor));
  Tensor y = t.mul(x, perChannel(t, t.cast(factor, x.element()), x));
  op.out(0, t.add(y, perChannel(t, t.cast(shift, x.element()), x)));
}

// Before opset 13 all dimensions from `axis` on are one.
void importSoftmaxLike(OpContext& op, bool log) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  bool flattens = op.opset() < 13;
  int64_t axis = op.axisAttr(flattens ? 1 : -1, x.rank());
  Tensor rows = flattens ? rowsFrom(t, x, axis) : x;
  Tensor y = t.emit<nn::SoftmaxOp>(rows.sizes(), x.element(), t.value(rows), op.b().getI64IntegerAttr(axis),
                                   op.b().getBoolAttr(log));
  op.out(0, t.reshape(y, x.sizes()));
}
void importSoftmax(OpContext& op) { importSoftmaxLike(op, false); }
void importLogSoftmax(OpContext& op) { importSoftmaxLike(op, true); }

void importLpNormalization(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  int64_t axis = op.axisAttr(-1, x.rank());
  bool two = op.attr("p", int64_t{2}) == 2;
  Tensor sum = t.reduce(Reduction::Sum, two ? t.mul(x, x) : t.unary(Unary::Abs, x), {axis}, true);
  Tensor norm = two ? t.unary(Unary::Sqrt, sum) : sum;
  Tensor zero = t.number(0, x);
  op.out(0, t.select(t.binary(Binary::Equal, norm, zero), zero, t.div(x, norm)));
}

constexpr OpDefinition kOps[] = {
    {"", "LayerNormalization", importLayerNormalization},
    {"", "RMSNormalization", importRmsNormalization},
    {"", "SimplifiedLayerNormalization", importRmsNormalization},
    {"com.microsoft", "SimplifiedLayerNormalization", importRmsNormalization},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", importSkipRmsNormalization},
    {"com.microsoft", "SkipLayerNormalization", importSkipLayerNormalization},
    {"", "InstanceNormalization", importInstanceNormalization},
    {"", "BatchNormalization", importBatchNormalization},
    {"", "Softmax", importSoftmax},
    {"", "LogSoftmax", importLogSoftmax},
    {"", "LpNormalization", importLpNormalization},
};

}  // namespace

ArrayRef<OpDefinition> normOps() { return kOps; }

}  // namespace mlir::onnx_import
