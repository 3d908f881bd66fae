// Polynomials, printing and evaluation of symbolic expressions.
#include <algorithm>
#include <cmath>

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include "passes/raise/SymbolicExpr.h"

namespace mlir::sluice::raise {

Poly::Poly(double constant) {
  if (constant != 0) {  // true for NaN: it must not vanish
    terms[{}] = constant;
  }
}

Poly Poly::atom(unsigned id) {
  Poly p;
  p.terms[{id}] = 1;
  return p;
}

double Poly::constantTerm() const {
  auto it = terms.find({});
  return it == terms.end() ? 0 : it->second;
}

std::optional<double> Poly::constant() const {
  if (terms.empty()) {
    return 0;
  }
  return terms.size() == 1 && terms.begin()->first.empty() ? std::optional(terms.begin()->second) : std::nullopt;
}

std::optional<unsigned> Poly::asAtom() const {
  if (terms.size() == 1 && terms.begin()->first.size() == 1 && terms.begin()->second == 1) {
    return terms.begin()->first[0];
  }
  return std::nullopt;
}

namespace {

void addTerm(Poly& p, const Poly::Monomial& monomial, double c) {
  double& slot = p.terms[monomial];
  slot += c;
  if (slot == 0) {
    p.terms.erase(monomial);
  }
}

// An infinite or NaN constant swallows the (finite) rest.
Poly absorbed(const Poly& p) {
  double c = p.constantTerm();
  return std::isfinite(c) ? p : Poly(c);
}

std::optional<Poly::Monomial> quotient(const Poly::Monomial& a, const Poly::Monomial& b) {
  if (!std::includes(a.begin(), a.end(), b.begin(), b.end())) {
    return std::nullopt;
  }
  Poly::Monomial rest;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(rest));
  return rest;
}

}  // namespace

Poly operator+(const Poly& a, const Poly& b) {
  Poly sum = a;
  for (const auto& [monomial, c] : b.terms) {
    addTerm(sum, monomial, c);
  }
  return absorbed(sum);
}

Poly operator-(const Poly& a, const Poly& b) { return a + b * Poly(-1); }

Poly operator*(const Poly& a, const Poly& b) {
  auto c = a.constant(), d = b.constant();
  if (c && d) {
    return Poly(*c * *d);
  }
  Poly product;
  for (const auto& [m, x] : a.terms) {
    for (const auto& [n, y] : b.terms) {
      Poly::Monomial both = m;
      both.insert(both.end(), n.begin(), n.end());
      std::sort(both.begin(), both.end());
      addTerm(product, both, x * y);
    }
  }
  return product;
}

std::pair<Poly, Poly> Poly::divide(const Poly& a, const Poly& divisor) {
  Poly quotientSum, rest;
  Poly left = a;
  const auto& [leading, coefficient] = *divisor.terms.rbegin();
  // Terms in descending order: a term that the leading one divides moves to the quotient, the others stay.  The order
  // of keys is no monomial order, hence the bound.
  for (int step = 0; !left.terms.empty(); ++step) {
    if (step == 64) {
      return {Poly(), a};
    }
    auto [monomial, c] = *left.terms.rbegin();
    auto q = quotient(monomial, leading);
    double ratio = c / coefficient;
    if (q && !(leading.empty() && monomial.empty()) && ratio == std::floor(ratio)) {
      Poly term;
      term.terms[*q] = ratio;
      quotientSum = quotientSum + term;
      left = left - term * divisor;
    } else {
      rest.terms[monomial] = c;
      left.terms.erase(monomial);
    }
  }
  return {quotientSum, rest};
}

bool ExprContext::mentions(const Poly& p, Expr index) const {
  return llvm::any_of(p.terms, [&](const auto& term) {
    return llvm::any_of(term.first, [&](unsigned id) {
      return index->poly.asAtom() == id ||
             llvm::any_of(atoms_[id].args, [&](Expr arg) { return mentions(arg, index); });
    });
  });
}

