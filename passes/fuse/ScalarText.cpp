#include "passes/fuse/ScalarText.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::sluice::fuse {

using llvm::formatv;

namespace {

bool isNarrow(Type type) { return type.isF16() || type.isBF16(); }

std::string unsignedOf(Type type) {
  return type.isInteger(1) ? "bool" : type.isIndex() ? "uint64_t" : "u" + ScalarText::type(type);
}

// The C++ operator of an op that has one.
StringRef operatorOf(StringRef name) {
  static const llvm::StringMap<StringRef> operators = {{"arith.addf", "+"}, {"arith.subf", "-"}, {"arith.mulf", "*"},
                                                       {"arith.divf", "/"}, {"arith.addi", "+"}, {"arith.subi", "-"},
                                                       {"arith.muli", "*"}, {"arith.andi", "&"}, {"arith.ori", "|"},
                                                       {"arith.xori", "^"}, {"arith.shli", "<<"}};
  return operators.lookup(name);
}

// The function of kernels/device/scalar.cuh (or of C++) of a float op.
std::string functionOf(StringRef name) {
  static const llvm::StringMap<StringRef> own = {{"arith.maximumf", "sl::maximum"}, {"arith.minimumf", "sl::minimum"},
                                                 {"arith.maxnumf", "sl::maxnum"},   {"arith.minnumf", "sl::minnum"},
                                                 {"arith.remf", "sl::fmod_"},       {"arith.negf", "-"}};
  if (auto it = own.find(name); it != own.end()) {
    return it->second.str();
  }
  static const llvm::StringMap<int> functions = {
      {"absf", 1},  {"acos", 1},      {"acosh", 1}, {"asin", 1},  {"asinh", 1}, {"atan", 1},     {"atan2", 1},
      {"atanh", 1}, {"cbrt", 1},      {"ceil", 1},  {"cos", 1},   {"cosh", 1},  {"copysign", 1}, {"erf", 1},
      {"erfc", 1},  {"exp", 1},       {"exp2", 1},  {"expm1", 1}, {"floor", 1}, {"fma", 1},      {"log", 1},
      {"log10", 1}, {"log1p", 1},     {"log2", 1},  {"powf", 1},  {"round", 1}, {"rsqrt", 1},    {"sin", 1},
      {"sinh", 1},  {"roundeven", 1}, {"sqrt", 1},  {"tan", 1},   {"tanh", 1},  {"trunc", 1}};
  return name.consume_front("math.") && functions.count(name) ? formatv("sl::{0}_", name).str() : "";
}

// What kernels/device/scalar.cuh has for halves too, as it is written between two operands or before them.
bool isHalfOperator(StringRef sign) { return sign == "+" || sign == "-" || sign == "*"; }
bool isHalfFunction(StringRef name) { return name == "arith.maximumf" || name == "arith.minimumf"; }

// Of an op whose result has 16 bits, where exactness of f32 is the larger part of its time.
StringRef narrowFunctionOf(StringRef name) {
  static const llvm::StringMap<StringRef> functions = {
      {"arith.divf", "divide"}, {"math.erf", "erf_"}, {"math.exp", "exp_"}, {"math.tanh", "tanh_"}};
  return functions.lookup(name);
}

}  // namespace

std::string ScalarText::type(Type type) {
  if (type.isF64()) {
    return "double";
  }
  if (type.isF32()) {
    return "float";
  }
  if (isNarrow(type)) {
    return type.isF16() ? "sl::f16" : "sl::bf16";
  }
  if (type.isIndex()) {
    return "int64_t";
  }
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() < 8) {
    return integer && integer.getWidth() == 1 ? "bool" : "";
  }
  return formatv("{0}int{1}_t", integer.isUnsigned() ? "u" : "", integer.getWidth()).str();
}

std::string ScalarText::held(Type type) const {
  if (lanes_ == 1) {
    return ScalarText::type(type);
  }
  return isNarrow(type) ? "sl::Two<" + ScalarText::type(type) + ">" : "";
}

std::string ScalarText::memoryType(Type type) { return type.isInteger(1) ? "uint8_t" : ScalarText::type(type); }

std::string literal(TypedAttr value) {
  if (auto number = dyn_cast<FloatAttr>(value)) {
    uint64_t bits = number.getValue().bitcastToAPInt().getZExtValue();
    Type type = number.getType();
    return type.isF64()   ? formatv("__longlong_as_double({0:x}ll)", bits).str()
           : type.isF32() ? formatv("__uint_as_float({0:x}u)", bits).str()
                          : formatv("{0}{{{1:x}}", ScalarText::type(type), bits).str();
  }
  auto integer = dyn_cast<IntegerAttr>(value);
  if (!integer) {
    return "";
  }
  if (integer.getType().isInteger(1)) {
    return integer.getValue().isZero() ? "false" : "true";
  }
  return formatv("static_cast<{0}>({1:x}ull)", ScalarText::type(integer.getType()),
                 static_cast<uint64_t>(integer.getValue().getSExtValue()))
      .str();
}

