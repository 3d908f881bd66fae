// The vocabulary of raise's patterns: what a value is, seen through broadcasts, unit dimensions and casts.
#ifndef SLUICE_PASSES_RAISE_MATCH_H_
#define SLUICE_PASSES_RAISE_MATCH_H_

#include <optional>

#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Value.h"

namespace mlir::sluice::raise {

// The value before conversions between float types (extf, truncf).
Value stripCasts(Value value);

// The value before broadcasts, reshapes that only add or drop unit dimensions, and float casts: what a row's scalar or
// a per-channel vector is before it was spread over a tensor.
Value stripSpread(Value value, nn::SizeAnalysis& sizes);

// True when `op` is an nn.reshape that only adds or drops dimensions of size 1.
bool isUnitReshape(Operation* op, nn::SizeAnalysis& sizes);

// The number every element of `value` is: a splat or rank-0 constant behind broadcasts, views and casts.
std::optional<double> scalarConstant(Value value);

// A vector [d] that `value` (rank ≥ 1) repeats along all leading dimensions; null when it is no such broadcast.
Value lastDimVector(Value value, nn::SizeAnalysis& sizes);

// `value` = Op(other, constant) in either order: gives `other` and the constant.
template <typename Op>
std::optional<std::pair<Value, double>> binaryWithConstant(Value value) {
  auto op = value.getDefiningOp<Op>();
  if (!op) {
    return std::nullopt;
  }
  if (auto c = scalarConstant(op.getRhs())) {
    return std::make_pair(op.getLhs(), *c);
  }
  if (auto c = scalarConstant(op.getLhs())) {
    return std::make_pair(op.getRhs(), *c);
  }
  return std::nullopt;
}

// Operands of a commutative op, both orders: calls `match(a, b)` until one gives a value.
template <typename Op, typename Match>
auto eitherOrder(Op op, Match match) -> decltype(match(op.getLhs(), op.getRhs())) {
  if (auto found = match(op.getLhs(), op.getRhs())) {
    return found;
  }
  return match(op.getRhs(), op.getLhs());
}

// A location that names both.
Location fuse(Operation* a, Operation* b);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_MATCH_H_
