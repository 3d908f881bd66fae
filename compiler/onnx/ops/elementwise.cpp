// Arithmetic, comparisons, logic, selection, casts.
#include <cmath>

#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {
namespace {

template <Unary kOp>
void importUnary(OpContext& op) {
  op.out(0, op.t().unary(kOp, op.in(0)));
}

// Input 1 as the other operand; before opset 7 it lies at `axis` of input 0.
Tensor secondOperand(OpContext& op) {
  Tensor b = op.in(1);
  if (op.opset() < 7 && op.flag("broadcast") && op.find("axis")) {
    int64_t axis = op.axisAttr(0, op.in(0).rank());
    Sizes sizes = b.sizes();
    sizes.resize(op.in(0).rank() - axis, SizeExpr(1));
    b = op.t().reshape(b, sizes);
  }
  return b;
}

template <Binary kOp>
void importBinary(OpContext& op) {
  op.out(0, op.t().binary(kOp, op.in(0), secondOperand(op)));
}

template <Binary kOp>
void importSwapped(OpContext& op) {
  op.out(0, op.t().binary(kOp, secondOperand(op), op.in(0)));
}

template <Binary kOp>
void importVariadic(OpContext& op) {
  Tensor result = op.in(0);
  for (size_t i = 1; i < op.numInputs(); ++i) {
    result = op.t().binary(kOp, result, op.in(i));
  }
  op.out(0, result);
}

void importMeanOf(OpContext& op) {
  importVariadic<Binary::Add>(op);
  op.out(0, op.t().div(op.outputs()[0], static_cast<double>(op.numInputs())));
}

// The sign of the divisor, or with fmod that of the dividend.
void importMod(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0), y = op.in(1);
  if (!x.isFloat() || op.flag("fmod")) {
    op.out(0, t.binary(op.flag("fmod") ? Binary::Fmod : Binary::Mod, x, y));
    return;
  }
  Tensor rest = t.binary(Binary::Fmod, x, y);
  Tensor zero = t.number(0, x);
  Tensor below = t.binary(Binary::And, t.binary(Binary::Less, rest, zero), t.binary(Binary::Less, zero, y));
  Tensor above = t.binary(Binary::And, t.binary(Binary::Less, zero, rest), t.binary(Binary::Less, y, zero));
  op.out(0, t.select(t.binary(Binary::Or, below, above), t.add(rest, y), rest));
}

void importPow(OpContext& op) { op.out(0, op.t().pow(op.in(0), secondOperand(op))); }

void importReciprocal(OpContext& op) { op.out(0, op.t().div(op.t().number(1, op.in(0)), op.in(0))); }

void importSign(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor zero = t.number(0, x);
  Tensor positive = t.cast(t.binary(Binary::Less, zero, x), x.element());
  Tensor negative = t.cast(t.binary(Binary::Less, x, zero), x.element());
  op.out(0, t.sub(positive, negative));
}

void importWhere(OpContext& op) { op.out(0, op.t().select(op.in(0), op.in(1), op.in(2))); }

// Elements of 4 and of 8 float bits are how weights are kept: nothing computes in them.
Tensor castTo(OpContext& op, Type element) {
  Tensor x = op.in(0);
  auto small = [](Type type) { return isa<FloatType>(type) && type.getIntOrFloatBitWidth() <= 8; };
  if (small(element) || small(x.element()) || (isa<IntegerType>(element) && element.getIntOrFloatBitWidth() == 4)) {
    std::string text;
    llvm::raw_string_ostream(text) << "no values of " << x.element() << " become " << element
                                   << " at run time (QuantizeLinear and DequantizeLinear do, of weights)";
    op.fail(text);
  }
  return op.t().cast(x, element);
}

void importCast(OpContext& op) { op.out(0, castTo(op, op.elementAttr("to"))); }

void importCastLike(OpContext& op) { op.out(0, castTo(op, op.in(1).element())); }

void importIsNan(OpContext& op) { op.out(0, op.t().isNan(op.in(0))); }

void importIsInf(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  auto is = [&](double value) { return t.binary(Binary::Equal, x, t.number(value, x)); };
  Tensor result = t.cast(t.number(0, x), t.builder().getI1Type());
  if (op.flag("detect_positive", true)) {
    result = t.binary(Binary::Or, result, is(INFINITY));
  }
  if (op.flag("detect_negative", true)) {
    result = t.binary(Binary::Or, result, is(-INFINITY));
  }
  op.out(0, t.broadcast(result, x.sizes()));
}

