// TensorBuilder: element-wise operators, as arith and math ops on tensors of one shape.
#include "compiler/onnx/TensorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::onnx_import {
namespace {

template <typename Op>
Value make(OpBuilder& b, Location loc, ValueRange operands) {
  return Op::create(b, loc, operands).getResult();
}

template <typename Op>
Value makeUnary(OpBuilder& b, Location loc, Value x) {
  return Op::create(b, loc, x).getResult();
}

template <typename Op>
Value makeBinary(OpBuilder& b, Location loc, Value x, Value y) {
  return Op::create(b, loc, x, y).getResult();
}

Value compareFloats(OpBuilder& b, Location loc, arith::CmpFPredicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, loc, predicate, x, y);
}

Value compareInts(OpBuilder& b, Location loc, arith::CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(b, loc, predicate, x, y);
}

using UnaryMaker = Value (*)(OpBuilder&, Location, Value);
UnaryMaker floatUnary(Unary op) {
  switch (op) {
    case Unary::Neg:
      return makeUnary<arith::NegFOp>;
    case Unary::Abs:
      return makeUnary<math::AbsFOp>;
    case Unary::Sqrt:
      return makeUnary<math::SqrtOp>;
    case Unary::Rsqrt:
      return makeUnary<math::RsqrtOp>;
    case Unary::Exp:
      return makeUnary<math::ExpOp>;
    case Unary::Log:
      return makeUnary<math::LogOp>;
    case Unary::Floor:
      return makeUnary<math::FloorOp>;
    case Unary::Ceil:
      return makeUnary<math::CeilOp>;
    case Unary::Round:
      return makeUnary<math::RoundEvenOp>;
    case Unary::Erf:
      return makeUnary<math::ErfOp>;
    case Unary::Tanh:
      return makeUnary<math::TanhOp>;
    case Unary::Sin:
      return makeUnary<math::SinOp>;
    case Unary::Cos:
      return makeUnary<math::CosOp>;
    case Unary::Tan:
      return makeUnary<math::TanOp>;
    case Unary::Asin:
      return makeUnary<math::AsinOp>;
    case Unary::Acos:
      return makeUnary<math::AcosOp>;
    case Unary::Atan:
      return makeUnary<math::AtanOp>;
    case Unary::Sinh:
      return makeUnary<math::SinhOp>;
    case Unary::Cosh:
      return makeUnary<math::CoshOp>;
    case Unary::Asinh:
      return makeUnary<math::AsinhOp>;
    case Unary::Acosh:
      return makeUnary<math::AcoshOp>;
    case Unary::Atanh:
      return makeUnary<math::AtanhOp>;
    case Unary::Not:
      return nullptr;
  }
  return nullptr;
}

Value floatBinary(OpBuilder& b, Location loc, Binary op, Value x, Value y) {
  switch (op) {
    case Binary::Add:
      return makeBinary<arith::AddFOp>(b, loc, x, y);
    case Binary::Sub:
      return makeBinary<arith::SubFOp>(b, loc, x, y);
    case Binary::Mul:
      return makeBinary<arith::MulFOp>(b, loc, x, y);
    case Binary::Div:
      return makeBinary<arith::DivFOp>(b, loc, x, y);
    case Binary::Mod:
    case Binary::Fmod:
      return makeBinary<arith::RemFOp>(b, loc, x, y);
    case Binary::Pow:
      return makeBinary<math::PowFOp>(b, loc, x, y);
    case Binary::Min:
      return makeBinary<arith::MinimumFOp>(b, loc, x, y);
    case Binary::Max:
      return makeBinary<arith::MaximumFOp>(b, loc, x, y);
    case Binary::Equal:
      return compareFloats(b, loc, arith::CmpFPredicate::OEQ, x, y);
    case Binary::Less:
      return compareFloats(b, loc, arith::CmpFPredicate::OLT, x, y);
    case Binary::LessOrEqual:
      return compareFloats(b, loc, arith::CmpFPredicate::OLE, x, y);
    default:
      return nullptr;
  }
}

