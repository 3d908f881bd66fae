// Activations; softmax is in norm.cpp.  Those with an ONNX function body need no definition here unless it is clearer.
#include <cmath>

#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {
namespace {

Tensor relu(TensorBuilder& t, const Tensor& x) { return t.max(x, t.number(0, x)); }

// x/2 · (1 + erf(x/√2))
Tensor geluErf(TensorBuilder& t, const Tensor& x) {
  return t.mul(t.mul(x, 0.5), t.add(t.unary(Unary::Erf, t.mul(x, M_SQRT1_2)), 1));
}

// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
Tensor geluTanh(TensorBuilder& t, const Tensor& x) {
  Tensor cube = t.mul(t.mul(x, x), x);
  Tensor inner = t.mul(t.add(x, t.mul(cube, 0.044715)), std::sqrt(2 / M_PI));
  return t.mul(t.mul(x, 0.5), t.add(t.unary(Unary::Tanh, inner), 1));
}

// where(x < 0, negative, x)
Tensor whenNegative(TensorBuilder& t, const Tensor& x, const Tensor& negative) {
  return t.select(t.binary(Binary::Less, x, t.number(0, x)), negative, x);
}

void importRelu(OpContext& op) { op.out(0, relu(op.t(), op.in(0))); }

void importLeakyRelu(OpContext& op) {
  Tensor x = op.in(0);
  op.out(0, whenNegative(op.t(), x, op.t().mul(x, op.attrFloat("alpha", 0.01))));
}

void importPRelu(OpContext& op) { op.out(0, whenNegative(op.t(), op.in(0), op.t().mul(op.in(0), op.in(1)))); }

void importElu(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor curve = t.add(t.unary(Unary::Exp, x), -1);
  op.out(0, whenNegative(t, x, t.mul(curve, op.attrFloat("alpha", 1))));
}

void importSigmoid(OpContext& op) { op.out(0, op.t().sigmoid(op.in(0))); }

void importHardSigmoid(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor line = t.add(t.mul(x, op.attrFloat("alpha", 0.2)), op.attrFloat("beta", 0.5));
  op.out(0, t.max(t.min(line, t.number(1, x)), t.number(0, x)));
}

// max(x, 0) + log(1 + exp(-|x|)): does not overflow
void importSoftplus(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor tail = t.unary(Unary::Exp, t.unary(Unary::Neg, t.unary(Unary::Abs, x)));
  op.out(0, t.add(relu(t, x), t.unary(Unary::Log, t.add(tail, 1))));
}

void importGelu(OpContext& op) {
  op.out(0, op.attr("approximate", "none") == "tanh" ? geluTanh(op.t(), op.in(0)) : geluErf(op.t(), op.in(0)));
}

void importBiasGelu(OpContext& op) { op.out(0, geluErf(op.t(), op.t().add(op.in(0), op.in(1)))); }

void importFastGelu(OpContext& op) {
  Tensor x = op.has(1) ? op.t().add(op.in(0), op.in(1)) : op.in(0);
  op.out(0, geluTanh(op.t(), x));
}

void importQuickGelu(OpContext& op) {
  Tensor x = op.in(0);
  op.out(0, op.t().mul(x, op.t().sigmoid(op.t().mul(x, op.attrFloat("alpha", 1.702)))));
}

void importSwish(OpContext& op) {
  Tensor x = op.in(0);
  op.out(0, op.t().mul(x, op.t().sigmoid(op.t().mul(x, op.attrFloat("alpha", 1)))));
}

constexpr OpDefinition kOps[] = {
    {"", "Relu", importRelu},
    {"", "LeakyRelu", importLeakyRelu},
    {"", "PRelu", importPRelu},
    {"", "Elu", importElu},
    {"", "Sigmoid", importSigmoid},
    {"", "HardSigmoid", importHardSigmoid},
    {"", "Softplus", importSoftplus},
    {"", "Gelu", importGelu},
    {"", "Swish", importSwish},
    {"com.microsoft", "Gelu", importGelu},
    {"com.microsoft", "BiasGelu", importBiasGelu},
    {"com.microsoft", "FastGelu", importFastGelu},
    {"com.microsoft", "QuickGelu", importQuickGelu},
};

}  // namespace

ArrayRef<OpDefinition> activationOps() { return kOps; }

}  // namespace mlir::onnx_import
