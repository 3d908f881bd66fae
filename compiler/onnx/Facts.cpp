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

bool Facts::dependsOnData(const SizeExpr& size) const {
  return llvm::any_of(size.Symbols(), [&](const std::string& symbol) { return data_symbols_.count(symbol) != 0; });
}

std::vector<std::string> Facts::assumptions() const {
  std::vector<std::string> texts = equalities_;
  for (const auto& [big, small] : table_.at_least) {
    SizeExpr a = simplify(big);
    SizeExpr b = simplify(small);
    // A size that data decide is not there to be checked at entry; the op that needs it checks its operands.
    if (!dependsOnData(a) && !dependsOnData(b) && !::sluice::plan::ProvenNonNegative(a - b)) {
      texts.push_back(a.ToString() + " >= " + b.ToString());
    }
  }
  return texts;
}

void Facts::assumeAtLeast(const SizeExpr& a, const SizeExpr& b, Location loc) {
  if (proveNonNegative(a - b)) {
    return;
  }
  if (decideLess(a, b).value_or(false)) {
    fail(loc, "needs " + a.ToString() + " >= " + b.ToString() + ", which no input satisfies");
  }
  table_.at_least.push_back({a, b});
}

SizeExpr Facts::clampedEnd(const SizeExpr& end, const SizeExpr& dim) {
  SizeExpr clamped = SizeExpr::Min(end, dim);
  clamped_.insert({clamped.ToString(), {end, dim}});
  return clamped;
}

std::optional<Facts::Solution> Facts::solve(const SizeExpr& zero) const {
  // The youngest symbol; only expressions without subtraction: total := past + seq.
  std::optional<Solution> best;
  int best_order = 0;
  for (const std::string& symbol : zero.Symbols()) {
    auto solution = solveFor(zero, symbol);
    if (!solution || !hasOnlyPositiveTerms(*solution)) {
      continue;
    }
    auto it = order_.find(symbol);
    int order = it == order_.end() ? -1 : it->second;
    if (!best || order > best_order) {
      best = Solution{symbol, *solution};
      best_order = order;
    }
  }
  return best;
}

// Equal sizes would be two different numbers, or leave a named dimension no value but one up to `forced`.
bool Facts::isAbsurd(const SizeExpr& a, const SizeExpr& b, int64_t forced) const {
  if (decideEqual(a, b) == false) {
    return true;
  }
  auto solution = solve(a - b);
  return solution && !data_symbols_.count(solution->symbol) &&
         solution->value.Constant().value_or(forced + 1) <= forced;
}

void Facts::assumeEqual(const SizeExpr& a, const SizeExpr& b) {
  if (dependsOnData(a) || dependsOnData(b)) {
    return;  // not there to be checked at entry
  }
  std::vector<SizeTerm> left, right;
  for (SizeTerm& term : termsOf(a - b)) {
    bool positive = term.coefficient > 0;
    term.coefficient = std::abs(term.coefficient);
    (positive ? left : right).push_back(std::move(term));
  }
  std::string x = fromTerms(left).ToString(), y = fromTerms(right).ToString();
  if (!llvm::is_contained(equalities_, x + " == " + y) && !llvm::is_contained(equalities_, y + " == " + x)) {
    equalities_.push_back(x + " == " + y);
  }
}

SizeExpr Facts::equate(const SizeExpr& a, const SizeExpr& b, Location loc, bool broadcast) {
  for (const auto& [clamped, other] : {std::pair(a, b), std::pair(b, a)}) {
    auto it = clamped_.find(clamped.ToString());
    if (it != clamped_.end() && it->second.first == other) {
      assumeAtLeast(it->second.second, other, loc);
      throw NewFact();
    }
  }
  if (auto solution = solve(a - b)) {
    std::map<std::string, SizeExpr> substitution = {{solution->symbol, solution->value}};
    for (auto& [symbol, old] : table_.substitutions) {
      old = old.Substitute(substitution);
    }
    table_.substitutions.insert({solution->symbol, solution->value});
    if (broadcast) {
      table_.taken_equal.push_back({solution->value, loc});
    }
    throw NewFact();
  }
  assumeEqual(a, b);
  return b.IsConstant() ? b : a;
}

// Blames the last broadcast taken as an equality that these sizes come from.
void Facts::unlearnBroadcast(const SizeExpr& sizes) {
  std::set<std::string> symbols = sizes.Symbols();
  for (const auto& [value, loc] : llvm::reverse(table_.taken_equal)) {
    std::set<std::string> from = simplify(value).Symbols();
    if (llvm::any_of(from, [&](const std::string& symbol) { return symbols.count(symbol) != 0; })) {
      table_.either.insert(loc);
      table_.substitutions.clear();
      table_.at_least.clear();
      table_.taken_equal.clear();
      throw NewFact();
    }
  }
}

SizeExpr Facts::unify(const SizeExpr& first, const SizeExpr& second, Location loc) {
  SizeExpr a = simplify(first);
  SizeExpr b = simplify(second);
  if (::sluice::plan::ProvenEqual(a, b)) {
    return a;
  }
  // Where a dimension has to be 1, a broadcast of it was none of equal sizes.
  if (isAbsurd(a, b, /*forced=*/1)) {
    unlearnBroadcast(a - b);
  }
  if (decideEqual(a, b) == false) {
    fail(loc, "sizes " + a.ToString() + " and " + b.ToString() + " meet, which cannot be equal");
  }
  return equate(a, b, loc, /*broadcast=*/false);
}

bool Facts::broadcastsAtRunTime(const SizeExpr& from, const SizeExpr& to, Location loc) const {
  return table_.either.contains(loc) && !::sluice::plan::ProvenEqual(simplify(from), simplify(to));
}

SizeExpr Facts::unifyBroadcast(const SizeExpr& first, const SizeExpr& second, Location loc) {
  SizeExpr a = simplify(first);
  SizeExpr b = simplify(second);
  if (::sluice::plan::ProvenEqual(a, b)) {
    return a;
  }
  const SizeExpr one(1);
  bool possible = decideEqual(a, one) != false || decideEqual(b, one) != false;
  if (!table_.either.contains(loc)) {
    if (!isAbsurd(a, b, /*forced=*/0)) {
      return equate(a, b, loc, /*broadcast=*/true);
    }
    if (!possible) {
      return unify(a, b, loc);
    }
    table_.either.insert(loc);
  }
  // To the larger, as far as that is known; else to the one that a substitution would have expressed by the other.
  bool to_first = proveNonNegative(a - b);
  if (!to_first && !proveNonNegative(b - a)) {
    auto solution = solve(a - b);
    to_first = solution && a == SizeExpr::Symbol(solution->symbol);
  }
  const SizeExpr& to = to_first ? a : b;
  const SizeExpr& from = to_first ? b : a;
  assumeEqual((to - from) * (from - one), SizeExpr(0));
  return to;
}

}  // namespace mlir::onnx_import
