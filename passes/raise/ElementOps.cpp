// Element-wise arithmetic of symbolic elements.
#include <cmath>

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/raise/ElementExpr.h"

namespace mlir::sluice::raise {

namespace {

double roundTo(double value, FloatType type) {
  APFloat number(value);
  bool lossy;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return number.convertToDouble();
}

// Signed comparisons; unsigned ones only for equality.
std::optional<Cmp> comparison(arith::CmpIPredicate predicate) {
  switch (predicate) {
    case arith::CmpIPredicate::eq:
      return Cmp::kEq;
    case arith::CmpIPredicate::ne:
      return Cmp::kNe;
    case arith::CmpIPredicate::slt:
      return Cmp::kLt;
    case arith::CmpIPredicate::sle:
      return Cmp::kLe;
    case arith::CmpIPredicate::sgt:
      return Cmp::kGt;
    case arith::CmpIPredicate::sge:
      return Cmp::kGe;
    default:
      return std::nullopt;
  }
}

// Mask values are no NaN, so ordered and unordered comparisons agree.
std::optional<Cmp> comparison(arith::CmpFPredicate predicate) {
  using P = arith::CmpFPredicate;
  switch (predicate) {
    case P::OEQ:
    case P::UEQ:
      return Cmp::kEq;
    case P::ONE:
    case P::UNE:
      return Cmp::kNe;
    case P::OLT:
    case P::ULT:
      return Cmp::kLt;
    case P::OLE:
    case P::ULE:
      return Cmp::kLe;
    case P::OGT:
    case P::UGT:
      return Cmp::kGt;
    case P::OGE:
    case P::UGE:
      return Cmp::kGe;
    default:
      return std::nullopt;
  }
}

bool isNumber(Expr e) { return e->kind == Node::kNumber || e->kind == Node::kSelect; }
bool isBoolTensor(Value v) { return getElementTypeOrSelf(v.getType()).isInteger(1); }

}  // namespace

Expr ElementExpr::rounded(Expr x, Type type) {
  auto floatType = dyn_cast<FloatType>(type);
  if (!floatType || !isNumber(x)) {
    return x;
  }
  return context_.map(x, [&](const Poly& p) {
    auto c = p.constant();
    return c ? context_.constant(roundTo(*c, floatType)) : context_.number(p);
  });
}

std::optional<Expr> ElementExpr::elementwise(Operation* op, const Indices& indices) {
  SmallVector<Expr> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(element(operand, isa<RankedTensorType>(operand.getType()) ? indices : Indices{}));
  }
  std::optional<Expr> result;
  if (isBoolTensor(op->getResult(0)) || (operands[0] && !isNumber(operands[0]))) {
    result = logic(op, operands);
  } else if (operands.size() == 1) {
    result = conversion(op, operands[0]);
  } else {
    result = arithmetic(op, operands);
  }
  if (result && op->getNumResults() == 1) {
    return rounded(*result, getElementTypeOrSelf(op->getResult(0).getType()));
  }
  return std::nullopt;
}

// Everything with a boolean operand or result.
std::optional<Expr> ElementExpr::logic(Operation* op, ArrayRef<Expr> x) {
  using Result = std::optional<Expr>;
  Expr one = context_.constant(1), zero = context_.constant(0);
  auto asNumber = [&](Expr e) { return isNumber(e) ? e : context_.select(e, one, zero); };
  return TypeSwitch<Operation*, Result>(op)
      .Case([&](arith::SelectOp) -> Result {
        return isNumber(x[1]) ? context_.select(x[0], x[1], x[2]) : context_.choice(x[0], x[1], x[2]);
      })
      .Case<arith::AndIOp, arith::MulIOp, arith::MinUIOp, arith::MaxSIOp>(
          [&](Operation*) { return context_.andOf(x[0], x[1]); })
      .Case<arith::OrIOp, arith::MaxUIOp, arith::MinSIOp>([&](Operation*) { return context_.orOf(x[0], x[1]); })
      .Case<arith::XOrIOp, arith::AddIOp, arith::SubIOp>(
          [&](Operation*) { return context_.choice(x[0], context_.notOf(x[1]), x[1]); })
      .Case([&](arith::CmpIOp cmp) -> Result {
        auto predicate = comparison(cmp.getPredicate());
        bool booleans = !isNumber(x[0]);
        if (!predicate || (booleans && *predicate != Cmp::kEq && *predicate != Cmp::kNe)) {
          return std::nullopt;  // an order of booleans depends on their sign
        }
        return context_.compare(*predicate, asNumber(x[0]), asNumber(x[1]));
      })
      .Case([&](arith::CmpFOp cmp) -> Result {
        auto predicate = comparison(cmp.getPredicate());
        return predicate ? Result(context_.compare(*predicate, x[0], x[1])) : std::nullopt;
      })
      .Case<arith::ExtUIOp, arith::UIToFPOp>([&](Operation*) { return context_.select(x[0], one, zero); })
      .Case<arith::ExtSIOp, arith::SIToFPOp>(
          [&](Operation*) { return context_.select(x[0], context_.constant(-1), zero); })
      .Default([](Operation*) -> Result { return std::nullopt; });
}

