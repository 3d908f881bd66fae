#include "passes/raise/SymbolicExpr.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "llvm/ADT/DenseSet.h"

namespace mlir::sluice::raise {

//--- Numbers.

Expr ExprContext::unique(Node node) {
  std::vector<unsigned> ids;
  ids.reserve(node.args.size());
  for (Expr arg : node.args) {
    ids.push_back(arg->id);
  }
  NodeKey key{node.kind, node.poly.terms, node.atom, std::move(ids)};
  std::unique_ptr<Node>& slot = nodes_[std::move(key)];
  if (!slot) {
    node.id = nodes_.size();
    slot = std::make_unique<Node>(std::move(node));
  }
  return slot.get();
}

unsigned ExprContext::uniqueAtom(Atom atom) {
  std::vector<unsigned> ids;
  ids.reserve(atom.args.size());
  for (Expr arg : atom.args) {
    ids.push_back(arg->id);
  }
  auto [it, inserted] = atomIds_.try_emplace(
      {atom.kind, atom.name, atom.value.getAsOpaquePointer(), std::move(ids), atom.extent.value_or(Poly()).terms},
      atoms_.size());
  if (inserted) {
    auto family = std::pair(atom.value.getAsOpaquePointer(), atom.name);
    families_.push_back(familyIds_.try_emplace(family, atoms_.size()).first->second);
    atoms_.push_back(std::move(atom));
  }
  return it->second;
}

Expr ExprContext::number(Poly poly) {
  // NOTE: NaN has no order, so it cannot be a coefficient of a key; as an unknown it proves nothing, which is right.
  if (std::isnan(poly.constantTerm())) {
    return opaque("nan", {}, /*whole=*/false);
  }
  return unique({.kind = Node::kNumber, .poly = std::move(poly)});
}

Expr ExprContext::index(const std::string& name, const Poly& extent) {
  return number(Poly::atom(uniqueAtom({.kind = Atom::kIndex, .name = name, .extent = extent})));
}

Expr ExprContext::symbol(const std::string& name) {
  return number(Poly::atom(uniqueAtom({.kind = Atom::kSymbol, .name = name})));
}

Expr ExprContext::element(Value value, std::vector<Expr> indices, bool whole, std::optional<Poly> extent) {
  return number(Poly::atom(uniqueAtom({.kind = Atom::kElement,
                                       .value = value,
                                       .args = std::move(indices),
                                       .extent = std::move(extent),
                                       .whole = whole})));
}

Expr ExprContext::opaque(const std::string& name, std::vector<Expr> args, bool whole) {
  return number(Poly::atom(uniqueAtom({.kind = Atom::kOpaque, .name = name, .args = std::move(args), .whole = whole})));
}

Expr ExprContext::floorDiv(const Poly& a, const Poly& b) {
  auto [quotient, rest] = Poly::divide(a, b);
  auto c = rest.constant(), d = b.constant();
  if (c && d && *d > 0) {
    return number(quotient + Poly(std::floor(*c / *d)));
  }
  Atom atom{.kind = Atom::kFloorDiv, .args = {number(rest), number(b)}};
  return number(quotient + Poly::atom(uniqueAtom(std::move(atom))));
}

Expr ExprContext::restrict(Expr a, Expr condition, bool value) {
  if (a->kind != Node::kSelect) {
    return a;
  }
  if (a->args[0] == condition) {
    return restrict(a->args[value ? 1 : 2], condition, value);
  }
  Expr then = restrict(a->args[1], condition, value), otherwise = restrict(a->args[2], condition, value);
  return then == a->args[1] && otherwise == a->args[2] ? a : select(a->args[0], then, otherwise);
}

Expr ExprContext::select(Expr condition, Expr then, Expr otherwise) {
  if (condition->kind == Node::kTrue || then == otherwise) {
    return then;
  }
  if (condition->kind == Node::kFalse) {
    return otherwise;
  }
  // Of a condition and its negation the older one decides, so that equal decisions are equal nodes.
  if (Expr negation = notOf(condition); negation->id < condition->id) {
    condition = negation;
    std::swap(then, otherwise);
  }
  then = restrict(then, condition, true);
  otherwise = restrict(otherwise, condition, false);
  if (then == otherwise) {
    return then;
  }
  return unique({.kind = Node::kSelect, .args = {condition, then, otherwise}});
}

Expr ExprContext::map(Expr a, llvm::function_ref<Expr(const Poly&)> f) {
  if (a->kind == Node::kSelect) {
    Expr then = map(a->args[1], f), otherwise = map(a->args[2], f);
    bool booleans = then->kind != Node::kNumber && then->kind != Node::kSelect;
    return booleans ? choice(a->args[0], then, otherwise) : select(a->args[0], then, otherwise);
  }
  return f(a->poly);
}

Expr ExprContext::map(Expr a, Expr b, llvm::function_ref<Expr(const Poly&, const Poly&)> f) {
  if (a->kind == Node::kSelect) {
    Expr condition = a->args[0];
    Expr then = map(a->args[1], restrict(b, condition, true), f);
    Expr otherwise = map(a->args[2], restrict(b, condition, false), f);
    bool booleans = then->kind != Node::kNumber && then->kind != Node::kSelect;
    return booleans ? choice(condition, then, otherwise) : select(condition, then, otherwise);
  }
  return map(b, [&](const Poly& q) { return f(a->poly, q); });
}

Expr ExprContext::add(Expr a, Expr b) {
  return map(a, b, [&](const Poly& p, const Poly& q) { return number(p + q); });
}
Expr ExprContext::sub(Expr a, Expr b) {
  return map(a, b, [&](const Poly& p, const Poly& q) { return number(p - q); });
}
Expr ExprContext::mul(Expr a, Expr b) {
  return map(a, b, [&](const Poly& p, const Poly& q) { return number(p * q); });
}

Expr ExprContext::div(Expr a, Expr b) {
  return map(a, b, [&](const Poly& p, const Poly& q) -> Expr {
    if (auto divisor = q.constant()) {
      if (auto dividend = p.constant()) {
        return constant(*dividend / *divisor);
      }
      if (*divisor != 0) {
        return number(p * Poly(1 / *divisor));
      }
    }
    return opaque("div", {number(p), number(q)}, /*whole=*/false);
  });
}

Expr ExprContext::choose(Cmp cmp, Expr a, Expr b) {
  return map(a, b, [&](const Poly& p, const Poly& q) {
    Expr x = number(p), y = number(q);
    return select(compare(cmp, x, y), x, y);
  });
}

//--- Booleans.

Expr ExprContext::boolean(bool value) { return unique({.kind = value ? Node::kTrue : Node::kFalse}); }

Expr ExprContext::fact(Value value, std::vector<Expr> indices) {
  unsigned id = uniqueAtom({.kind = Atom::kElement, .value = value, .args = std::move(indices)});
  return unique({.kind = Node::kFact, .atom = id});
}

bool ExprContext::whole(const Poly& poly) const {
  return llvm::all_of(poly.terms, [&](const auto& term) {
    return std::abs(term.second) < 0x1p53 && term.second == std::floor(term.second) &&
           llvm::all_of(term.first, [&](unsigned id) { return atoms_[id].whole; });
  });
}

Expr ExprContext::compareZero(Cmp cmp, const Poly& d) {
  if (auto c = d.constant()) {
    switch (cmp) {
      case Cmp::kLt:
        return boolean(*c < 0);
      case Cmp::kLe:
        return boolean(*c <= 0);
      default:
        return boolean(*c == 0);
    }
  }
  // 2·x - 1 for x - 0.5: masks compare whole numbers with halves.
  Poly scaled = d;
  for (int bits = 0; bits < 20 && !whole(scaled); ++bits) {
    scaled = scaled * Poly(2);
  }
  if (!whole(scaled)) {
    // A finite minimum beside a 64-bit integer: the minimum decides.
    bool unknowns = llvm::all_of(d.terms, [&](const auto& term) {
      return term.first.empty() ||
             (std::abs(term.second) <= 1 && term.first.size() == 1 && atoms_[term.first[0]].whole);
    });
    if (unknowns && std::abs(d.constantTerm()) > 0x1p80) {
      return boolean(cmp != Cmp::kEq && d.constantTerm() < 0);
    }
    auto kind = cmp == Cmp::kLt ? Node::kLessReal : cmp == Cmp::kLe ? Node::kLeReal : Node::kEqReal;
    bool flip = kind == Node::kEqReal && d.terms.rbegin()->second < 0;  // one sign for p == 0 and -p == 0
    return unique({.kind = kind, .poly = flip ? Poly(0) - d : d});
  }
  if (cmp == Cmp::kEq) {
    return andOf(compareZero(Cmp::kLe, scaled), compareZero(Cmp::kLe, Poly(0) - scaled));
  }
  // Whole numbers: p < 0 is p + 1 <= 0; divided by the common factor, the constant rounds up.
  Poly p = cmp == Cmp::kLt ? scaled + Poly(1) : scaled;
  int64_t gcd = 0;
  for (const auto& [monomial, c] : p.terms) {
    gcd = monomial.empty() ? gcd : std::gcd(gcd, static_cast<int64_t>(std::abs(c)));
  }
  Poly reduced;
  for (const auto& [monomial, c] : p.terms) {
    double quotient = monomial.empty() ? std::ceil(c / gcd) : c / gcd;
    if (quotient != 0) {
      reduced.terms[monomial] = quotient;
    }
  }
  return unique({.kind = Node::kLe, .poly = reduced});
}

Expr ExprContext::compare(Cmp cmp, Expr a, Expr b) {
  switch (cmp) {
    case Cmp::kGt:
      return compare(Cmp::kLt, b, a);
    case Cmp::kGe:
      return compare(Cmp::kLe, b, a);
    case Cmp::kNe:
      return notOf(compare(Cmp::kEq, a, b));
    default:
      return map(a, b, [&](const Poly& p, const Poly& q) {
        if (p == q) {
          return boolean(cmp != Cmp::kLt);  // infinities: inf - inf is no zero
        }
        auto c = p.constant(), d = q.constant();
        if (c && d) {
          return boolean(cmp == Cmp::kLt ? *c < *d : cmp == Cmp::kLe ? *c <= *d : *c == *d);
        }
        return compareZero(cmp, p - q);
      });
  }
}

Expr ExprContext::notOf(Expr a) {
  switch (a->kind) {
    case Node::kFalse:
      return boolean(true);
    case Node::kTrue:
      return boolean(false);
    case Node::kLe:  // not(p <= 0) is 1 - p <= 0
      return compareZero(Cmp::kLe, Poly(1) - a->poly);
    case Node::kNot:
      return a->args[0];
    case Node::kAnd:
    case Node::kOr: {
      Expr result = boolean(a->kind == Node::kOr);
      for (Expr arg : a->args) {
        result = nary(a->kind == Node::kAnd ? Node::kOr : Node::kAnd, result, notOf(arg));
      }
      return result;
    }
    default:
      return unique({.kind = Node::kNot, .args = {a}});
  }
}

Expr ExprContext::nary(Node::Kind kind, Expr a, Expr b) {
  Expr neutral = boolean(kind == Node::kAnd), zero = boolean(kind == Node::kOr);
  std::vector<Expr> args;
  for (Expr side : {a, b}) {
    if (side == zero) {
      return zero;
    }
    if (side->kind == kind) {
      args.insert(args.end(), side->args.begin(), side->args.end());
    } else if (side != neutral) {
      args.push_back(side);
    }
  }
  std::sort(args.begin(), args.end(), [](Expr x, Expr y) { return x->id < y->id; });
  args.erase(std::unique(args.begin(), args.end()), args.end());
  for (Expr arg : args) {
    if (isLeaf(arg) && llvm::is_contained(args, notOf(arg))) {
      return zero;
    }
  }
  if (args.size() <= 1) {
    return args.empty() ? neutral : args[0];
  }
  return unique({.kind = kind, .args = std::move(args)});
}

Expr ExprContext::choice(Expr condition, Expr then, Expr otherwise) {
  return orOf(andOf(condition, then), andOf(notOf(condition), otherwise));
}

Expr ExprContext::assign(Expr a, Expr leaf, bool value) {
  if (a == leaf) {
    return boolean(value);
  }
  switch (a->kind) {
    case Node::kLe:
      return a == notOf(leaf) ? boolean(!value) : a;
    case Node::kNot:
      return a->args[0] == leaf ? boolean(!value) : a;
    case Node::kAnd:
    case Node::kOr: {
      Expr result = boolean(a->kind == Node::kAnd);
      for (Expr arg : a->args) {
        result = nary(a->kind, result, assign(arg, leaf, value));
      }
      return result;
    }
    default:
      return a;
  }
}

bool isLeaf(Expr e) { return e->kind != Node::kAnd && e->kind != Node::kOr; }

std::vector<Expr> leavesOf(Expr e) {
  std::vector<Expr> leaves, work = {e};
  llvm::DenseSet<Expr> seen;
  while (!work.empty()) {
    Expr next = work.back();
    work.pop_back();
    if (!seen.insert(next).second) {
      continue;
    }
    if (next->kind == Node::kAnd || next->kind == Node::kOr || next->kind == Node::kNot) {
      work.insert(work.end(), next->args.rbegin(), next->args.rend());
    } else if (next->kind != Node::kTrue && next->kind != Node::kFalse) {
      leaves.push_back(next);
    }
  }
  return leaves;
}

}  // namespace mlir::sluice::raise