Value intBinary(OpBuilder& b, Location loc, Binary op, bool is_signed, Value x, Value y) {
  using P = arith::CmpIPredicate;
  switch (op) {
    case Binary::Add:
      return makeBinary<arith::AddIOp>(b, loc, x, y);
    case Binary::Sub:
      return makeBinary<arith::SubIOp>(b, loc, x, y);
    case Binary::Mul:
      return makeBinary<arith::MulIOp>(b, loc, x, y);
    case Binary::Div:
      return is_signed ? makeBinary<arith::DivSIOp>(b, loc, x, y) : makeBinary<arith::DivUIOp>(b, loc, x, y);
    case Binary::Fmod:
      return is_signed ? makeBinary<arith::RemSIOp>(b, loc, x, y) : makeBinary<arith::RemUIOp>(b, loc, x, y);
    case Binary::Mod: {
      if (!is_signed) {
        return makeBinary<arith::RemUIOp>(b, loc, x, y);
      }
      // The divisor's sign: ((x % y) + y) % y.
      Value rest = makeBinary<arith::RemSIOp>(b, loc, x, y);
      return makeBinary<arith::RemSIOp>(b, loc, makeBinary<arith::AddIOp>(b, loc, rest, y), y);
    }
    case Binary::Pow:
      return makeBinary<math::IPowIOp>(b, loc, x, y);
    case Binary::Min:
      return is_signed ? makeBinary<arith::MinSIOp>(b, loc, x, y) : makeBinary<arith::MinUIOp>(b, loc, x, y);
    case Binary::Max:
      return is_signed ? makeBinary<arith::MaxSIOp>(b, loc, x, y) : makeBinary<arith::MaxUIOp>(b, loc, x, y);
    case Binary::And:
      return makeBinary<arith::AndIOp>(b, loc, x, y);
    case Binary::Or:
      return makeBinary<arith::OrIOp>(b, loc, x, y);
    case Binary::Xor:
      return makeBinary<arith::XOrIOp>(b, loc, x, y);
    case Binary::Equal:
      return compareInts(b, loc, P::eq, x, y);
    case Binary::Less:
      return compareInts(b, loc, is_signed ? P::slt : P::ult, x, y);
    case Binary::LessOrEqual:
      return compareInts(b, loc, is_signed ? P::sle : P::ule, x, y);
  }
  return nullptr;
}

std::string typeName(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

bool isUnsigned(Type element) { return element.isUnsignedInteger() || element.isInteger(1); }

Type signlessOf(Type element) {
  return element.isUnsignedInteger() ? IntegerType::get(element.getContext(), element.getIntOrFloatBitWidth())
                                     : element;
}

Type withElement(Value value, Type element) { return cast<RankedTensorType>(value.getType()).clone(element); }

// The arith cast between two signless types.
Value convert(OpBuilder& b, Location loc, Value x, Type from, Type to, bool from_unsigned, bool to_unsigned) {
  Type type = withElement(x, to);
  auto from_float = dyn_cast<FloatType>(from);
  auto to_float = dyn_cast<FloatType>(to);
  if (from_float && to_float) {
    if (from_float.getWidth() == to_float.getWidth()) {  // f16 and bf16
      Value wide = arith::ExtFOp::create(b, loc, withElement(x, b.getF32Type()), x);
      return arith::TruncFOp::create(b, loc, type, wide);
    }
    return from_float.getWidth() < to_float.getWidth() ? arith::ExtFOp::create(b, loc, type, x).getResult()
                                                       : arith::TruncFOp::create(b, loc, type, x).getResult();
  }
  if (to_float) {
    return from_unsigned ? arith::UIToFPOp::create(b, loc, type, x).getResult()
                         : arith::SIToFPOp::create(b, loc, type, x).getResult();
  }
  if (from_float) {
    return to_unsigned ? arith::FPToUIOp::create(b, loc, type, x).getResult()
                       : arith::FPToSIOp::create(b, loc, type, x).getResult();
  }
  unsigned have = from.getIntOrFloatBitWidth();
  unsigned want = to.getIntOrFloatBitWidth();
  if (have == want) {
    return x;
  }
  if (have > want) {
    return arith::TruncIOp::create(b, loc, type, x);
  }
  return from_unsigned ? arith::ExtUIOp::create(b, loc, type, x).getResult()
                       : arith::ExtSIOp::create(b, loc, type, x).getResult();
}

}  // namespace