std::string ScalarText::conversion(Operation* op) {
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  std::string x = (*this)[op->getOperand(0)];
  if (isa<arith::UIToFPOp, arith::ExtUIOp, arith::IndexCastUIOp>(op)) {
    x = formatv("static_cast<{0}>({1})", unsignedOf(from), x);
  } else if (from.isInteger(1) && isa<arith::SIToFPOp, arith::ExtSIOp, arith::IndexCastOp>(op)) {
    x = formatv("(-static_cast<int>({0}))", x);
  } else if (isNarrow(from)) {
    x = formatv("sl::widen({0})", x);
  }
  if (isa<arith::FPToUIOp>(op)) {
    return formatv("static_cast<{0}>(static_cast<{1}>({2}))", type(to), unsignedOf(to), x);
  }
  if (to.isInteger(1)) {
    return formatv("(({0}) & 1) != 0", isa<FloatType>(from) ? "static_cast<int64_t>(" + x + ")" : x);
  }
  return isNarrow(to) ? formatv("sl::from_float<{0}>(static_cast<float>({1}))", type(to), x).str()
                      : formatv("static_cast<{0}>({1})", type(to), x).str();
}

std::string ScalarText::compare(Operation* op) {
  std::string a = (*this)[op->getOperand(0)], b = (*this)[op->getOperand(1)];
  if (auto integers = dyn_cast<arith::CmpIOp>(op)) {
    static constexpr const char* kSigns[] = {"==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">="};
    auto predicate = static_cast<unsigned>(integers.getPredicate());
    std::string as = predicate < 6 ? type(op->getOperand(0).getType()) : unsignedOf(op->getOperand(0).getType());
    return formatv("static_cast<{0}>({1}) {2} static_cast<{0}>({3})", as, a, kSigns[predicate], b);
  }
  if (isNarrow(op->getOperand(0).getType())) {
    a = formatv("sl::widen({0})", a);
    b = formatv("sl::widen({0})", b);
  }
  using P = arith::CmpFPredicate;
  auto text = [&](const char* form) { return formatv(form, a, b).str(); };
  switch (cast<arith::CmpFOp>(op).getPredicate()) {
    case P::AlwaysFalse:
      return "false";
    case P::AlwaysTrue:
      return "true";
    case P::OEQ:
      return text("{0} == {1}");
    case P::OGT:
      return text("{0} > {1}");
    case P::OGE:
      return text("{0} >= {1}");
    case P::OLT:
      return text("{0} < {1}");
    case P::OLE:
      return text("{0} <= {1}");
    case P::ONE:
      return text("{0} < {1} || {0} > {1}");
    case P::ORD:
      return text("{0} == {0} && {1} == {1}");
    case P::UEQ:
      return text("!({0} < {1} || {0} > {1})");
    case P::UGT:
      return text("!({0} <= {1})");
    case P::UGE:
      return text("!({0} < {1})");
    case P::ULT:
      return text("!({0} >= {1})");
    case P::ULE:
      return text("!({0} > {1})");
    case P::UNE:
      return text("{0} != {1}");
    case P::UNO:
      return text("{0} != {0} || {1} != {1}");
  }
  return "";
}

std::string ScalarText::integer(Operation* op) {
  Type type = op->getResult(0).getType();
  std::string to = ScalarText::type(type), u = unsignedOf(type), a = (*this)[op->getOperand(0)];
  std::string b = op->getNumOperands() > 1 ? (*this)[op->getOperand(1)] : "";
  auto call = [&](StringRef function, StringRef as) {
    return formatv("static_cast<{0}>({1}(static_cast<{2}>({3}), static_cast<{2}>({4})))", to, function, as, a, b).str();
  };
  auto choose = [&](StringRef sign, StringRef as) {
    return formatv("static_cast<{0}>({2}) {1} static_cast<{0}>({3}) ? {2} : {3}", as, sign, a, b).str();
  };
  StringRef name = op->getName().getStringRef();
  if (StringRef sign = operatorOf(name); !sign.empty()) {
    // Unsigned arithmetic wraps, as the IR's does.
    std::string wide = type.isInteger(1) ? "int" : "uint64_t";
    std::string sum = formatv("static_cast<{0}>({1}) {2} static_cast<{0}>({3})", wide, a, sign, b);
    return type.isInteger(1) ? "((" + sum + ") & 1) != 0" : formatv("static_cast<{0}>({1})", to, sum).str();
  }
  return name == "arith.divsi"        ? call("sl::divide", to)
         : name == "arith.divui"      ? call("sl::divide", u)
         : name == "arith.remsi"      ? call("sl::remainder", to)
         : name == "arith.remui"      ? call("sl::remainder", u)
         : name == "arith.floordivsi" ? call("sl::floor_divide", to)
         : name == "arith.ceildivsi"  ? call("sl::ceil_divide", to)
         : name == "arith.maxsi"      ? choose(">", to)
         : name == "arith.maxui"      ? choose(">", u)
         : name == "arith.minsi"      ? choose("<", to)
         : name == "arith.minui"      ? choose("<", u)
         : name == "arith.shrsi"      ? formatv("static_cast<{0}>({1} >> {2})", to, a, b).str()
         : name == "arith.shrui"      ? formatv("static_cast<{0}>(static_cast<{1}>({2}) >> {3})", to, u, a, b).str()
         : name == "math.absi"        ? formatv("static_cast<{0}>({1} < 0 ? 0 - {1} : {1})", to, a).str()
         : name == "math.ctpop"       ? formatv("static_cast<{0}>(__popcll(static_cast<{1}>({2})))", to, u, a).str()
                                      : "";
}

std::string ScalarText::real(Operation* op) {
  Type type = op->getResult(0).getType();
  StringRef name = op->getName().getStringRef(), sign = operatorOf(name);
  std::string function = functionOf(name);
  SmallVector<std::string> args, wide;
  for (Value operand : op->getOperands()) {
    args.push_back((*this)[operand]);
    wide.push_back(isNarrow(operand.getType()) ? formatv("sl::widen({0})", args.back()).str() : args.back());
  }
  auto call = [](StringRef callee, ArrayRef<std::string> of) {
    return formatv("{0}({1})", callee, llvm::join(of, ", ")).str();
  };
  if (isNarrow(type)) {
    if (isHalfOperator(sign)) {
      return formatv("{0} {1} {2}", args[0], sign, args[1]);
    }
    if (isHalfFunction(name)) {
      return call(function, args);
    }
    if (StringRef quick = narrowFunctionOf(name); !quick.empty()) {
      return call(formatv("sl::narrow_result::{0}", quick).str(), args);
    }
  }
  std::string text = !sign.empty()       ? formatv("{0} {1} {2}", wide[0], sign, wide[1]).str()
                     : !function.empty() ? call(function, wide)
                                         : "";
  return text.empty() || !isNarrow(type) ? text : formatv("sl::narrow<{0}>({1})", held(type), text).str();
}

std::string ScalarText::expression(Operation* op) {
  bool functions = op->getName().getDialectNamespace() == "math" && isa<FloatType>(op->getResult(0).getType());
  if (lanes_ > 1 && !functions &&
      !isa<arith::ConstantOp, arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp, arith::MaximumFOp,
           arith::MinimumFOp>(op)) {
    return "";
  }
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    return literal(constant.getValue());
  }
  if (auto select = dyn_cast<arith::SelectOp>(op)) {
    return formatv("{0} ? {1} : {2}", (*this)[select.getCondition()], (*this)[select.getTrueValue()],
                   (*this)[select.getFalseValue()]);
  }
  if (isa<arith::CmpIOp, arith::CmpFOp>(op)) {
    return compare(op);
  }
  if (isa<arith::BitcastOp>(op)) {
    Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
    return formatv("sl::bits_as<{0}, {1}>({2})", type(to), type(from), (*this)[op->getOperand(0)]);
  }
  StringRef name = op->getName().getStringRef();
  if (isa<math::IsNaNOp, math::IsInfOp, math::IsFiniteOp>(op)) {
    std::string x = (*this)[op->getOperand(0)];
    x = isNarrow(op->getOperand(0).getType()) ? "sl::widen(" + x + ")" : x;
    return isa<math::IsNaNOp>(op)   ? formatv("{0} != {0}", x).str()
           : isa<math::IsInfOp>(op) ? formatv("sl::absf_({0}) == __uint_as_float(0x7f800000u)", x).str()
                                    : formatv("sl::absf_({0}) < __uint_as_float(0x7f800000u)", x).str();
  }
  if (isa<CastOpInterface>(op)) {
    return conversion(op);
  }
  if (!name.starts_with("arith.") && !name.starts_with("math.")) {
    return "";
  }
  return isa<FloatType>(op->getResult(0).getType()) ? real(op) : integer(op);
}

bool ScalarText::print(Operation* op, std::string& lines) {
  if (op->getNumResults() != 1 || op->getNumRegions() != 0) {
    return false;
  }
  std::string to = held(op->getResult(0).getType());
  for (Value operand : op->getOperands()) {
    bool mixed = lanes_ > 1 && operand.getType() != op->getResult(0).getType();
    to = held(operand.getType()).empty() || mixed || !names_.count(operand) ? "" : to;
  }
  std::string text = to.empty() ? "" : expression(op);
  if (text.empty()) {
    return false;
  }
  std::string result = "v" + std::to_string(count_++);
  lines += formatv("    const {0} {1} = {2};\n", to, result, text);
  name(op->getResult(0), result);
  return true;
}

}  // namespace mlir::sluice::fuse
