// What the importer does with sizes beyond their arithmetic: solving for a symbol and exact division.
#ifndef SLUICE_COMPILER_ONNX_SIZEALGEBRA_H_
#define SLUICE_COMPILER_ONNX_SIZEALGEBRA_H_

#include <optional>
#include <string>
#include <vector>

#include "runtime/plan/size_expr.h"

namespace mlir::onnx_import {

using SizeExpr = ::sluice::plan::SizeExpr;

// One term of the canonical polynomial: 2*batch*seq is {2, {"batch", "seq"}}.  An atom is a symbol or a call.
struct SizeTerm {
  int64_t coefficient = 1;
  std::vector<std::string> atoms;  // sorted
};

std::vector<SizeTerm> termsOf(const SizeExpr& expr);
SizeExpr fromTerms(const std::vector<SizeTerm>& terms);

// q with a == q·b for every binding, or nothing.  divideExactly(4*b*s + 4*b, 2*b) == 2*s + 2
std::optional<SizeExpr> divideExactly(const SizeExpr& a, const SizeExpr& b);

// The expression that makes `zero` vanish when put for `symbol`; nothing when the symbol is not linear in it or the
// coefficients do not divide.  solveFor(total - past - seq, "total") == past + seq
std::optional<SizeExpr> solveFor(const SizeExpr& zero, const std::string& symbol);

// No term of the polynomial has a negative coefficient.
bool hasOnlyPositiveTerms(const SizeExpr& expr);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_SIZEALGEBRA_H_
