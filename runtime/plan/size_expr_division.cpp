// Division, mod, min and max: what folds, and one spelling for what does not.
#include <algorithm>
#include <numeric>

#include "runtime/plan/size_expr.h"
#include "runtime/plan/size_expr_node.h"

namespace sluice::plan {
namespace {

using Node = SizeExpr::Node;
constexpr int64_t kMinInt = std::numeric_limits<int64_t>::min();

// gcd that treats INT64_MIN as without divisors, so that no later negation overflows.
int64_t Gcd(int64_t a, int64_t b) { return a == kMinInt || b == kMinInt ? 1 : std::gcd(a, b); }

int64_t TermGcd(const Node& n, int64_t start) {
  for (const Term& t : n.terms) {
    start = Gcd(start, t.coefficient);
  }
  return start;
}

// The terms of n over `g` and `m`, both of which divide each; the constant over `g`, rounded down.
SizeExpr DivideContent(const Node& n, int64_t g, const Monomial* m) {
  int64_t constant = FloorDivInt(n.constant, g);
  std::vector<Term> terms;
  for (const Term& t : n.terms) {
    bool ok = true;
    const Monomial* q = Divide(t.monomial, m, &ok);
    if (q == nullptr) {
      constant += t.coefficient / g;
    } else {
      terms.push_back({q, t.coefficient / g});
    }
  }
  // Dividing out a factor may change the order of the texts.
  std::sort(terms.begin(), terms.end(),
            [](const Term& s, const Term& t) { return s.monomial->text < t.monomial->text; });
  return Node::Make(constant, std::move(terms));
}

// Splits a = q * (k * m) + r with as much in q as whole multiples allow.  Coefficients are cut towards zero (so that
// -x stays -x), the constant downwards.  m == null: k alone.
void Split(const Node& a, int64_t k, const Monomial* m, SizeExpr* q, SizeExpr* r) {
  std::vector<Term> whole;
  std::vector<Term> rest;
  int64_t whole_constant = m == nullptr ? FloorDivInt(a.constant, k) : 0;
  const int64_t rest_constant = m == nullptr ? ModInt(a.constant, k) : a.constant;
  for (const Term& t : a.terms) {
    bool ok = true;
    const Monomial* over = Divide(t.monomial, m, &ok);
    const int64_t times = ok && t.coefficient != kMinInt ? t.coefficient / k : 0;
    if (times != 0 && over == nullptr) {
      whole_constant += times;
    } else if (times != 0) {
      whole.push_back({over, times});
    }
    if (t.coefficient != times * k) {
      rest.push_back({t.monomial, t.coefficient - times * k});
    }
  }
  std::sort(whole.begin(), whole.end(),
            [](const Term& s, const Term& t) { return s.monomial->text < t.monomial->text; });
  *q = Node::Make(whole_constant, std::move(whole));
  *r = Node::Make(rest_constant, std::move(rest));
}

// The largest monomial that divides every term of both; null when there is none.
const Monomial* CommonMonomial(const Node& a, const Node& b) {
  if (a.constant != 0 || b.constant != 0 || a.terms.empty() || b.terms.empty()) {
    return nullptr;
  }
  std::vector<Factor> common = a.terms[0].monomial->factors;
  const auto keep = [&](const Node& n) {
    for (const Term& t : n.terms) {
      std::erase_if(common, [&](Factor& f) {
        const auto& factors = t.monomial->factors;
        const auto it = std::find_if(factors.begin(), factors.end(), [&](const Factor& g) { return g.atom == f.atom; });
        f.power = it == factors.end() ? 0 : std::min(f.power, it->power);
        return f.power == 0;
      });
    }
  };
  keep(a);
  keep(b);
  return common.empty() ? nullptr : InternMonomial(std::move(common));
}

// Lexicographic order on monomials: the one with the larger power of the first atom is larger.  Unlike the order of
// the texts it is kept by multiplication, which long division needs.
bool LexLess(const Monomial* a, const Monomial* b) {
  for (size_t i = 0; i < a->factors.size() && i < b->factors.size(); ++i) {
    const Factor& f = a->factors[i];
    const Factor& g = b->factors[i];
    if (f.atom != g.atom) {
      return f.atom->text > g.atom->text;
    }
    if (f.power != g.power) {
      return f.power < g.power;
    }
  }
  return a->factors.size() < b->factors.size();
}

const Term& Leading(const Node& n) {
  return *std::max_element(n.terms.begin(), n.terms.end(),
                           [](const Term& s, const Term& t) { return LexLess(s.monomial, t.monomial); });
}

// a / b when b (of two terms or more) divides a exactly: (x + y) * z over x + y.
std::optional<SizeExpr> ExactQuotient(SizeExpr a, const SizeExpr& b) {
  constexpr int kMaxSteps = 32;
  const Term& divisor = Leading(Node::Of(b));
  SizeExpr quotient;
  for (int step = 0; step < kMaxSteps; ++step) {
    const Node& rest = Node::Of(a);
    if (rest.terms.empty()) {
      return rest.constant == 0 ? std::optional(quotient) : std::nullopt;
    }
    const Term& lead = Leading(rest);
    bool ok = true;
    const Monomial* m = Divide(lead.monomial, divisor.monomial, &ok);
    if (!ok || lead.coefficient == kMinInt || lead.coefficient % divisor.coefficient != 0) {
      return std::nullopt;
    }
    const int64_t times = lead.coefficient / divisor.coefficient;
    const SizeExpr part = m == nullptr ? SizeExpr(times) : Node::Make(0, {{m, times}});
    quotient = quotient + part;
    a = a - part * b;
  }
  return std::nullopt;
}

SizeExpr DivisionAtom(Atom::Kind kind, const SizeExpr& a, const SizeExpr& b) {
  return OfAtom(InternAtom(kind, {a, b}));
}

// a // c, c >= 2.
SizeExpr FloorDivByConstant(const SizeExpr& a, int64_t c) {
  SizeExpr whole;
  SizeExpr rest;
  Split(Node::Of(a), c, nullptr, &whole, &rest);
  if (rest.IsConstant()) {
    return whole;  // 0 <= rest < c
  }
  // (g * p + r) // (g * c) = (p + r // g) // c
  const int64_t g = TermGcd(Node::Of(rest), c);
  if (g > 1) {
    return whole + SizeExpr::FloorDiv(DivideContent(Node::Of(rest), g, nullptr), SizeExpr(c / g));
  }
  // (x // d + r) // c = (x + r * d) // (c * d)
  const Node& n = Node::Of(rest);
  const Atom* inner = AsAtom(rest - SizeExpr(n.constant));
  if (inner != nullptr && inner->kind == Atom::Kind::kFloorDiv) {
    const std::optional<int64_t> d = inner->args[1].Constant();
    int64_t product = 0;
    if (d && *d > 0 && !__builtin_mul_overflow(*d, c, &product)) {
      return whole + SizeExpr::FloorDiv(inner->args[0] + SizeExpr(n.constant) * SizeExpr(*d), SizeExpr(product));
    }
  }
  return whole + DivisionAtom(Atom::Kind::kFloorDiv, rest, SizeExpr(c));
}

// a // b, neither of them constant zero, b not constant.
SizeExpr FloorDivBySymbols(const SizeExpr& a, const SizeExpr& b) {
  const Node& x = Node::Of(a);
  const Node& y = Node::Of(b);
  // What both contain cancels: (g * a) // (g * b) = a // b.
  const int64_t g = TermGcd(x, Gcd(Gcd(x.constant, y.constant), TermGcd(y, 0)));
  const Monomial* m = CommonMonomial(x, y);
  if (g > 1 || m != nullptr) {
    return SizeExpr::FloorDiv(DivideContent(x, std::max<int64_t>(g, 1), m),
                              DivideContent(y, std::max<int64_t>(g, 1), m));
  }
  // The divisor's first coefficient is positive: a // -b = -a // b.
  if (y.terms[0].coefficient < 0) {
    const SizeExpr minus_a = SizeExpr(-1) * a;
    const SizeExpr minus_b = SizeExpr(-1) * b;
    const Node& turned = Node::Of(minus_b);
    if (!turned.terms.empty() && turned.terms[0].coefficient > 0) {
      return SizeExpr::FloorDiv(minus_a, minus_b);
    }
  }
  if (y.terms.size() == 1 && y.constant == 0 && y.terms[0].coefficient > 0) {
    SizeExpr whole;
    SizeExpr rest;
    Split(x, y.terms[0].coefficient, y.terms[0].monomial, &whole, &rest);
    if (!(whole == SizeExpr(0))) {
      return whole + SizeExpr::FloorDiv(rest, b);
    }
  } else if (const std::optional<SizeExpr> exact = ExactQuotient(a, b)) {
    return *exact;
  }
  return DivisionAtom(Atom::Kind::kFloorDiv, a, b);
}

// a mod c, c >= 2.
SizeExpr ModByConstant(const SizeExpr& a, int64_t c) {
  SizeExpr whole;
  SizeExpr rest;
  Split(Node::Of(a), c, nullptr, &whole, &rest);
  const Node& n = Node::Of(rest);
  if (n.terms.empty()) {
    return rest;
  }
  // mod(k * mod(x, d) + y, c) = mod(k * x + y, c) when c divides d.
  for (const Term& t : n.terms) {
    const Atom* atom = t.monomial->degree == 1 ? t.monomial->factors[0].atom : nullptr;
    if (atom == nullptr || atom->kind != Atom::Kind::kMod) {
      continue;
    }
    const std::optional<int64_t> d = atom->args[1].Constant();
    if (d && *d > 0 && *d % c == 0) {
      return SizeExpr::Mod(rest + SizeExpr(t.coefficient) * (atom->args[0] - OfAtom(atom)), SizeExpr(c));
    }
  }
  // mod(g * p + r, g * c) = g * mod(p + r // g, c) + r mod g
  const int64_t g = TermGcd(n, c);
  if (g > 1) {
    return SizeExpr(g) * SizeExpr::Mod(DivideContent(n, g, nullptr), SizeExpr(c / g)) + SizeExpr(n.constant % g);
  }
  return DivisionAtom(Atom::Kind::kMod, rest, SizeExpr(c));
}

SizeExpr ModBySymbols(const SizeExpr& a, const SizeExpr& b) {
  const Node& x = Node::Of(a);
  const Node& y = Node::Of(b);
  const int64_t g = std::max<int64_t>(TermGcd(x, Gcd(Gcd(x.constant, y.constant), TermGcd(y, 0))), 1);
  const Monomial* m = CommonMonomial(x, y);
  if (g > 1 || m != nullptr) {
    const SizeExpr content = m == nullptr ? SizeExpr(g) : Node::Make(0, {{m, g}});
    return content * SizeExpr::Mod(DivideContent(x, g, m), DivideContent(y, g, m));
  }
  if (y.terms.size() == 1 && y.constant == 0 && y.terms[0].coefficient > 0) {
    SizeExpr whole;
    SizeExpr rest;
    Split(x, y.terms[0].coefficient, y.terms[0].monomial, &whole, &rest);
    if (!(whole == SizeExpr(0))) {
      return SizeExpr::Mod(rest, b);
    }
  } else if (ExactQuotient(a, b)) {
    return SizeExpr(0);
  }
  return DivisionAtom(Atom::Kind::kMod, a, b);
}

SizeExpr Extremum(Atom::Kind kind, const SizeExpr& a, const SizeExpr& b) {
  std::vector<SizeExpr> all;
  for (const SizeExpr& e : {a, b}) {
    const Atom* atom = AsAtom(e);
    if (atom != nullptr && atom->kind == kind) {
      all.insert(all.end(), atom->args.begin(), atom->args.end());
    } else {
      all.push_back(e);
    }
  }
  // Of two that differ by a constant one is enough.
  std::vector<SizeExpr> kept;
  for (const SizeExpr& e : all) {
    bool needed = true;
    for (SizeExpr& k : kept) {
      const std::optional<int64_t> above = (e - k).Constant();
      if (above) {
        k = (kind == Atom::Kind::kMin) == (*above < 0) ? e : k;
        needed = false;
      }
    }
    if (needed) {
      kept.push_back(e);
    }
  }
  std::sort(kept.begin(), kept.end());
  return kept.size() == 1 ? kept[0] : OfAtom(InternAtom(kind, std::move(kept)));
}

}  // namespace

SizeExpr SizeExpr::FloorDiv(const SizeExpr& a, const SizeExpr& b) {
  const std::optional<int64_t> n = a.Constant();
  const std::optional<int64_t> c = b.Constant();
  if (!c) {
    return n == 0 ? SizeExpr(0) : FloorDivBySymbols(a, b);
  }
  if (*c == 0 || *c == kMinInt || (n == kMinInt && *c == -1)) {
    return DivisionAtom(Atom::Kind::kFloorDiv, a, b);
  }
  if (n) {
    return SizeExpr(FloorDivInt(*n, *c));
  }
  if (*c < 0) {
    return FloorDiv(SizeExpr(-1) * a, SizeExpr(-*c));
  }
  return *c == 1 ? a : FloorDivByConstant(a, *c);
}

SizeExpr SizeExpr::CeilDiv(const SizeExpr& a, const SizeExpr& b) {
  const std::optional<int64_t> c = b.Constant();
  if (c && *c > 0) {
    return FloorDiv(a + SizeExpr(*c - 1), b);
  }
  return SizeExpr(-1) * FloorDiv(SizeExpr(-1) * a, b);
}

SizeExpr SizeExpr::Mod(const SizeExpr& a, const SizeExpr& b) {
  const std::optional<int64_t> n = a.Constant();
  const std::optional<int64_t> c = b.Constant();
  if (!c) {
    return n == 0 ? SizeExpr(0) : ModBySymbols(a, b);
  }
  if (*c == 0 || *c == kMinInt) {
    return DivisionAtom(Atom::Kind::kMod, a, b);
  }
  if (n) {
    return SizeExpr(ModInt(*n, *c));
  }
  if (*c < 0) {
    return SizeExpr(-1) * Mod(SizeExpr(-1) * a, SizeExpr(-*c));
  }
  return *c == 1 ? SizeExpr(0) : ModByConstant(a, *c);
}

SizeExpr SizeExpr::Min(const SizeExpr& a, const SizeExpr& b) { return Extremum(Atom::Kind::kMin, a, b); }
SizeExpr SizeExpr::Max(const SizeExpr& a, const SizeExpr& b) { return Extremum(Atom::Kind::kMax, a, b); }

}  // namespace sluice::plan
