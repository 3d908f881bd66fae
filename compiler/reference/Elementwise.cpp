// Element-wise definitions: `arith` and `math` on tensors, through one table of scalar functions.
#include <cmath>

#include "compiler/reference/Evaluator.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

namespace mlir::sluice::reference {
namespace {

unsigned widthOf(Type element) { return element.isIndex() ? 64 : element.getIntOrFloatBitWidth(); }

// An integer as its type's bits say: sign-extended, or zero-extended for i1 and unsigned types.
int64_t wrap(int64_t value, Type element) {
  unsigned width = widthOf(element);
  if (width >= 64) {
    return value;
  }
  uint64_t mask = (uint64_t{1} << width) - 1;
  uint64_t bits = static_cast<uint64_t>(value) & mask;
  bool isSigned = width > 1 && !element.isUnsignedInteger();
  return isSigned && (bits >> (width - 1)) ? static_cast<int64_t>(bits | ~mask) : static_cast<int64_t>(bits);
}

uint64_t unsignedBits(int64_t value, Type element) {
  unsigned width = widthOf(element);
  return width >= 64 ? static_cast<uint64_t>(value) : static_cast<uint64_t>(value) & ((uint64_t{1} << width) - 1);
}

template <double (*Fn)(double)>
LogicalResult unaryF(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& x = frame.in(op, 0);
  RefTensor y = RefTensor::make(x.element, x.sizes);
  for (size_t n = 0; n < x.f.size(); ++n) {
    y.f[n] = Fn(x.f[n]);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

template <double (*Fn)(double, double)>
LogicalResult binaryF(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& a = frame.in(op, 0);
  const RefTensor& b = frame.in(op, 1);
  if (a.sizes != b.sizes) {
    return op->emitOpError("operands have different sizes at run time");
  }
  RefTensor y = RefTensor::make(a.element, a.sizes);
  for (size_t n = 0; n < y.f.size(); ++n) {
    y.f[n] = Fn(a.f[n], b.f[n]);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

// Fn takes sign-extended values (as unsigned bits for the u-variants, see unsignedBits) and may overflow: wrapped
// after.
template <int64_t (*Fn)(int64_t, int64_t), bool Unsigned = false>
LogicalResult binaryI(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& a = frame.in(op, 0);
  const RefTensor& b = frame.in(op, 1);
  if (a.sizes != b.sizes) {
    return op->emitOpError("operands have different sizes at run time");
  }
  RefTensor y = RefTensor::make(a.element, a.sizes);
  for (size_t n = 0; n < y.i.size(); ++n) {
    int64_t l = Unsigned ? static_cast<int64_t>(unsignedBits(a.i[n], a.element)) : a.i[n];
    int64_t r = Unsigned ? static_cast<int64_t>(unsignedBits(b.i[n], a.element)) : b.i[n];
    y.i[n] = wrap(Fn(l, r), a.element);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

double add(double a, double b) { return a + b; }
double sub(double a, double b) { return a - b; }
double mul(double a, double b) { return a * b; }
double divide(double a, double b) { return a / b; }
double negate(double a) { return -a; }
double maximum(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b); }
double minimum(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b); }
double rsqrt(double a) { return 1.0 / std::sqrt(a); }
double roundEven(double a) { return std::nearbyint(a); }

int64_t addI(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
int64_t subI(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)); }
int64_t mulI(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); }
int64_t divS(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? subI(0, a) : a / b; }
int64_t remS(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }
int64_t floorDivS(int64_t a, int64_t b) { return divS(a, b) - (b != 0 && remS(a, b) != 0 && (a < 0) != (b < 0)); }
int64_t ceilDivS(int64_t a, int64_t b) { return divS(a, b) + (b != 0 && remS(a, b) != 0 && (a < 0) == (b < 0)); }
int64_t divU(int64_t a, int64_t b) {
  return b == 0 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) / static_cast<uint64_t>(b));
}
int64_t remU(int64_t a, int64_t b) {
  return b == 0 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) % static_cast<uint64_t>(b));
}
int64_t maxS(int64_t a, int64_t b) { return std::max(a, b); }
int64_t minS(int64_t a, int64_t b) { return std::min(a, b); }
int64_t maxU(int64_t a, int64_t b) { return static_cast<uint64_t>(a) > static_cast<uint64_t>(b) ? a : b; }
int64_t minU(int64_t a, int64_t b) { return static_cast<uint64_t>(a) < static_cast<uint64_t>(b) ? a : b; }
int64_t andI(int64_t a, int64_t b) { return a & b; }
int64_t orI(int64_t a, int64_t b) { return a | b; }
int64_t xorI(int64_t a, int64_t b) { return a ^ b; }
int64_t shl(int64_t a, int64_t b) { return b >= 64 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) << b); }
int64_t shrS(int64_t a, int64_t b) { return a >> std::min<int64_t>(b, 63); }
int64_t shrU(int64_t a, int64_t b) { return b >= 64 ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) >> b); }