bool ExprContext::mentions(Expr e, Expr index) const {
  return mentions(e->poly, index) || (e->kind == Node::kFact && mentions(Poly::atom(e->atom), index)) ||
         llvm::any_of(e->args, [&](Expr arg) { return mentions(arg, index); });
}

std::string ExprContext::print(const Poly& p) const {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const auto& [monomial, c] : p.terms) {
    os << (text.empty() ? "" : " + ");
    if (c != 1 || monomial.empty()) {
      os << llvm::format("%g", c) << (monomial.empty() ? "" : "*");
    }
    llvm::interleave(
        monomial, os,
        [&](unsigned id) {
          const Atom& atom = atoms_[id];
          os << (atom.kind == Atom::kElement ? "element" : atom.kind == Atom::kFloorDiv ? "floordiv" : atom.name);
          if (!atom.args.empty()) {
            os << "(";
            llvm::interleaveComma(atom.args, os, [&](Expr arg) { os << print(arg); });
            os << ")";
          }
        },
        "*");
  }
  return text.empty() ? "0" : text;
}

std::string ExprContext::print(Expr e) const {
  auto list = [&](const char* name) {
    std::string text = std::string(name) + "(";
    for (Expr arg : e->args) {
      text += (arg == e->args[0] ? "" : ", ") + print(arg);
    }
    return text + ")";
  };
  switch (e->kind) {
    case Node::kNumber:
      return print(e->poly);
    case Node::kSelect:
      return list("select");
    case Node::kFalse:
      return "false";
    case Node::kTrue:
      return "true";
    case Node::kLe:
      return "le(" + print(e->poly) + ")";
    case Node::kLessReal:
      return "less(" + print(e->poly) + ")";
    case Node::kLeReal:
      return "le_real(" + print(e->poly) + ")";
    case Node::kEqReal:
      return "eq_real(" + print(e->poly) + ")";
    case Node::kFact:
      return print(Poly::atom(e->atom));
    case Node::kNot:
      return list("not");
    case Node::kAnd:
      return list("and");
    case Node::kOr:
      return list("or");
  }
  return "";
}

double ExprContext::evaluate(const Poly& p, const std::function<double(unsigned)>& atoms) const {
  double sum = 0;
  for (const auto& [monomial, c] : p.terms) {
    double product = c;
    for (unsigned id : monomial) {
      const Atom& atom = atoms_[id];
      if (atom.kind == Atom::kFloorDiv) {
        double divisor = evaluate(atom.args[1], atoms);
        product *= divisor == 0 ? 0 : std::floor(evaluate(atom.args[0], atoms) / divisor);
      } else {
        product *= atoms(id);
      }
    }
    sum += product;
  }
  return sum;
}

double ExprContext::evaluate(Expr e, const std::function<double(unsigned)>& atoms) const {
  auto holds = [&](Expr arg) { return evaluate(arg, atoms) != 0; };
  switch (e->kind) {
    case Node::kNumber:
      return evaluate(e->poly, atoms);
    case Node::kSelect:
      return evaluate(e->args[holds(e->args[0]) ? 1 : 2], atoms);
    case Node::kFalse:
      return 0;
    case Node::kTrue:
      return 1;
    case Node::kLe:
    case Node::kLeReal:
      return evaluate(e->poly, atoms) <= 0;
    case Node::kLessReal:
      return evaluate(e->poly, atoms) < 0;
    case Node::kEqReal:
      return evaluate(e->poly, atoms) == 0;
    case Node::kFact:
      return atoms(e->atom) != 0;
    case Node::kNot:
      return !holds(e->args[0]);
    case Node::kAnd:
      return llvm::all_of(e->args, holds);
    case Node::kOr:
      return llvm::any_of(e->args, holds);
  }
  return 0;
}

}  // namespace mlir::sluice::raise
