#include "compiler/onnx/Scalar.h"

#include <cmath>

namespace mlir::onnx_import {
namespace {

bool isFloat(Type element) { return isa<FloatType>(element); }

// Largest magnitude for which integers are folded as numbers: doubles hold these exactly.
constexpr int64_t kExact = int64_t{1} << 53;

std::optional<int64_t> integerBinary(Binary op, int64_t a, int64_t b) {
  switch (op) {
    case Binary::Div:
      return b == 0 ? std::nullopt : std::optional<int64_t>(a / b);
    case Binary::Mod:
      return b == 0 ? std::nullopt : std::optional<int64_t>(((a % b) + b) % b);
    case Binary::Fmod:
      return b == 0 ? std::nullopt : std::optional<int64_t>(a % b);
    case Binary::And:
      return a & b;
    case Binary::Or:
      return a | b;
    case Binary::Xor:
      return a ^ b;
    case Binary::Pow: {
      double value = std::pow(static_cast<double>(a), static_cast<double>(b));
      return std::fabs(value) < static_cast<double>(kExact) ? std::optional<int64_t>(std::llround(value))
                                                            : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

// Operators on sizes that stay sizes.
std::optional<SizeExpr> sizeBinary(Binary op, const SizeExpr& a, const SizeExpr& b, const Facts& facts) {
  switch (op) {
    case Binary::Add:
      return a + b;
    case Binary::Sub:
      return a - b;
    case Binary::Mul:
      return a * b;
    case Binary::Min:
      return facts.proveNonNegative(b - a) ? a : facts.proveNonNegative(a - b) ? b : SizeExpr::Min(a, b);
    case Binary::Max:
      return facts.proveNonNegative(a - b) ? a : facts.proveNonNegative(b - a) ? b : SizeExpr::Max(a, b);
    default:
      break;
  }
  auto left = a.Constant();
  auto right = b.Constant();
  if (left && right) {
    if (auto value = integerBinary(op, *left, *right)) {
      return SizeExpr(*value);
    }
    return std::nullopt;
  }
  if (op == Binary::Div) {
    if (auto quotient = divideExactly(a, b)) {
      return quotient;
    }
  }
  // C++'s and Python's division agree on operands that are not negative.
  bool plain = facts.proveNonNegative(a) && facts.proveNonNegative(b - SizeExpr(1));
  if (op == Binary::Div && plain) {
    return SizeExpr::FloorDiv(a, b);
  }
  if ((op == Binary::Mod || op == Binary::Fmod) && plain) {
    return SizeExpr::Mod(a, b);
  }
  return std::nullopt;
}

double realBinary(Binary op, double a, double b) {
  switch (op) {
    case Binary::Add:
      return a + b;
    case Binary::Sub:
      return a - b;
    case Binary::Mul:
      return a * b;
    case Binary::Div:
      return a / b;
    case Binary::Mod:
    case Binary::Fmod:
      return std::fmod(a, b);
    case Binary::Pow:
      return std::pow(a, b);
    case Binary::Min:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
    case Binary::Max:
      return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
    case Binary::Equal:
      return a == b;
    case Binary::Less:
      return a < b;
    case Binary::LessOrEqual:
      return a <= b;
    default:
      return NAN;
  }
}

// A number with a short decimal part as a fraction: 0.5 → {1, 2}.
std::optional<std::pair<int64_t, int64_t>> fractionOf(double value) {
  for (int64_t den = 1; den <= 4096; den *= 2) {
    double num = value * static_cast<double>(den);
    if (num == std::floor(num) && std::fabs(num) < static_cast<double>(kExact)) {
      return std::pair(static_cast<int64_t>(num), den);
    }
  }
  return std::nullopt;
}

// Float arithmetic on ratios of sizes.
std::optional<Scalar> ratioBinary(Binary op, Scalar a, Scalar b) {
  for (Scalar* x : {&a, &b}) {
    if (x->real) {
      auto fraction = fractionOf(x->number);
      if (!fraction) {
        return std::nullopt;
      }
      *x = {.size = SizeExpr(fraction->first), .divisor = fraction->second};
    }
  }
  switch (op) {
    case Binary::Add:
      return Scalar{.size = a.size * b.divisor + b.size * a.divisor, .divisor = a.divisor * b.divisor};
    case Binary::Sub:
      return Scalar{.size = a.size * b.divisor - b.size * a.divisor, .divisor = a.divisor * b.divisor};
    case Binary::Mul:
      return Scalar{.size = a.size * b.size, .divisor = a.divisor * b.divisor};
    case Binary::Div: {
      auto divisor = b.size.Constant();
      if (!divisor || *divisor <= 0) {
        return std::nullopt;
      }
      return Scalar{.size = a.size * b.divisor, .divisor = a.divisor * *divisor};
    }
    default:
      return std::nullopt;
  }
}

std::optional<bool> compareSizes(Binary op, const SizeExpr& a, const SizeExpr& b, const Facts& facts) {
  switch (op) {
    case Binary::Equal:
      return facts.decideEqual(a, b);
    case Binary::Less:
      return facts.decideLess(a, b);
    default: {
      auto greater = facts.decideLess(b, a);
      return greater ? std::optional<bool>(!*greater) : std::nullopt;
    }
  }
}

}  // namespace

std::optional<double> Scalar::constant() const {
  if (real) {
    return number;
  }
  auto value = size.Constant();
  return value ? std::optional<double>(static_cast<double>(*value) / static_cast<double>(divisor)) : std::nullopt;
}

bool Scalar::operator==(const Scalar& other) const {
  if (real != other.real) {
    return false;
  }
  return real ? number == other.number || (std::isnan(number) && std::isnan(other.number))
              : size == other.size && divisor == other.divisor;
}

double roundTo(Type element, double value) {
  auto type = dyn_cast<FloatType>(element);
  if (!type || type.isF64()) {
    return value;
  }
  if (type.isF32()) {
    return static_cast<double>(static_cast<float>(value));
  }
  bool inexact;
  APFloat rounded(value);
  rounded.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
  rounded.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  return rounded.convertToDouble();
}

std::optional<Scalar> foldUnary(Unary op, const Scalar& x, Type element) {
  if (!isFloat(element)) {
    if (op == Unary::Neg) {
      return Scalar::ofSize(SizeExpr(0) - x.size);
    }
    auto value = x.size.Constant();
    if (op == Unary::Abs && value) {
      return Scalar::ofSize(SizeExpr(std::abs(*value)));
    }
    if (op == Unary::Not && value) {
      return Scalar::ofSize(SizeExpr(*value == 0));
    }
    return std::nullopt;
  }
  if (!x.real) {
    switch (op) {
      case Unary::Neg:
        return Scalar{.size = SizeExpr(0) - x.size, .divisor = x.divisor};
      case Unary::Floor:
        return Scalar::ofSize(SizeExpr::FloorDiv(x.size, SizeExpr(x.divisor)));
      case Unary::Ceil:
        return Scalar::ofSize(SizeExpr::CeilDiv(x.size, SizeExpr(x.divisor)));
      default:
        break;
    }
  }
  auto value = x.constant();
  if (!value) {
    return std::nullopt;
  }
  auto number = [&](double result) { return Scalar::ofNumber(roundTo(element, result)); };
  switch (op) {
    case Unary::Neg:
      return number(-*value);
    case Unary::Abs:
      return number(std::fabs(*value));
    case Unary::Sqrt:
      return number(std::sqrt(*value));
    case Unary::Rsqrt:
      return number(1 / std::sqrt(*value));
    case Unary::Exp:
      return number(std::exp(*value));
    case Unary::Log:
      return number(std::log(*value));
    case Unary::Floor:
      return number(std::floor(*value));
    case Unary::Ceil:
      return number(std::ceil(*value));
    case Unary::Round:
      return number(std::nearbyint(*value));
    case Unary::Tanh:
      return number(std::tanh(*value));
    case Unary::Sin:
      return number(std::sin(*value));
    case Unary::Cos:
      return number(std::cos(*value));
    default:
      return std::nullopt;  // rare on constants: left to arith's folders
  }
}

std::optional<Scalar> foldBinary(Binary op, const Scalar& a, const Scalar& b, Type element, const Facts& facts) {
  if (isFloat(element)) {
    auto left = a.constant();
    auto right = b.constant();
    if (left && right) {
      double value = realBinary(op, *left, *right);
      return isComparison(op) ? Scalar::ofSize(SizeExpr(value != 0)) : Scalar::ofNumber(roundTo(element, value));
    }
    return isComparison(op) ? std::nullopt : ratioBinary(op, a, b);
  }
  if (isComparison(op)) {
    auto known = compareSizes(op, a.size, b.size, facts);
    return known ? std::optional<Scalar>(Scalar::ofSize(SizeExpr(*known))) : std::nullopt;
  }
  auto size = sizeBinary(op, a.size, b.size, facts);
  return size ? std::optional<Scalar>(Scalar::ofSize(*size)) : std::nullopt;
}

std::optional<Scalar> foldCast(const Scalar& x, Type from, Type to, const Facts& facts) {
  auto value = x.constant();
  if (isFloat(to)) {
    return value ? Scalar::ofNumber(roundTo(to, *value)) : x;
  }
  if (to.isInteger(1)) {
    if (value) {
      return Scalar::ofSize(SizeExpr(*value != 0));
    }
    if (x.divisor != 1) {
      return std::nullopt;
    }
    auto zero = facts.decideEqual(x.size, SizeExpr(0));
    return zero ? std::optional<Scalar>(Scalar::ofSize(SizeExpr(!*zero))) : std::nullopt;
  }
  if (x.real) {
    double whole = std::trunc(x.number);
    return std::fabs(whole) < static_cast<double>(kExact)
               ? std::optional<Scalar>(Scalar::ofSize(static_cast<int64_t>(whole)))
               : std::nullopt;
  }
  if (x.divisor == 1) {
    return x;
  }
  // C++ truncates; on what is not negative that is the floor.
  return facts.proveNonNegative(x.size)
             ? std::optional<Scalar>(Scalar::ofSize(SizeExpr::FloorDiv(x.size, SizeExpr(x.divisor))))
             : std::nullopt;
}

std::vector<Scalar> scalarsOf(DenseElementsAttr elements) {
  std::vector<Scalar> scalars;
  if (isFloat(elements.getElementType())) {
    for (APFloat value : elements.getValues<APFloat>()) {
      bool inexact;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
      scalars.push_back(Scalar::ofNumber(value.convertToDouble()));
    }
    return scalars;
  }
  bool isSigned = !elements.getElementType().isUnsignedInteger() && !elements.getElementType().isInteger(1);
  for (const APInt& value : elements.getValues<APInt>()) {
    scalars.push_back(
        Scalar::ofSize(SizeExpr(isSigned ? value.getSExtValue() : static_cast<int64_t>(value.getZExtValue()))));
  }
  return scalars;
}

DenseElementsAttr elementsOf(ArrayRef<Scalar> scalars, RankedTensorType type) {
  Type element = type.getElementType();
  if (auto floatType = dyn_cast<FloatType>(element)) {
    SmallVector<APFloat> values;
    for (const Scalar& scalar : scalars) {
      bool inexact;
      APFloat value(*scalar.constant());
      value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
      values.push_back(value);
    }
    return DenseElementsAttr::get(type, values);
  }
  SmallVector<APInt> values;
  for (const Scalar& scalar : scalars) {
    values.push_back(APInt(64, static_cast<uint64_t>(*scalar.size.Constant())).trunc(element.getIntOrFloatBitWidth()));
  }
  return DenseElementsAttr::get(type, values);
}

}  // namespace mlir::onnx_import