bool compare(arith::CmpFPredicate predicate, double a, double b) {
  using P = arith::CmpFPredicate;
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
    case P::AlwaysFalse:
      return false;
    case P::OEQ:
      return a == b;
    case P::OGT:
      return a > b;
    case P::OGE:
      return a >= b;
    case P::OLT:
      return a < b;
    case P::OLE:
      return a <= b;
    case P::ONE:
      return !unordered && a != b;
    case P::ORD:
      return !unordered;
    case P::UEQ:
      return unordered || a == b;
    case P::UGT:
      return unordered || a > b;
    case P::UGE:
      return unordered || a >= b;
    case P::ULT:
      return unordered || a < b;
    case P::ULE:
      return unordered || a <= b;
    case P::UNE:
      return unordered || a != b;
    case P::UNO:
      return unordered;
    case P::AlwaysTrue:
      return true;
  }
  return false;
}

bool compare(arith::CmpIPredicate predicate, int64_t a, int64_t b, Type element) {
  using P = arith::CmpIPredicate;
  uint64_t ua = unsignedBits(a, element);
  uint64_t ub = unsignedBits(b, element);
  switch (predicate) {
    case P::eq:
      return ua == ub;
    case P::ne:
      return ua != ub;
    case P::slt:
      return a < b;
    case P::sle:
      return a <= b;
    case P::sgt:
      return a > b;
    case P::sge:
      return a >= b;
    case P::ult:
      return ua < ub;
    case P::ule:
      return ua <= ub;
    case P::ugt:
      return ua > ub;
    case P::uge:
      return ua >= ub;
  }
  return false;
}

