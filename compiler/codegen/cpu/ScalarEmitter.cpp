#include "compiler/codegen/cpu/ScalarEmitter.h"

#include "llvm/ADT/StringSet.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::sluice::codegen {
namespace {

bool isNarrow(Type type) { return type.isF16() || type.isBF16(); }

// Math ops that LLVM turns into instructions by itself.
bool isInstruction(StringRef name) {
  static const llvm::StringSet<> names = {"math.absf",     "math.ceil",  "math.floor", "math.roundeven",
                                          "math.trunc",    "math.sqrt",  "math.round", "math.fma",
                                          "math.copysign", "math.absi",  "math.ctpop", "math.ctlz",
                                          "math.cttz",     "math.isnan", "math.isinf", "math.isfinite"};
  return names.contains(name);
}

}  // namespace

Type ScalarEmitter::registerType(Type type) {
  if (type.isBF16()) {
    return IntegerType::get(type.getContext(), 16);
  }
  if (auto integer = dyn_cast<IntegerType>(type)) {
    return IntegerType::get(type.getContext(), integer.getWidth());
  }
  return type;
}

Type ScalarEmitter::memoryType(Type type) {
  return type.isInteger(1) ? IntegerType::get(type.getContext(), 8) : registerType(type);
}

Value ScalarEmitter::fromMemory(OpBuilder& b, Location loc, Value loaded, Type type) {
  if (!type.isInteger(1)) {
    return loaded;
  }
  Value zero = arith::ConstantOp::create(b, loc, b.getI8IntegerAttr(0));
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, loaded, zero);
}

Value ScalarEmitter::toMemory(OpBuilder& b, Location loc, Value value, Type type) {
  return type.isInteger(1) ? arith::ExtUIOp::create(b, loc, b.getI8Type(), value).getResult() : value;
}

Value ScalarEmitter::constant(OpBuilder& b, Location loc, TypedAttr value) {
  if (auto number = dyn_cast<FloatAttr>(value); number && number.getType().isBF16()) {
    return arith::ConstantOp::create(b, loc, b.getIntegerAttr(b.getI16Type(), number.getValue().bitcastToAPInt()));
  }
  if (auto number = dyn_cast<IntegerAttr>(value); number && !number.getType().isIndex()) {
    return arith::ConstantOp::create(b, loc, b.getIntegerAttr(registerType(number.getType()), number.getValue()));
  }
  return arith::ConstantOp::create(b, loc, value);
}

Value ScalarEmitter::call(OpBuilder& b, Location loc, StringRef name, Type result, ValueRange args) {
  auto func = module_.lookupSymbol<func::FuncOp>(name);
  if (!func) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module_.getBody());
    func = func::FuncOp::create(b, loc, name, b.getFunctionType(args.getTypes(), result));
    func.setPrivate();
  }
  return func::CallOp::create(b, loc, func, args).getResult(0);
}

Value ScalarEmitter::widen(OpBuilder& b, Location loc, Value value, Type type) {
  if (type.isBF16()) {
    return call(b, loc, "sl_widen_bf16", b.getF32Type(), value);
  }
  return type.isF16() ? arith::ExtFOp::create(b, loc, b.getF32Type(), value).getResult() : value;
}

Value ScalarEmitter::narrow(OpBuilder& b, Location loc, Value value, Type type) {
  if (isNarrow(type) && value.getType().isF64()) {
    value = arith::TruncFOp::create(b, loc, b.getF32Type(), value);
  }
  if (type.isBF16()) {
    return call(b, loc, "sl_narrow_bf16", b.getI16Type(), value);
  }
  return type.isF16() ? arith::TruncFOp::create(b, loc, type, value).getResult() : value;
}

// Conversions with a float on either side; integer ones are plain.
LogicalResult ScalarEmitter::emitCast(OpBuilder& b, Operation* op, IRMapping& values) {
  Location loc = op->getLoc();
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  Value x = values.lookup(op->getOperand(0));
  x = widen(b, loc, x, from);
  Type wide = isNarrow(to) ? Type(b.getF32Type()) : registerType(to);
  Value y = x;
  if (isa<arith::ExtFOp, arith::TruncFOp>(op)) {
    unsigned have = x.getType().getIntOrFloatBitWidth(), want = wide.getIntOrFloatBitWidth();
    if (have < want) {
      y = arith::ExtFOp::create(b, loc, wide, x);
    } else if (have > want) {
      y = arith::TruncFOp::create(b, loc, wide, x);
    }
  } else if (isa<arith::SIToFPOp>(op)) {
    y = arith::SIToFPOp::create(b, loc, wide, x);
  } else if (isa<arith::UIToFPOp>(op)) {
    y = arith::UIToFPOp::create(b, loc, wide, x);
  } else if (isa<arith::FPToSIOp>(op)) {
    y = arith::FPToSIOp::create(b, loc, wide, x);
  } else {
    y = arith::FPToUIOp::create(b, loc, wide, x);
  }
  values.map(op->getResult(0), narrow(b, loc, y, to));
  return success();
}

