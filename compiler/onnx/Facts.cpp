#include "compiler/onnx/Facts.h"

#include "compiler/onnx/ImportError.h"
#include "llvm/ADT/STLExtras.h"

namespace mlir::onnx_import {
namespace {

// The name of a node's location, as the key of what is known about it.
std::string keyOf(Location loc) {
  std::string text;
  llvm::raw_string_ostream os(text);
  loc.print(os);
  return text;
}

}  // namespace

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
  if (::sluice::plan::ProvenNonNegative(size) || size.Bounds({}).min >= 0) {
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

// Two uses contradict each other: the last broadcast that was taken as an equality was not one.
void Facts::unlearnBroadcast(Location loc, bool broadcast) {
  std::string node;
  if (!table_.taken_equal.empty()) {
    node = table_.taken_equal.back();
  } else if (broadcast) {
    node = keyOf(loc);
  } else {
    return;
  }
  if (!table_.either.insert(node).second) {
    return;
  }
  table_.substitutions.clear();
  table_.at_least.clear();
  table_.taken_equal.clear();
  throw NewFact();
}

SizeExpr Facts::unify(const SizeExpr& first, const SizeExpr& second, Location loc, bool broadcast) {
  SizeExpr a = simplify(first);
  SizeExpr b = simplify(second);
  if (::sluice::plan::ProvenEqual(a, b)) {
    return a;
  }
  if (decideEqual(a, b) == false) {
    unlearnBroadcast(loc, broadcast);
    fail(loc, "sizes " + a.ToString() + " and " + b.ToString() + " meet, which cannot be equal");
  }
  for (const auto& [clamped, other] : {std::pair(a, b), std::pair(b, a)}) {
    auto it = clamped_.find(clamped.ToString());
    if (it != clamped_.end() && it->second.first == other) {
      assumeAtLeast(it->second.second, other, loc);
      throw NewFact();
    }
  }
  if (auto solution = solve(a - b)) {
    if (solution->value.Constant() == 0 && !data_symbols_.count(solution->symbol)) {
      unlearnBroadcast(loc, broadcast);  // a dimension with a name is not always 0
    }
    std::map<std::string, SizeExpr> substitution = {{solution->symbol, solution->value}};
    for (auto& [symbol, old] : table_.substitutions) {
      old = old.Substitute(substitution);
    }
    table_.substitutions.insert({solution->symbol, solution->value});
    if (broadcast) {
      table_.taken_equal.push_back(keyOf(loc));
    }
    throw NewFact();
  }
  std::string text = a.ToString() + " == " + b.ToString();
  std::string reversed = b.ToString() + " == " + a.ToString();
  if (!dependsOnData(a) && !dependsOnData(b) && !llvm::is_contained(equalities_, text) &&
      !llvm::is_contained(equalities_, reversed)) {
    equalities_.push_back(text);
  }
  return b.IsConstant() ? b : a;
}

bool Facts::broadcastsAtRunTime(const SizeExpr& from, const SizeExpr& to, Location loc) const {
  return !table_.either.empty() && table_.either.count(keyOf(loc)) &&
         !::sluice::plan::ProvenEqual(simplify(from), simplify(to));
}

SizeExpr Facts::unifyBroadcast(const SizeExpr& first, const SizeExpr& second, Location loc) {
  SizeExpr a = simplify(first);
  SizeExpr b = simplify(second);
  if (a == b) {
    return a;
  }
  if (broadcastsAtRunTime(a, b, loc)) {
    // The larger, as far as that is known; else the one that a substitution would have expressed by the other.
    if (proveNonNegative(b - a)) {
      return b;
    }
    auto solution = solve(a - b);
    return proveNonNegative(a - b) || (solution && a == SizeExpr::Symbol(solution->symbol)) ? a : b;
  }
  return unify(a, b, loc, true);
}

}  // namespace mlir::onnx_import