// `arith` works on signless integers: an unsigned tensor is reinterpreted around it.
Value TensorBuilder::signless(Value value) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  return signlessOf(element) == element
             ? value
             : tensor::BitcastOp::create(builder_, loc_, withElement(value, signlessOf(element)), value);
}

Tensor TensorBuilder::bitcast(const Tensor& x, Type element) {
  Tensor result = emit<tensor::BitcastOp>(x.sizes(), element, value(x));
  result.info().weight_expr = x.isWeight();
  return result;
}

Sizes TensorBuilder::broadcastSizes(ArrayRef<Tensor> xs) {
  Sizes sizes;
  for (const Tensor& x : xs) {
    if (x.rank() > static_cast<int64_t>(sizes.size())) {
      sizes.insert(sizes.begin(), x.rank() - sizes.size(), SizeExpr(1));
    }
    int64_t lead = sizes.size() - x.rank();
    for (int64_t d = 0; d < x.rank(); ++d) {
      SizeExpr& size = sizes[lead + d];
      if (size.Constant() == 1) {
        size = x.size(d);
      } else if (x.size(d).Constant() != 1) {
        size = facts_.unifyBroadcast(size, x.size(d), loc_);
      }
    }
  }
  return sizes;
}

Tensor TensorBuilder::unary(Unary op, const Tensor& x) {
  if (x.isKnown()) {
    std::vector<Scalar> elements;
    for (const Scalar& scalar : x.known()) {
      if (auto folded = foldUnary(op, scalar, x.element())) {
        elements.push_back(*folded);
      }
    }
    if (elements.size() == x.known().size()) {
      return withElements(x, std::move(elements), x.sizes());
    }
  }
  if (x.isFloat()) {
    return wrap(floatUnary(op)(builder_, loc_, value(x)), x.sizes());
  }
  switch (op) {
    case Unary::Abs:
      return x.element().isUnsignedInteger() ? x : wrap(makeUnary<math::AbsIOp>(builder_, loc_, value(x)), x.sizes());
    case Unary::Neg:
      return sub(number(0, x), x);
    case Unary::Not:
      if (x.element().isInteger(1)) {
        return binary(Binary::Xor, x, number(1, x));
      }
      break;
    case Unary::Floor:
    case Unary::Ceil:
    case Unary::Round:
      return x;
    default:
      break;
  }
  fail(loc_, "has no meaning on elements of type " + typeName(x.element()));
}

std::optional<Tensor> TensorBuilder::foldBinaryTensors(Binary op, const Tensor& a, const Tensor& b,
                                                       const Sizes& sizes) {
  if (!a.isKnown() || !b.isKnown() || !nn::typeOf(sizes, a.element()).hasStaticShape() ||
      nn::typeOf(sizes, a.element()).getNumElements() > kMaxKnownElements) {
    return std::nullopt;
  }
  Tensor left = broadcast(a, sizes);
  Tensor right = broadcast(b, sizes);
  std::vector<Scalar> elements;
  for (auto [x, y] : llvm::zip_equal(left.known(), right.known())) {
    auto folded = foldBinary(op, x, y, a.element(), facts_);
    if (!folded) {
      return std::nullopt;
    }
    elements.push_back(*folded);
  }
  return knownTensor(std::move(elements), sizes, isComparison(op) ? Type(builder_.getI1Type()) : a.element());
}

Tensor TensorBuilder::binary(Binary op, const Tensor& a, const Tensor& b) {
  if (a.element() != b.element()) {
    fail(loc_, "has operands of types " + typeName(a.element()) + " and " + typeName(b.element()));
  }
  Sizes sizes = broadcastSizes({a, b});
  if (auto folded = foldBinaryTensors(op, a, b, sizes)) {
    return *folded;
  }
  Value left = value(broadcast(a, sizes));
  Value right = value(broadcast(b, sizes));
  if (a.isFloat()) {
    Value result = floatBinary(builder_, loc_, op, left, right);
    if (!result) {
      fail(loc_, "has no meaning on elements of type " + typeName(a.element()));
    }
    return wrap(result, sizes);
  }
  Value result = intBinary(builder_, loc_, op, !isUnsigned(a.element()), signless(left), signless(right));
  Tensor wrapped = wrap(result, sizes);
  return a.element().isUnsignedInteger() && !isComparison(op) ? bitcast(wrapped, a.element()) : wrapped;
}