// Bounds are attributes before opset 11, then optional inputs.
void importClip(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor low = op.opt(1);
  Tensor high = op.opt(2);
  if (op.opset() < 11) {
    low = op.find("min") ? t.number(op.attrFloat("min", 0), x) : Tensor();
    high = op.find("max") ? t.number(op.attrFloat("max", 0), x) : Tensor();
  }
  x = low ? t.max(x, low) : x;
  op.out(0, high ? t.min(x, high) : x);
}

void importIdentity(OpContext& op) { op.out(0, op.in(0)); }

// Inference: nothing is dropped.
void importDropout(OpContext& op) {
  if (op.has(2) && !(op.in(2).isKnown() && op.in(2).known()[0].constant() == 0)) {
    op.fail("training_mode is for training: it must be a constant false");
  }
  op.out(0, op.in(0));
  if (op.wants(1)) {
    op.out(1, op.t().broadcast(op.t().number(1, op.b().getI1Type()), op.in(0).sizes()));
  }
}

constexpr OpDefinition kOps[] = {
    {"", "Neg", importUnary<Unary::Neg>},
    {"", "Abs", importUnary<Unary::Abs>},
    {"", "Sqrt", importUnary<Unary::Sqrt>},
    {"", "Exp", importUnary<Unary::Exp>},
    {"", "Log", importUnary<Unary::Log>},
    {"", "Floor", importUnary<Unary::Floor>},
    {"", "Ceil", importUnary<Unary::Ceil>},
    {"", "Round", importUnary<Unary::Round>},
    {"", "Erf", importUnary<Unary::Erf>},
    {"", "Tanh", importUnary<Unary::Tanh>},
    {"", "Sin", importUnary<Unary::Sin>},
    {"", "Cos", importUnary<Unary::Cos>},
    {"", "Tan", importUnary<Unary::Tan>},
    {"", "Asin", importUnary<Unary::Asin>},
    {"", "Acos", importUnary<Unary::Acos>},
    {"", "Atan", importUnary<Unary::Atan>},
    {"", "Sinh", importUnary<Unary::Sinh>},
    {"", "Cosh", importUnary<Unary::Cosh>},
    {"", "Asinh", importUnary<Unary::Asinh>},
    {"", "Acosh", importUnary<Unary::Acosh>},
    {"", "Atanh", importUnary<Unary::Atanh>},
    {"", "Not", importUnary<Unary::Not>},
    {"", "Add", importBinary<Binary::Add>},
    {"", "Sub", importBinary<Binary::Sub>},
    {"", "Mul", importBinary<Binary::Mul>},
    {"", "Div", importBinary<Binary::Div>},
    {"", "Mod", importMod},
    {"", "Pow", importPow},
    {"", "And", importBinary<Binary::And>},
    {"", "Or", importBinary<Binary::Or>},
    {"", "Xor", importBinary<Binary::Xor>},
    {"", "BitwiseAnd", importBinary<Binary::And>},
    {"", "BitwiseOr", importBinary<Binary::Or>},
    {"", "BitwiseXor", importBinary<Binary::Xor>},
    {"", "Equal", importBinary<Binary::Equal>},
    {"", "Less", importBinary<Binary::Less>},
    {"", "LessOrEqual", importBinary<Binary::LessOrEqual>},
    {"", "Greater", importSwapped<Binary::Less>},
    {"", "GreaterOrEqual", importSwapped<Binary::LessOrEqual>},
    {"", "Max", importVariadic<Binary::Max>},
    {"", "Min", importVariadic<Binary::Min>},
    {"", "Sum", importVariadic<Binary::Add>},
    {"", "Mean", importMeanOf},
    {"", "Reciprocal", importReciprocal},
    {"", "Sign", importSign},
    {"", "Where", importWhere},
    {"", "Cast", importCast},
    {"", "CastLike", importCastLike},
    {"", "IsNaN", importIsNan},
    {"", "IsInf", importIsInf},
    {"", "Clip", importClip},
    {"", "Identity", importIdentity},
    {"", "Dropout", importDropout},
};

}  // namespace

ArrayRef<OpDefinition> elementwiseOps() { return kOps; }

}  // namespace mlir::onnx_import
