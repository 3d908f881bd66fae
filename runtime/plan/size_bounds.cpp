// What can be said of an expression without values: intervals, and proofs of equality and sign.
#include <algorithm>

#include "runtime/plan/size_expr.h"
#include "runtime/plan/size_expr_node.h"

namespace sluice::plan {
namespace {

using Node = SizeExpr::Node;
using Kind = Atom::Kind;
using Wide = __int128;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr Wide kHuge = Wide{1} << 120;

// Exact within 2^120; `valid` is false once a bound would pass it.  No symbol's value, and no result Evaluate gives,
// is outside int64: a bound beyond int64 may be cut to it, but only at the end, since terms may cancel.
struct WideInterval {
  Wide min = 0;
  Wide max = 0;
  bool valid = true;
};

Wide Abs(Wide x) { return x < 0 ? -x : x; }

WideInterval Multiply(const WideInterval& a, const WideInterval& b) {
  const Wide largest_a = std::max(Abs(a.min), Abs(a.max));
  const Wide largest_b = std::max(Abs(b.min), Abs(b.max));
  if (!a.valid || !b.valid || (largest_a != 0 && largest_b > kHuge / largest_a)) {
    return {0, 0, false};
  }
  const Wide corners[] = {a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max};
  return {*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4), true};
}

Interval Narrow(const WideInterval& w) {
  if (!w.valid) {
    return {kMin, kMax};
  }
  return {static_cast<int64_t>(std::clamp<Wide>(w.min, kMin, kMax)),
          static_cast<int64_t>(std::clamp<Wide>(w.max, kMin, kMax))};
}

int64_t FloorDivClamped(int64_t a, int64_t b) { return a == kMin && b == -1 ? kMax : FloorDivInt(a, b); }

// Quotients are monotonic in either argument while the divisor keeps its sign, so the corners bound them.
Interval FloorDivBounds(const Interval& a, const Interval& b) {
  int64_t divisors[4];
  int count = 0;
  if (b.max >= 1) {
    divisors[count++] = std::max<int64_t>(b.min, 1);
    divisors[count++] = b.max;
  }
  if (b.min <= -1) {
    divisors[count++] = b.min;
    divisors[count++] = std::min<int64_t>(b.max, -1);
  }
  Interval r{kMax, kMin};
  for (int i = 0; i < count; ++i) {
    for (int64_t x : {a.min, a.max}) {
      const int64_t q = FloorDivClamped(x, divisors[i]);
      r = {std::min(r.min, q), std::max(r.max, q)};
    }
  }
  return count == 0 ? Interval{0, 0} : r;  // every division is by zero, an error: no value to hold
}

Interval ModBounds(const Interval& a, const Interval& b) {
  if (a.min >= 0 && b.min > a.max) {
    return a;
  }
  Interval r{0, 0};
  if (b.max >= 1) {
    r.max = b.max - 1;
    if (a.min >= 0 && b.min >= 1) {
      r.max = std::min(r.max, a.max);
    }
  }
  if (b.min <= -1) {
    r.min = b.min + 1;
  }
  return r;
}

Interval AtomBounds(const Atom& atom, const SymbolBounds& bounds) {
  if (atom.kind == Kind::kSymbol) {
    const auto it = bounds.find(atom.text);
    return it == bounds.end() ? Interval{} : it->second;
  }
  Interval r = atom.args[0].Bounds(bounds);
  for (size_t i = 1; i < atom.args.size(); ++i) {
    const Interval b = atom.args[i].Bounds(bounds);
    switch (atom.kind) {
      case Kind::kMin:
        r = {std::min(r.min, b.min), std::min(r.max, b.max)};
        break;
      case Kind::kMax:
        r = {std::max(r.min, b.min), std::max(r.max, b.max)};
        break;
      case Kind::kFloorDiv:
        r = FloorDivBounds(r, b);
        break;
      case Kind::kMod:
        r = ModBounds(r, b);
        break;
      case Kind::kAdd:
        r = Narrow({Wide{r.min} + b.min, Wide{r.max} + b.max});
        break;
      case Kind::kMul:
        r = Narrow(Multiply({r.min, r.max}, {b.min, b.max}));
        break;
      case Kind::kSymbol:
        break;
    }
  }
  return r;
}

// x^p: an even power of an interval around 0 starts at 0.
WideInterval Power(const Interval& x, int p) {
  WideInterval r{1, 1};
  for (int i = 0; i < p; ++i) {
    r = Multiply(r, {x.min, x.max});
  }
  if (p % 2 == 0 && r.valid && x.min < 0) {
    r.min = x.max < 0 ? r.min : 0;
  }
  return r;
}

// Every mod as a - b * (a // b), for the comparison of two expressions.
SizeExpr ExpandMods(const SizeExpr& e) {
  const Node& n = Node::Of(e);
  SizeExpr sum(n.constant);
  for (const Term& t : n.terms) {
    SizeExpr product(t.coefficient);
    for (const Factor& f : t.monomial->factors) {
      SizeExpr value = OfAtom(f.atom);
      if (f.atom->kind == Kind::kMod) {
        const SizeExpr a = ExpandMods(f.atom->args[0]);
        const SizeExpr b = ExpandMods(f.atom->args[1]);
        value = a - b * SizeExpr::FloorDiv(a, b);
      }
      for (int i = 0; i < f.power; ++i) {
        product = product * value;
      }
    }
    sum = sum + product;
  }
  return sum;
}

// Proves e >= 0 by its interval; failing that, replaces one atom by something it is bounded by and tries again.  With
// coefficient k of an atom that stands alone in its term:
//   k > 0:  max(a, b) >= a, b;   c * (a // c) >= a - c + 1
//   k < 0:  min(a, b) <= a, b;   c * (a // c) <= a;   mod(a, c) <= a for a >= 0
bool NonNegative(const SizeExpr& e, const SymbolBounds& bounds, int budget) {
  if (e.Bounds(bounds).min >= 0) {
    return true;
  }
  if (budget == 0) {
    return false;
  }
  for (const Term& t : Node::Of(e).terms) {
    const Atom* atom = t.monomial->degree == 1 ? t.monomial->factors[0].atom : nullptr;
    if (atom == nullptr || atom->kind == Kind::kSymbol || t.coefficient == kMin) {
      continue;
    }
    const SizeExpr rest = e - Node::Make(0, {t});
    const SizeExpr k(t.coefficient);
    if (atom->kind == (t.coefficient > 0 ? Kind::kMax : Kind::kMin)) {
      for (const SizeExpr& arg : atom->args) {
        if (NonNegative(rest + k * arg, bounds, budget - 1)) {
          return true;
        }
      }
    }
    const std::optional<int64_t> c = atom->args[1].Constant();
    if (atom->kind == Kind::kFloorDiv && c && *c > 0) {
      const SizeExpr bound = t.coefficient > 0 ? atom->args[0] - SizeExpr(*c - 1) : atom->args[0];
      if (NonNegative(rest * SizeExpr(*c) + k * bound, bounds, budget - 1)) {
        return true;
      }
    }
    if (atom->kind == Kind::kMod && c && *c > 0 && t.coefficient < 0 && atom->args[0].Bounds(bounds).min >= 0 &&
        NonNegative(rest + k * atom->args[0], bounds, budget - 1)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Interval SizeExpr::Bounds(const SymbolBounds& bounds) const {
  WideInterval sum{node_->constant, node_->constant};
  for (const Term& t : node_->terms) {
    WideInterval product{t.coefficient, t.coefficient};
    for (const Factor& f : t.monomial->factors) {
      product = Multiply(product, Power(AtomBounds(*f.atom, bounds), f.power));
    }
    sum = {sum.min + product.min, sum.max + product.max, sum.valid && product.valid};
  }
  return Narrow(sum);
}

bool ProvenEqual(const SizeExpr& a, const SizeExpr& b) {
  return a == b || (a - b).Constant() == 0 || ExpandMods(a - b).Constant() == 0;
}

bool ProvenNonNegative(const SizeExpr& a, const SymbolBounds& bounds) { return NonNegative(a, bounds, /*budget=*/4); }

}  // namespace sluice::plan
