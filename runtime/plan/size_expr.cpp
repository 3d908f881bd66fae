// Building expressions: interning, sums and products.  Divisions and extrema: size_expr_division.cpp.
#include "runtime/plan/size_expr.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "runtime/plan/size_expr_node.h"

namespace sluice::plan {
namespace {

using Node = SizeExpr::Node;

// Never destroyed: expressions in static storage may outlive any order of destruction.
struct Interner {
  std::mutex mutex;
  std::unordered_map<std::string, std::unique_ptr<Atom>> atoms;          // by text
  std::unordered_map<std::string, std::unique_ptr<Monomial>> monomials;  // by text
};
Interner& Table() {
  static Interner* table = new Interner;
  return *table;
}

std::string AtomText(Atom::Kind kind, const std::vector<SizeExpr>& args) {
  const auto text = [&](size_t i) -> const std::string& { return Node::Of(args[i]).Text(); };
  switch (kind) {
    case Atom::Kind::kFloorDiv:
      return "floordiv(" + text(0) + ", " + text(1) + ")";
    case Atom::Kind::kMod:
      return "mod(" + text(0) + ", " + text(1) + ")";
    case Atom::Kind::kAdd:
      return "((" + text(0) + ") + (" + text(1) + "))";
    case Atom::Kind::kMul:
      return "((" + text(0) + ") * (" + text(1) + "))";
    case Atom::Kind::kSymbol:
    case Atom::Kind::kMin:
    case Atom::Kind::kMax:
      break;
  }
  // min(a, min(b, c))
  const std::string name = kind == Atom::Kind::kMin ? "min(" : "max(";
  std::string out;
  for (size_t i = 0; i + 1 < args.size(); ++i) {
    out += name + text(i) + ", ";
  }
  return out + text(args.size() - 1) + std::string(args.size() - 1, ')');
}

const Atom* Intern(Atom::Kind kind, std::string text, std::vector<SizeExpr> args) {
  Interner& table = Table();
  const std::lock_guard lock(table.mutex);
  std::unique_ptr<Atom>& atom = table.atoms[text];
  if (atom == nullptr) {
    atom = std::make_unique<Atom>(Atom{kind, text, std::move(args), nullptr, nullptr});
    std::unique_ptr<Monomial>& monomial = table.monomials[text];
    monomial = std::make_unique<Monomial>(Monomial{{{atom.get(), 1}}, text, 1});
    atom->monomial = monomial.get();
    atom->node = std::make_shared<Node>(0, std::vector<Term>{{monomial.get(), 1}});
  }
  return atom.get();
}

// c * e and e + c are the commonest operations: constants up to here are made once.
constexpr int64_t kSmallConstants = 1024;
const std::shared_ptr<const Node>& SmallConstant(int64_t value) {
  static const auto* all = [] {
    auto* nodes = new std::vector<std::shared_ptr<const Node>>;
    for (int64_t i = -1; i <= kSmallConstants; ++i) {
      nodes->push_back(std::make_shared<Node>(i, std::vector<Term>{}));
    }
    return nodes;
  }();
  return (*all)[static_cast<size_t>(value + 1)];
}

// a and b in parentheses: what neither a sum nor a product can hold.
SizeExpr Opaque(Atom::Kind kind, const SizeExpr& a, const SizeExpr& b) {
  return OfAtom(InternAtom(kind, a < b ? std::vector{a, b} : std::vector{b, a}));
}

// a + scale * b, merged; false on overflow of a coefficient.
bool AddScaled(const Node& a, const Node& b, int64_t scale, int64_t* constant, std::vector<Term>* terms) {
  int64_t scaled = 0;
  if (__builtin_mul_overflow(b.constant, scale, &scaled) || __builtin_add_overflow(a.constant, scaled, constant)) {
    return false;
  }
  terms->reserve(a.terms.size() + b.terms.size());
  auto i = a.terms.begin();
  for (const Term& t : b.terms) {
    while (i != a.terms.end() && i->monomial != t.monomial && i->monomial->text < t.monomial->text) {
      terms->push_back(*i++);
    }
    int64_t sum = 0;
    if (__builtin_mul_overflow(t.coefficient, scale, &sum)) {
      return false;
    }
    if (i != a.terms.end() && i->monomial == t.monomial && __builtin_add_overflow((i++)->coefficient, sum, &sum)) {
      return false;
    }
    if (sum != 0) {
      terms->push_back({t.monomial, sum});
    }
  }
  terms->insert(terms->end(), i, a.terms.end());
  return terms->size() <= kMaxTerms;
}

// The product of two polynomials, multiplied out; false when it is too large.
bool MultiplyOut(const Node& a, const Node& b, int64_t* constant, std::vector<Term>* terms) {
  if ((a.terms.size() + 1) * (b.terms.size() + 1) > kMaxTerms ||
      __builtin_mul_overflow(a.constant, b.constant, constant)) {
    return false;
  }
  bool ok = true;
  const auto add = [&](const Monomial* m, int64_t x, int64_t y) {
    int64_t product = 0;
    ok = ok && m != nullptr && !__builtin_mul_overflow(x, y, &product);
    if (ok && product != 0) {
      terms->push_back({m, product});
    }
  };
  for (const Term& s : a.terms) {
    for (const Term& t : b.terms) {
      add(Multiply(s.monomial, t.monomial), s.coefficient, t.coefficient);
    }
    add(s.monomial, s.coefficient, b.constant);
  }
  for (const Term& t : b.terms) {
    add(t.monomial, t.coefficient, a.constant);
  }
  std::sort(terms->begin(), terms->end(),
            [](const Term& s, const Term& t) { return s.monomial->text < t.monomial->text; });
  size_t kept = 0;
  for (size_t i = 0; i < terms->size(); ++i) {
    if (kept > 0 && (*terms)[kept - 1].monomial == (*terms)[i].monomial) {
      int64_t& sum = (*terms)[kept - 1].coefficient;
      ok = ok && !__builtin_add_overflow(sum, (*terms)[i].coefficient, &sum);
      kept -= sum == 0 ? 1 : 0;
    } else {
      (*terms)[kept++] = (*terms)[i];
    }
  }
  terms->resize(kept);
  return ok;
}

}  // namespace

const std::string& SizeExpr::Node::Text() const {
  const std::string* text = text_.load(std::memory_order_acquire);
  if (text != nullptr) {
    return *text;
  }
  auto made = std::make_unique<std::string>();
  const auto add = [&](int64_t value, const std::string& what) {
    const bool minus = value < 0;
    *made += made->empty() ? (minus ? "-" : "") : (minus ? " - " : " + ");
    const std::string magnitude = std::to_string(value).substr(minus ? 1 : 0);
    *made += what.empty() ? magnitude : magnitude == "1" ? what : magnitude + " * " + what;
  };
  for (const Term& t : terms) {
    add(t.coefficient, t.monomial->text);
  }
  if (constant != 0 || terms.empty()) {
    add(constant, "");
  }
  if (text_.compare_exchange_strong(text, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *text;
}

SizeExpr SizeExpr::Node::Make(int64_t constant, std::vector<Term> terms) {
  if (terms.empty()) {
    return SizeExpr(constant);
  }
  return Wrap(std::make_shared<Node>(constant, std::move(terms)));
}

const Atom* InternAtom(Atom::Kind kind, std::vector<SizeExpr> args) {
  std::string text = AtomText(kind, args);
  return Intern(kind, std::move(text), std::move(args));
}

const Atom* InternSymbol(std::string name) { return Intern(Atom::Kind::kSymbol, std::move(name), {}); }

const Monomial* InternMonomial(std::vector<Factor> factors) {
  if (factors.size() == 1 && factors[0].power == 1) {
    return factors[0].atom->monomial;
  }
  std::string text;
  int degree = 0;
  for (const Factor& f : factors) {
    for (int i = 0; i < f.power; ++i) {
      text += (text.empty() ? "" : " * ") + f.atom->text;
    }
    degree += f.power;
  }
  Interner& table = Table();
  const std::lock_guard lock(table.mutex);
  std::unique_ptr<Monomial>& monomial = table.monomials[text];
  if (monomial == nullptr) {
    monomial = std::make_unique<Monomial>(Monomial{std::move(factors), text, degree});
  }
  return monomial.get();
}

const Monomial* Multiply(const Monomial* a, const Monomial* b) {
  if (a == nullptr || b == nullptr) {
    return a == nullptr ? b : a;
  }
  if (a->degree + b->degree > kMaxDegree) {
    return nullptr;
  }
  std::vector<Factor> factors;
  factors.reserve(a->factors.size() + b->factors.size());
  auto i = a->factors.begin();
  for (const Factor& f : b->factors) {
    while (i != a->factors.end() && i->atom != f.atom && i->atom->text < f.atom->text) {
      factors.push_back(*i++);
    }
    const bool both = i != a->factors.end() && i->atom == f.atom;
    factors.push_back({f.atom, f.power + (both ? (i++)->power : 0)});
  }
  factors.insert(factors.end(), i, a->factors.end());
  return InternMonomial(std::move(factors));
}

const Monomial* Divide(const Monomial* a, const Monomial* b, bool* ok) {
  *ok = a == b || b == nullptr;
  if (*ok || a == nullptr) {
    return a == b ? nullptr : a;
  }
  std::vector<Factor> factors;
  auto i = b->factors.begin();
  for (const Factor& f : a->factors) {
    const bool both = i != b->factors.end() && i->atom == f.atom;
    const int power = f.power - (both ? (i++)->power : 0);
    if (power < 0) {
      return nullptr;
    }
    if (power > 0) {
      factors.push_back({f.atom, power});
    }
  }
  *ok = i == b->factors.end();
  return *ok && !factors.empty() ? InternMonomial(std::move(factors)) : nullptr;
}

SizeExpr OfAtom(const Atom* atom) { return Node::Wrap(atom->node); }

const Atom* AsAtom(const SizeExpr& e) {
  const Node& n = Node::Of(e);
  const bool one =
      n.constant == 0 && n.terms.size() == 1 && n.terms[0].coefficient == 1 && n.terms[0].monomial->degree == 1;
  return one ? n.terms[0].monomial->factors[0].atom : nullptr;
}

SizeExpr::SizeExpr() : node_(SmallConstant(0)) {}

SizeExpr::SizeExpr(int64_t constant)
    : node_(constant >= -1 && constant <= kSmallConstants ? SmallConstant(constant)
                                                          : std::make_shared<Node>(constant, std::vector<Term>{})) {}

SizeExpr::SizeExpr(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

SizeExpr SizeExpr::Symbol(std::string name) { return OfAtom(InternSymbol(std::move(name))); }

SizeExpr operator+(const SizeExpr& a, const SizeExpr& b) {
  const Node& x = Node::Of(a);
  const Node& y = Node::Of(b);
  if (y.constant == 0 && y.terms.empty()) {
    return a;
  }
  if (x.constant == 0 && x.terms.empty()) {
    return b;
  }
  int64_t constant = 0;
  std::vector<Term> terms;
  if (!AddScaled(x, y, 1, &constant, &terms)) {
    return Opaque(Atom::Kind::kAdd, a, b);
  }
  return Node::Make(constant, std::move(terms));
}

SizeExpr operator-(const SizeExpr& a, const SizeExpr& b) {
  int64_t constant = 0;
  std::vector<Term> terms;
  if (!AddScaled(Node::Of(a), Node::Of(b), -1, &constant, &terms)) {
    return a + SizeExpr(-1) * b;
  }
  return Node::Make(constant, std::move(terms));
}

SizeExpr operator*(const SizeExpr& a, const SizeExpr& b) {
  const Node& x = Node::Of(a);
  const Node& y = Node::Of(b);
  int64_t constant = 0;
  std::vector<Term> terms;
  if (x.terms.empty() || y.terms.empty()) {
    const int64_t scale = x.terms.empty() ? x.constant : y.constant;
    if (scale == 1) {
      return x.terms.empty() ? b : a;
    }
    if (AddScaled(Node{}, x.terms.empty() ? y : x, scale, &constant, &terms)) {
      return Node::Make(constant, std::move(terms));
    }
  } else if (MultiplyOut(x, y, &constant, &terms)) {
    return Node::Make(constant, std::move(terms));
  }
  return Opaque(Atom::Kind::kMul, a, b);
}

bool operator==(const SizeExpr& a, const SizeExpr& b) {
  const Node& x = Node::Of(a);
  const Node& y = Node::Of(b);
  return &x == &y || (x.constant == y.constant && x.terms == y.terms);
}

bool operator<(const SizeExpr& a, const SizeExpr& b) { return Node::Of(a).Text() < Node::Of(b).Text(); }

std::string SizeExpr::ToString() const { return node_->Text(); }

std::optional<int64_t> SizeExpr::Constant() const {
  return node_->terms.empty() ? std::optional(node_->constant) : std::nullopt;
}

}  // namespace sluice::plan
