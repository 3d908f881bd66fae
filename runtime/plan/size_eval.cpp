// Walking expressions: their symbols, their value, and themselves with symbols replaced.
#include <functional>

#include "runtime/plan/size_expr.h"
#include "runtime/plan/size_expr_node.h"

namespace sluice::plan {
namespace {

using Node = SizeExpr::Node;
using Kind = Atom::Kind;

absl::Status Overflow(const SizeExpr& e) {
  return absl::OutOfRangeError("size " + e.ToString().substr(0, 200) + ": overflows 64 bits (use smaller dimensions)");
}

absl::StatusOr<int64_t> EvaluateAtom(const Atom& atom, const Bindings& values) {
  if (atom.kind == Kind::kSymbol) {
    const auto it = values.find(atom.text);
    if (it == values.end()) {
      return absl::InvalidArgumentError("dimension " + atom.text + ": has no value (bind it)");
    }
    return it->second;
  }
  ASSIGN_OR_RETURN(int64_t result, atom.args[0].Evaluate(values));
  for (size_t i = 1; i < atom.args.size(); ++i) {
    ASSIGN_OR_RETURN(const int64_t b, atom.args[i].Evaluate(values));
    bool overflow = false;
    switch (atom.kind) {
      case Kind::kMin:
        result = std::min(result, b);
        break;
      case Kind::kMax:
        result = std::max(result, b);
        break;
      case Kind::kAdd:
        overflow = __builtin_add_overflow(result, b, &result);
        break;
      case Kind::kMul:
        overflow = __builtin_mul_overflow(result, b, &result);
        break;
      case Kind::kFloorDiv:
      case Kind::kMod:
        if (b == 0) {
          return absl::OutOfRangeError("size " + atom.text.substr(0, 200) + ": divides by zero (use other dimensions)");
        }
        overflow = atom.kind == Kind::kFloorDiv && b == -1 && result == std::numeric_limits<int64_t>::min();
        result = overflow ? 0 : atom.kind == Kind::kMod ? ModInt(result, b) : FloorDivInt(result, b);
        break;
      case Kind::kSymbol:
        break;
    }
    if (overflow) {
      return Overflow(OfAtom(&atom));
    }
  }
  return result;
}

// The value of coefficient * monomial; sums are of 128 bits, so that only a term or the total can overflow.
absl::StatusOr<int64_t> EvaluateTerm(const Term& term, const Bindings& values) {
  int64_t product = term.coefficient;
  bool overflow = false;
  bool zero = false;
  for (const Factor& f : term.monomial->factors) {
    ASSIGN_OR_RETURN(const int64_t value, EvaluateAtom(*f.atom, values));
    zero = zero || value == 0;
    for (int i = 0; i < f.power; ++i) {
      overflow = __builtin_mul_overflow(product, value, &product) || overflow;
    }
  }
  if (overflow && !zero) {
    return Overflow(Node::Make(0, {term}));
  }
  return zero ? 0 : product;
}

using AtomMap = std::function<SizeExpr(const Atom&)>;

SizeExpr Rebuild(const SizeExpr& e, const AtomMap& map);

SizeExpr RebuildAtom(const Atom& atom, const AtomMap& map) {
  if (atom.kind == Kind::kSymbol) {
    return map(atom);
  }
  SizeExpr result = Rebuild(atom.args[0], map);
  for (size_t i = 1; i < atom.args.size(); ++i) {
    const SizeExpr b = Rebuild(atom.args[i], map);
    switch (atom.kind) {
      case Kind::kMin:
        result = SizeExpr::Min(result, b);
        break;
      case Kind::kMax:
        result = SizeExpr::Max(result, b);
        break;
      case Kind::kAdd:
        result = result + b;
        break;
      case Kind::kMul:
        result = result * b;
        break;
      case Kind::kFloorDiv:
        result = SizeExpr::FloorDiv(result, b);
        break;
      case Kind::kMod:
        result = SizeExpr::Mod(result, b);
        break;
      case Kind::kSymbol:
        break;
    }
  }
  return result;
}

SizeExpr Rebuild(const SizeExpr& e, const AtomMap& map) {
  const Node& n = Node::Of(e);
  SizeExpr sum(n.constant);
  for (const Term& t : n.terms) {
    SizeExpr product(t.coefficient);
    for (const Factor& f : t.monomial->factors) {
      const SizeExpr value = RebuildAtom(*f.atom, map);
      for (int i = 0; i < f.power; ++i) {
        product = product * value;
      }
    }
    sum = sum + product;
  }
  return sum;
}

void AddSymbols(const SizeExpr& e, std::set<std::string>* symbols) {
  for (const Term& t : Node::Of(e).terms) {
    for (const Factor& f : t.monomial->factors) {
      if (f.atom->kind == Kind::kSymbol) {
        symbols->insert(f.atom->text);
      }
      for (const SizeExpr& arg : f.atom->args) {
        AddSymbols(arg, symbols);
      }
    }
  }
}

}  // namespace

std::set<std::string> SizeExpr::Symbols() const {
  std::set<std::string> symbols;
  AddSymbols(*this, &symbols);
  return symbols;
}

absl::StatusOr<int64_t> SizeExpr::Evaluate(const Bindings& values) const {
  __int128 sum = node_->constant;
  for (const Term& t : node_->terms) {
    ASSIGN_OR_RETURN(const int64_t value, EvaluateTerm(t, values));
    sum += value;
  }
  if (sum < std::numeric_limits<int64_t>::min() || sum > std::numeric_limits<int64_t>::max()) {
    return Overflow(*this);
  }
  return static_cast<int64_t>(sum);
}

SizeExpr SizeExpr::Substitute(const std::map<std::string, SizeExpr>& values) const {
  if (IsConstant() || values.empty()) {
    return *this;
  }
  return Rebuild(*this, [&](const Atom& symbol) {
    const auto it = values.find(symbol.text);
    return it == values.end() ? OfAtom(&symbol) : it->second;
  });
}

}  // namespace sluice::plan
