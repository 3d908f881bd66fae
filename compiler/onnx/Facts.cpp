#include "compiler/onnx/Facts.h"

#include "compiler/onnx/ImportError.h"
#include "llvm/ADT/STLExtras.h"

namespace mlir::onnx_import {

SizeExpr Facts::simplify(const SizeExpr& size) const {
  if (size.IsConstant()) {
    return size;
  }
  SizeExpr result = outer_ ? outer_->simplify(size) : size;
  return table_.substitutions.empty() ? result : result.Substitute(table_.substitutions);
}

SizeExpr Facts::symbol(const std::string& name) {
  order_.insert({name, static_cast<int>(order_.size())});
  return simplify(SizeExpr::Symbol(name));
}

std::string Facts::freshSymbol(const std::string& name) {
  std::string unique = name;
  for (int n = 1; !data_symbols_.insert(unique).second; ++n) {
    unique = name + "_" + std::to_string(n);
  }
  order_.insert({unique, static_cast<int>(order_.size())});
  return unique;
}

bool Facts::proveNonNegative(const SizeExpr& size) const {
  if (::sluice::plan::ProvenNonNegative(size)) {
    return true;
  }
  for (const auto& [big, small] : table_.at_least) {
    if (::sluice::plan::ProvenNonNegative(size - simplify(big - small))) {
      return true;
    }
  }
  return outer_ && outer_->proveNonNegative(size);
}

std::optional<bool> Facts::decideEqual(const SizeExpr& a, const SizeExpr& b) const {
  if (a == b) {
    return true;
  }
  if (decideLess(a, b).value_or(false) || decideLess(b, a).value_or(false)) {
    return false;
  }
  return std::nullopt;
}

std::optional<bool> Facts::decideLess(const SizeExpr& a, const SizeExpr& b) const {
  if (proveNonNegative(b - a - SizeExpr(1))) {
    return true;
  }
  if (proveNonNegative(a - b)) {
    return false;
  }
  return std::nullopt;
}

void Facts::assume(const std::string& text, const SizeExpr& a, const SizeExpr& b) {
  // A size that data decide is not there to be checked at entry; the op that needs it checks its operands.
  for (const SizeExpr& size : {a, b}) {
    for (const std::string& symbol : size.Symbols()) {
      if (data_symbols_.count(symbol)) {
        return;
      }
    }
  }
  if (!llvm::is_contained(assumptions_, text)) {
    assumptions_.push_back(text);
  }
}

void Facts::assumeAtLeast(const SizeExpr& a, const SizeExpr& b, Location loc) {
  if (::sluice::plan::ProvenNonNegative(a - b)) {
    return;
  }
  if (decideLess(a, b).value_or(false)) {
    fail(loc, "needs " + a.ToString() + " >= " + b.ToString() + ", which no input satisfies");
  }
  assume(a.ToString() + " >= " + b.ToString(), a, b);
  if (!proveNonNegative(a - b)) {
    table_.at_least.push_back({a, b});
  }
}

SizeExpr Facts::unify(const SizeExpr& first, const SizeExpr& second, Location loc) {
  SizeExpr a = simplify(first);
  SizeExpr b = simplify(second);
  if (::sluice::plan::ProvenEqual(a, b)) {
    return a;
  }
  if (decideEqual(a, b) == false) {
    fail(loc, "sizes " + a.ToString() + " and " + b.ToString() + " meet, which cannot be equal");
  }
  // Express the youngest symbol by the others; prefer expressions without subtraction: total := past + seq.
  SizeExpr zero = a - b;
  std::string best;
  std::optional<SizeExpr> value;
  for (const std::string& symbol : zero.Symbols()) {
    auto solution = solveFor(zero, symbol);
    if (!solution || !hasOnlyPositiveTerms(*solution)) {
      continue;
    }
    if (best.empty() || order_[symbol] > order_[best]) {
      best = symbol;
      value = solution;
    }
  }
  if (value) {
    std::map<std::string, SizeExpr> substitution = {{best, *value}};
    for (auto& [symbol, old] : table_.substitutions) {
      old = old.Substitute(substitution);
    }
    table_.substitutions.insert({best, *value});
    throw NewFact();
  }
  assume(a.ToString() + " == " + b.ToString(), a, b);
  return b.IsConstant() ? b : a;
}

}  // namespace mlir::onnx_import
