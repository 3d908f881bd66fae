#include "compiler/onnx/SizeAlgebra.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace mlir::onnx_import {
namespace {

bool isNumber(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

void addFactor(SizeTerm& term, std::string& factor) {
  if (isNumber(factor)) {
    term.coefficient *= std::stoll(factor);
  } else if (!factor.empty()) {
    term.atoms.push_back(factor);
  }
  factor.clear();
}

// Degree first, then the atoms in order: a monomial order, so division by leading terms ends.
bool leads(const SizeTerm& a, const SizeTerm& b) {
  return a.atoms.size() != b.atoms.size() ? a.atoms.size() > b.atoms.size() : a.atoms < b.atoms;
}

const SizeTerm& leadingTerm(const std::vector<SizeTerm>& terms) {
  return *std::min_element(terms.begin(), terms.end(), leads);
}

std::optional<SizeTerm> divideTerm(const SizeTerm& a, const SizeTerm& b) {
  if (a.coefficient % b.coefficient != 0 ||
      !std::includes(a.atoms.begin(), a.atoms.end(), b.atoms.begin(), b.atoms.end())) {
    return std::nullopt;
  }
  SizeTerm quotient{a.coefficient / b.coefficient, {}};
  std::set_difference(a.atoms.begin(), a.atoms.end(), b.atoms.begin(), b.atoms.end(),
                      std::back_inserter(quotient.atoms));
  return quotient;
}

}  // namespace

std::vector<SizeTerm> termsOf(const SizeExpr& expr) {
  std::vector<SizeTerm> terms;
  std::string text = expr.ToString();
  SizeTerm term;
  std::string factor;
  bool open = false;  // a term has begun
  int depth = 0;
  auto finish = [&] {
    if (open) {
      addFactor(term, factor);
      std::sort(term.atoms.begin(), term.atoms.end());
      if (term.coefficient != 0) {
        terms.push_back(term);
      }
    }
    term = {};
    open = false;
  };
  for (char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (depth == 0 && (c == '+' || c == '-')) {
      bool sign_of_factor = open && factor.empty();  // "2 * -3"
      if (!sign_of_factor) {
        finish();
        open = false;
      }
      term.coefficient = c == '-' ? -term.coefficient : term.coefficient;
    } else if (depth == 0 && c == '*') {
      addFactor(term, factor);
    } else if (c != ' ' || depth > 0) {
      factor.push_back(c);
      open = true;
    }
  }
  finish();
  return terms;
}

SizeExpr fromTerms(const std::vector<SizeTerm>& terms) {
  SizeExpr sum(0);
  for (const SizeTerm& term : terms) {
    SizeExpr product(term.coefficient);
    for (const std::string& atom : term.atoms) {
      product = product * SizeExpr::Parse(atom).value();
    }
    sum = sum + product;
  }
  return sum;
}

std::optional<SizeExpr> divideExactly(const SizeExpr& a, const SizeExpr& b) {
  if (a == b) {
    return SizeExpr(1);
  }
  std::vector<SizeTerm> divisor = termsOf(b);
  if (divisor.empty()) {
    return std::nullopt;
  }
  const SizeTerm& lead = leadingTerm(divisor);
  SizeExpr rest = a;
  SizeExpr quotient(0);
  for (std::vector<SizeTerm> terms = termsOf(rest); !terms.empty(); terms = termsOf(rest)) {
    auto step = divideTerm(leadingTerm(terms), lead);
    if (!step) {
      return std::nullopt;
    }
    SizeExpr part = fromTerms({*step});
    quotient = quotient + part;
    rest = rest - part * b;
  }
  return quotient;
}

std::optional<SizeExpr> solveFor(const SizeExpr& zero, const std::string& symbol) {
  int64_t coefficient = 0;
  std::vector<SizeTerm> rest;
  for (SizeTerm& term : termsOf(zero)) {
    if (term.atoms.size() == 1 && term.atoms[0] == symbol) {
      coefficient = term.coefficient;
    } else {
      rest.push_back(std::move(term));
    }
  }
  if (coefficient == 0) {
    return std::nullopt;
  }
  for (SizeTerm& term : rest) {
    if (term.coefficient % coefficient != 0) {
      return std::nullopt;
    }
    term.coefficient /= -coefficient;
  }
  SizeExpr solution = fromTerms(rest);
  if (solution.Symbols().count(symbol)) {
    return std::nullopt;
  }
  return solution;
}

bool hasOnlyPositiveTerms(const SizeExpr& expr) {
  auto terms = termsOf(expr);
  return std::all_of(terms.begin(), terms.end(), [](const SizeTerm& t) { return t.coefficient > 0; });
}

}  // namespace mlir::onnx_import
