#include "passes/raise/SymbolicFacts.h"

#include <cmath>

#include "llvm/ADT/STLExtras.h"
#include "mlir/Analysis/Presburger/IntegerRelation.h"

namespace mlir::sluice::raise {

void Facts::assumeNotPositive(const Poly& p) {
  known_.push_back(p);
  memo_.clear();
}

void Facts::assumeBinary(Value value) {
  binary_.push_back(value);
  memo_.clear();
}

void Facts::forgetBinary() {
  binary_.clear();
  memo_.clear();
}

bool Facts::admits(const std::function<double(unsigned)>& atoms) const {
  return llvm::all_of(known_, [&](const Poly& p) { return context_.evaluate(p, atoms) <= 0; }) &&
         llvm::all_of(clauses_, [&](Expr clause) { return context_.evaluate(clause, atoms) != 0; });
}

bool Facts::nonNegative(unsigned id) const {
  const Atom& atom = context_.atom(id);
  return atom.extent || atom.kind == Atom::kSymbol ||
         (atom.kind == Atom::kElement && llvm::is_contained(binary_, atom.value));
}

void Facts::factsOfAtom(unsigned id, std::vector<Poly>& polys) {
  const Atom& atom = context_.atom(id);
  Poly x = Poly::atom(id);
  if (nonNegative(id)) {
    polys.push_back(Poly(0) - x);
  }
  if (atom.extent) {
    polys.push_back(x - *atom.extent + Poly(1));
  } else if (atom.kind == Atom::kElement && llvm::is_contained(binary_, atom.value)) {
    polys.push_back(x - Poly(1));
  } else if (atom.kind == Atom::kFloorDiv) {
    // 0 <= a - b*x <= b - 1; with b = 0 the tensor that is indexed is empty.
    Poly rest = atom.args[0]->poly - atom.args[1]->poly * x;
    polys.push_back(Poly(0) - rest);
    polys.push_back(rest - atom.args[1]->poly + Poly(1));
  }
}

void Facts::addAtomFacts(std::vector<Poly>& polys) {
  std::set<unsigned> atoms;
  std::set<Poly::Monomial> products;
  for (size_t i = 0; i < polys.size(); ++i) {
    std::vector<Poly> more;
    for (const auto& [monomial, c] : polys[i].terms) {
      for (unsigned id : monomial) {
        if (atoms.insert(id).second) {
          factsOfAtom(id, more);
        }
      }
      if (monomial.size() > 1 && products.insert(monomial).second &&
          llvm::all_of(monomial, [&](unsigned id) { return nonNegative(id); })) {
        Poly product;
        product.terms[monomial] = -1;
        more.push_back(product);
      }
    }
    polys.insert(polys.end(), more.begin(), more.end());
  }
}

bool Facts::infeasible(std::vector<Poly> constraints) {
  for (const Poly& p : constraints) {
    if (auto c = p.constant(); c && *c > 0) {
      return true;
    }
  }
  if (auto it = memo_.find(constraints); it != memo_.end()) {
    return it->second;
  }
  std::vector<Poly> polys = constraints;
  polys.insert(polys.end(), known_.begin(), known_.end());
  addAtomFacts(polys);

  std::map<Poly::Monomial, unsigned> columns;
  for (const Poly& p : polys) {
    for (const auto& [monomial, c] : p.terms) {
      if (!monomial.empty()) {
        columns.try_emplace(monomial, columns.size());
      }
    }
  }
  presburger::IntegerPolyhedron system(presburger::PresburgerSpace::getSetSpace(columns.size()));
  for (const Poly& p : polys) {
    SmallVector<int64_t> row(columns.size() + 1, 0);
    bool exact = true;
    for (const auto& [monomial, c] : p.terms) {
      exact &= std::abs(c) < 0x1p53 && c == std::floor(c);
      row[monomial.empty() ? columns.size() : columns[monomial]] = exact ? -static_cast<int64_t>(c) : 0;
    }
    if (exact) {  // leaving a constraint out can only lose a proof
      system.addInequality(row);
    }
  }
  bool empty = system.isEmpty() || system.isIntegerEmpty();
  memo_[std::move(constraints)] = empty;
  return empty;
}

// Decides the leaves one after the other; a leaf that contradicts what is known ends its branch.
bool Facts::satisfiable(Expr boolean, std::vector<Poly>& path, int& budget) {
  if (boolean->kind == Node::kFalse) {
    return false;
  }
  if (boolean->kind == Node::kTrue || --budget < 0) {
    return true;
  }
  Expr leaf = leavesOf(boolean).front();
  for (bool value : {true, false}) {
    Expr rest = context_.assign(boolean, leaf, value);
    if (rest->kind == Node::kFalse) {
      continue;
    }
    bool linear = leaf->kind == Node::kLe;
    if (linear) {
      path.push_back(value ? leaf->poly : Poly(1) - leaf->poly);
    }
    bool found = !(linear && infeasible(path)) && satisfiable(rest, path, budget);
    if (linear) {
      path.pop_back();
    }
    if (found) {
      return true;
    }
  }
  return false;
}

bool Facts::valid(Expr boolean) {
  std::vector<Poly> path;
  int budget = 4096;
  Expr counterexample = context_.notOf(boolean);
  for (Expr clause : clauses_) {
    counterexample = context_.andOf(counterexample, clause);
  }
  return !satisfiable(counterexample, path, budget);
}

bool Facts::proveLe(const Poly& a, const Poly& b, ArrayRef<Expr> given) {
  std::vector<Poly> constraints = {b - a + Poly(1)};
  for (Expr index : given) {
    if (index->kind == Node::kNumber && !index->poly.constant()) {
      constraints.push_back(Poly(0) - index->poly);
    }
  }
  return infeasible(std::move(constraints));
}

std::pair<Expr, Expr> Facts::divideFloor(const Poly& a, const Poly& b) {
  auto [quotient, rest] = Poly::divide(a, b);
  if (proveNonNegative(rest) && proveLe(rest, b - Poly(1))) {
    return {context_.number(quotient), context_.number(rest)};
  }
  Expr floor = context_.floorDiv(a, b);
  return {floor, context_.number(a - b * floor->poly)};
}

}  // namespace mlir::sluice::raise