std::optional<Expr> ElementExpr::conversion(Operation* op, Expr x) {
  using Result = std::optional<Expr>;
  // The function of constants; nothing for other leaves.
  auto folded = [&](double (*f)(double)) -> Result {
    bool known = true;
    Expr y = context_.map(x, [&](const Poly& p) {
      auto c = p.constant();
      known &= c.has_value();
      return context_.constant(f(c.value_or(0)));
    });
    return known ? Result(y) : std::nullopt;
  };
  return TypeSwitch<Operation*, Result>(op)
      .Case<arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::SIToFPOp,
            arith::UIToFPOp, arith::IndexCastOp, tensor::BitcastOp>([&](Operation*) { return x; })
      .Case<arith::FPToSIOp, arith::FPToUIOp>([&](Operation*) -> Result {
        bool whole = true;
        Expr y = context_.map(x, [&](const Poly& p) {
          if (auto c = p.constant()) {
            return context_.constant(std::trunc(*c));
          }
          for (const auto& [monomial, c] : p.terms) {
            whole &= c == std::floor(c) && llvm::all_of(monomial, [&](unsigned id) { return context_.atom(id).whole; });
          }
          return context_.number(p);
        });
        return whole ? Result(y) : std::nullopt;
      })
      .Case([&](arith::NegFOp) { return context_.sub(context_.constant(0), x); })
      .Case<math::AbsFOp, math::AbsIOp>(
          [&](Operation*) { return context_.max(x, context_.sub(context_.constant(0), x)); })
      .Case([&](math::SqrtOp) { return folded([](double v) { return std::sqrt(v); }); })
      .Case([&](math::RsqrtOp) { return folded([](double v) { return 1 / std::sqrt(v); }); })
      .Case([&](math::FloorOp) { return folded([](double v) { return std::floor(v); }); })
      .Case([&](math::CeilOp) { return folded([](double v) { return std::ceil(v); }); })
      .Case([&](math::ExpOp) { return folded([](double v) { return std::exp(v); }); })
      .Case([&](math::Exp2Op) { return folded([](double v) { return std::exp2(v); }); })
      .Case([&](math::LogOp) { return folded([](double v) { return std::log(v); }); })
      .Default([](Operation*) -> Result { return std::nullopt; });
}

std::optional<Expr> ElementExpr::arithmetic(Operation* op, ArrayRef<Expr> x) {
  using Result = std::optional<Expr>;
  // Floor division needs a positive divisor; C's division is the same when the dividend is not negative.
  auto divided = [&](bool truncates, bool remainder) -> Result {
    bool known = true;
    Expr y = context_.map(x[0], x[1], [&](const Poly& a, const Poly& b) {
      known &= facts_.proveLe(Poly(1), b) && (!truncates || facts_.proveNonNegative(a));
      if (!known) {
        return context_.constant(0);
      }
      auto [floor, rest] = facts_.divideFloor(a, b);
      return remainder ? rest : floor;
    });
    return known ? Result(y) : std::nullopt;
  };
  return TypeSwitch<Operation*, Result>(op)
      .Case<arith::AddIOp, arith::AddFOp>([&](Operation*) { return context_.add(x[0], x[1]); })
      .Case<arith::SubIOp, arith::SubFOp>([&](Operation*) { return context_.sub(x[0], x[1]); })
      .Case<arith::MulIOp, arith::MulFOp>([&](Operation*) { return context_.mul(x[0], x[1]); })
      .Case([&](arith::DivFOp) { return context_.div(x[0], x[1]); })
      .Case<arith::FloorDivSIOp>([&](Operation*) { return divided(false, false); })
      .Case<arith::DivSIOp>([&](Operation*) { return divided(true, false); })
      .Case<arith::RemSIOp>([&](Operation*) { return divided(true, true); })
      .Case<arith::MinSIOp, arith::MinimumFOp, arith::MinNumFOp>([&](Operation*) { return context_.min(x[0], x[1]); })
      .Case<arith::MaxSIOp, arith::MaximumFOp, arith::MaxNumFOp>([&](Operation*) { return context_.max(x[0], x[1]); })
      .Case([&](math::PowFOp) -> Result {
        bool square = x[1]->kind == Node::kNumber && x[1]->poly.constant() == 2;
        return square ? Result(context_.mul(x[0], x[0])) : std::nullopt;
      })
      .Default([](Operation*) -> Result { return std::nullopt; });
}

}  // namespace mlir::sluice::raise