LogicalResult evalCmpF(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& a = frame.in(op, 0);
  const RefTensor& b = frame.in(op, 1);
  RefTensor y = RefTensor::make(getElementTypeOrSelf(op->getResult(0)), a.sizes);
  for (size_t n = 0; n < a.f.size(); ++n) {
    y.i[n] = compare(cast<arith::CmpFOp>(op).getPredicate(), a.f[n], b.f[n]);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalCmpI(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& a = frame.in(op, 0);
  const RefTensor& b = frame.in(op, 1);
  RefTensor y = RefTensor::make(getElementTypeOrSelf(op->getResult(0)), a.sizes);
  for (size_t n = 0; n < a.i.size(); ++n) {
    y.i[n] = compare(cast<arith::CmpIOp>(op).getPredicate(), a.i[n], b.i[n], a.element);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalSelect(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& c = frame.in(op, 0);
  const RefTensor& a = frame.in(op, 1);
  const RefTensor& b = frame.in(op, 2);
  RefTensor y = RefTensor::make(a.element, a.sizes);
  for (int64_t n = 0; n < y.elements(); ++n) {
    y.copyElement(n, c.i[c.elements() == 1 ? 0 : n] ? a : b, n);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

// Any conversion between element types.  Float to integer truncates and saturates; unsigned sources read their bits.
template <bool UnsignedSource>
LogicalResult evalCast(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& x = frame.in(op, 0);
  Type element = getElementTypeOrSelf(op->getResult(0));
  RefTensor y = RefTensor::make(element, x.sizes);
  for (int64_t n = 0; n < x.elements(); ++n) {
    if (x.isFloat() && y.isFloat()) {
      y.f[n] = x.f[n];
    } else if (x.isFloat()) {
      double limit = std::ldexp(1.0, 63);
      double v = std::trunc(x.f[n]);
      y.i[n] = std::isnan(v) ? 0
                             : wrap(v >= limit   ? INT64_MAX
                                    : v < -limit ? INT64_MIN
                                                 : static_cast<int64_t>(v),
                                    element);
    } else if (y.isFloat()) {
      y.f[n] = UnsignedSource ? static_cast<double>(unsignedBits(x.i[n], x.element)) : static_cast<double>(x.i[n]);
    } else {
      y.i[n] = wrap(UnsignedSource ? static_cast<int64_t>(unsignedBits(x.i[n], x.element)) : x.i[n], element);
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalConstant(Operation* op, Frame& frame, Evaluator&) {
  Attribute attr = cast<arith::ConstantOp>(op).getValue();
  if (auto number = dyn_cast<IntegerAttr>(attr); number && number.getType().isIndex()) {
    frame.indices[op->getResult(0)] = number.getInt();
    return success();
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense) {
    return op->emitOpError("is no dense tensor");
  }
  RefTensor t = RefTensor::make(dense.getElementType(), dense.getType().getShape().vec());
  if (t.isFloat()) {
    bool lossy;
    for (auto [n, value] : llvm::enumerate(dense.getValues<APFloat>())) {
      APFloat number = value;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      t.f[n] = number.convertToDouble();
    }
  } else {
    for (auto [n, value] : llvm::enumerate(dense.getValues<APInt>())) {
      t.i[n] = wrap(static_cast<int64_t>(value.getZExtValue()), t.element);
    }
  }
  frame.set(op->getResult(0), std::move(t));
  return success();
}

LogicalResult evalIsNan(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& x = frame.in(op, 0);
  bool infinite = op->getName().getStringRef() == "math.isinf";
  RefTensor y = RefTensor::make(getElementTypeOrSelf(op->getResult(0)), x.sizes);
  for (size_t n = 0; n < x.f.size(); ++n) {
    y.i[n] = infinite ? std::isinf(x.f[n]) : std::isnan(x.f[n]);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalAbsI(Operation* op, Frame& frame, Evaluator&) {
  RefTensor y = frame.in(op, 0);
  for (int64_t& v : y.i) {
    v = wrap(v < 0 ? subI(0, v) : v, y.element);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalFma(Operation* op, Frame& frame, Evaluator&) {
  RefTensor y = frame.in(op, 2);
  for (size_t n = 0; n < y.f.size(); ++n) {
    y.f[n] += frame.in(op, 0).f[n] * frame.in(op, 1).f[n];
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

}  // namespace

void addElementwise(Definitions& t) {
  t["arith.constant"] = evalConstant;
  t["arith.addf"] = binaryF<add>;
  t["arith.subf"] = binaryF<sub>;
  t["arith.mulf"] = binaryF<mul>;
  t["arith.divf"] = binaryF<divide>;
  t["arith.remf"] = binaryF<std::fmod>;
  t["arith.maximumf"] = binaryF<maximum>;
  t["arith.minimumf"] = binaryF<minimum>;
  t["arith.maxnumf"] = binaryF<std::fmax>;
  t["arith.minnumf"] = binaryF<std::fmin>;
  t["arith.negf"] = unaryF<negate>;
  t["arith.addi"] = binaryI<addI>;
  t["arith.subi"] = binaryI<subI>;
  t["arith.muli"] = binaryI<mulI>;
  t["arith.divsi"] = binaryI<divS>;
  t["arith.remsi"] = binaryI<remS>;
  t["arith.floordivsi"] = binaryI<floorDivS>;
  t["arith.ceildivsi"] = binaryI<ceilDivS>;
  t["arith.divui"] = binaryI<divU, true>;
  t["arith.remui"] = binaryI<remU, true>;
  t["arith.maxsi"] = binaryI<maxS>;
  t["arith.minsi"] = binaryI<minS>;
  t["arith.maxui"] = binaryI<maxU, true>;
  t["arith.minui"] = binaryI<minU, true>;
  t["arith.andi"] = binaryI<andI>;
  t["arith.ori"] = binaryI<orI>;
  t["arith.xori"] = binaryI<xorI>;
  t["arith.shli"] = binaryI<shl>;
  t["arith.shrsi"] = binaryI<shrS>;
  t["arith.shrui"] = binaryI<shrU, true>;
  t["arith.cmpf"] = evalCmpF;
  t["arith.cmpi"] = evalCmpI;
  t["arith.select"] = evalSelect;
  for (const char* name : {"arith.extf", "arith.truncf", "arith.extsi", "arith.trunci", "arith.sitofp", "arith.fptosi",
                           "arith.fptoui", "arith.bitcast", "arith.index_cast"}) {
    t[name] = evalCast<false>;
  }
  t["tensor.bitcast"] = evalCast<false>;
  t["arith.extui"] = evalCast<true>;
  t["arith.uitofp"] = evalCast<true>;
  t["math.isnan"] = evalIsNan;
  t["math.isinf"] = evalIsNan;
  t["math.absi"] = evalAbsI;
  t["math.fma"] = evalFma;
  t["math.absf"] = unaryF<std::fabs>;
  t["math.ceil"] = unaryF<std::ceil>;
  t["math.floor"] = unaryF<std::floor>;
  t["math.round"] = unaryF<std::round>;
  t["math.roundeven"] = unaryF<roundEven>;
  t["math.trunc"] = unaryF<std::trunc>;
  t["math.exp"] = unaryF<std::exp>;
  t["math.exp2"] = unaryF<std::exp2>;
  t["math.expm1"] = unaryF<std::expm1>;
  t["math.log"] = unaryF<std::log>;
  t["math.log2"] = unaryF<std::log2>;
  t["math.log10"] = unaryF<std::log10>;
  t["math.log1p"] = unaryF<std::log1p>;
  t["math.sqrt"] = unaryF<std::sqrt>;
  t["math.rsqrt"] = unaryF<rsqrt>;
  t["math.cbrt"] = unaryF<std::cbrt>;
  t["math.sin"] = unaryF<std::sin>;
  t["math.cos"] = unaryF<std::cos>;
  t["math.tan"] = unaryF<std::tan>;
  t["math.asin"] = unaryF<std::asin>;
  t["math.acos"] = unaryF<std::acos>;
  t["math.atan"] = unaryF<std::atan>;
  t["math.sinh"] = unaryF<std::sinh>;
  t["math.cosh"] = unaryF<std::cosh>;
  t["math.tanh"] = unaryF<std::tanh>;
  t["math.asinh"] = unaryF<std::asinh>;
  t["math.acosh"] = unaryF<std::acosh>;
  t["math.atanh"] = unaryF<std::atanh>;
  t["math.erf"] = unaryF<std::erf>;
  t["math.erfc"] = unaryF<std::erfc>;
  t["math.atan2"] = binaryF<std::atan2>;
  t["math.powf"] = binaryF<std::pow>;
  t["math.copysign"] = binaryF<std::copysign>;
}

}  // namespace mlir::sluice::reference