// Integer division never traps: a zero divisor gives 0, and the most negative number by −1 wraps.
LogicalResult ScalarEmitter::emitDivision(OpBuilder& b, Operation* op, IRMapping& values) {
  Location loc = op->getLoc();
  Value x = values.lookup(op->getOperand(0)), y = values.lookup(op->getOperand(1));
  Type type = y.getType();
  Value zero = arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, 0));
  Value one = arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, 1));
  Value minusOne = arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, -1));
  auto equals = [&](Value v) { return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, v).getResult(); };
  bool isSigned = !isa<arith::DivUIOp, arith::RemUIOp>(op);
  bool isRemainder = isa<arith::RemSIOp, arith::RemUIOp>(op);
  Value byZero = equals(zero);
  Value special = isSigned ? arith::OrIOp::create(b, loc, byZero, equals(minusOne)).getResult() : byZero;
  Value divisor = arith::SelectOp::create(b, loc, special, one, y);
  OperationState state(loc, op->getName(), ValueRange{x, divisor}, {type});
  Value result = b.create(state)->getResult(0);
  if (isSigned && !isRemainder) {
    Value negated = arith::SubIOp::create(b, loc, zero, x);
    result = arith::SelectOp::create(b, loc, equals(minusOne), negated, result);
  }
  values.map(op->getResult(0), arith::SelectOp::create(b, loc, byZero, zero, result));
  return success();
}

// A transcendental function: a call of sl_NAME_f32 or sl_NAME_f64.
LogicalResult ScalarEmitter::emitMath(OpBuilder& b, Operation* op, IRMapping& values) {
  static const llvm::StringSet<> known = {"exp",  "exp2",  "expm1", "log",   "log2", "log10", "log1p", "pow",  "cbrt",
                                          "sin",  "cos",   "tan",   "asin",  "acos", "atan",  "atan2", "sinh", "cosh",
                                          "tanh", "asinh", "acosh", "atanh", "erf",  "erfc",  "fmod"};
  Location loc = op->getLoc();
  Type type = op->getResult(0).getType();
  SmallVector<Value> args;
  for (Value operand : op->getOperands()) {
    args.push_back(widen(b, loc, values.lookup(operand), type));
  }
  Type wide = args[0].getType();
  StringRef full = op->getName().getStringRef();
  StringRef name = full == "math.powf" ? "pow" : full == "arith.remf" ? "fmod" : full.drop_front(5);
  Value result;
  if (name == "rsqrt") {
    Value one = arith::ConstantOp::create(b, loc, b.getFloatAttr(wide, 1.0));
    result = arith::DivFOp::create(b, loc, one, math::SqrtOp::create(b, loc, args[0]));
  } else if (known.contains(name)) {
    result = call(b, loc, ("sl_" + name + (wide.isF64() ? "_f64" : "_f32")).str(), wide, args);
  } else {
    return op->emitOpError("has no implementation in generated kernels");
  }
  values.map(op->getResult(0), narrow(b, loc, result, type));
  return success();
}

// Any op that stays itself: on registers, in f32 where its floats are narrower.
LogicalResult ScalarEmitter::emitPlain(OpBuilder& b, Operation* op, IRMapping& values) {
  Location loc = op->getLoc();
  bool select = isa<arith::SelectOp>(op);  // moves bits: no need to widen
  SmallVector<Value> args;
  for (Value operand : op->getOperands()) {
    Value value = values.lookup(operand);
    args.push_back(select ? value : widen(b, loc, value, operand.getType()));
  }
  Type type = op->getResult(0).getType();
  Type wide = !select && isNarrow(type) ? Type(b.getF32Type()) : registerType(type);
  OperationState state(loc, op->getName(), args, {wide}, op->getAttrs());
  Operation* made = b.create(state);
  if (auto fast = dyn_cast<arith::ArithFastMathInterface>(made)) {
    made->setAttr(fast.getFastMathAttrName(),
                  arith::FastMathFlagsAttr::get(b.getContext(), arith::FastMathFlags::contract));
  }
  Value result = made->getResult(0);
  values.map(op->getResult(0), select ? result : narrow(b, loc, result, type));
  return success();
}

LogicalResult ScalarEmitter::emit(OpBuilder& b, Operation* op, IRMapping& values) {
  if (auto c = dyn_cast<arith::ConstantOp>(op)) {
    values.map(c.getResult(), constant(b, op->getLoc(), c.getValue()));
    return success();
  }
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp, arith::FPToUIOp>(op)) {
    return emitCast(b, op, values);
  }
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp>(op)) {
    return emitDivision(b, op, values);
  }
  StringRef name = op->getName().getStringRef();
  if (name == "arith.remf" || (name.starts_with("math.") && !isInstruction(name))) {
    return emitMath(b, op, values);
  }
  if (op->getNumResults() != 1 || op->getNumRegions() != 0 ||
      !(name.starts_with("arith.") || name.starts_with("math."))) {
    return op->emitOpError("cannot stand in a generated kernel");
  }
  return emitPlain(b, op, values);
}

}  // namespace mlir::sluice::codegen