Tensor TensorBuilder::select(const Tensor& condition, const Tensor& a, const Tensor& b) {
  if (a.element() != b.element()) {
    fail(loc_, "has operands of types " + typeName(a.element()) + " and " + typeName(b.element()));
  }
  Sizes sizes = broadcastSizes({condition, a, b});
  if (auto which = condition.splat()) {
    return broadcast(*which != 0 ? a : b, sizes);
  }
  if (condition.isKnown() && a.isKnown() && b.isKnown()) {
    Tensor mask = broadcast(condition, sizes);
    Tensor yes = broadcast(a, sizes);
    Tensor no = broadcast(b, sizes);
    if (mask.isKnown() && yes.isKnown() && no.isKnown()) {
      std::vector<Scalar> elements;
      for (auto [m, y, n] : llvm::zip_equal(mask.known(), yes.known(), no.known())) {
        elements.push_back(*m.constant() != 0 ? y : n);
      }
      return withElements(a, std::move(elements), sizes);
    }
  }
  Value mask = value(broadcast(condition, sizes));
  Value yes = value(broadcast(a, sizes));
  Value no = value(broadcast(b, sizes));
  return wrap(arith::SelectOp::create(builder_, loc_, mask, yes, no), sizes);
}

Tensor TensorBuilder::cast(const Tensor& x, Type element) {
  Type from = x.element();
  if (from == element) {
    return x;
  }
  if (x.isKnown()) {
    std::vector<Scalar> elements;
    for (const Scalar& scalar : x.known()) {
      if (auto folded = foldCast(scalar, from, element, facts_)) {
        elements.push_back(*folded);
      }
    }
    if (elements.size() == x.known().size()) {
      return knownTensor(std::move(elements), x.sizes(), element);
    }
  }
  if (element.isInteger(1)) {
    if (x.isFloat()) {  // NaN is true
      Value zero = value(splat(number(0, x), x.sizes()));
      return wrap(compareFloats(builder_, loc_, arith::CmpFPredicate::UNE, value(x), zero), x.sizes());
    }
    return binary(Binary::Xor, binary(Binary::Equal, x, number(0, x)), number(1, builder_.getI1Type()));
  }
  Value in = signless(value(x));
  Value converted =
      convert(builder_, loc_, in, signlessOf(from), signlessOf(element), isUnsigned(from), isUnsigned(element));
  Tensor result = wrap(converted, x.sizes());
  result.info().weight_expr = x.isWeight();
  return signlessOf(element) == element ? result : bitcast(result, element);
}

Tensor TensorBuilder::isNan(const Tensor& x) {
  Value in = value(x);
  return wrap(compareFloats(builder_, loc_, arith::CmpFPredicate::UNO, in, in), x.sizes());
}

Tensor TensorBuilder::pow(const Tensor& a, const Tensor& b) {
  Tensor exponent = cast(b, a.element());
  auto power = exponent.splat();
  bool scalar = power && broadcastSizes({a, b}) == a.sizes() && !a.isKnown();
  if (scalar && *power == 1) {
    return a;
  }
  if (scalar && *power == 2) {
    return mul(a, a);
  }
  if (scalar && *power == 3) {
    return mul(mul(a, a), a);
  }
  if (scalar && a.isFloat() && *power == 0.5) {
    return unary(Unary::Sqrt, a);
  }
  if (scalar && a.isFloat() && *power == -1) {
    return div(number(1, a), a);
  }
  if (scalar && a.isFloat() && *power == -0.5) {
    return div(number(1, a), unary(Unary::Sqrt, a));
  }
  return binary(Binary::Pow, a, exponent);
}

Tensor TensorBuilder::sigmoid(const Tensor& x) {
  return div(number(1, x), add(unary(Unary::Exp, unary(Unary::Neg, x)), 1));
}

}  // namespace mlir::onnx_import
