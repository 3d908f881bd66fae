// Expressions flattened into instructions, and their interpreter.
#include "runtime/base/log.h"
#include "runtime/plan/size_expr.h"
#include "runtime/plan/size_expr_node.h"

namespace sluice::plan {
namespace {

using Node = SizeExpr::Node;
using Kind = Atom::Kind;
using Op = ExprProgram::Op;

// Appends instructions; a sub-expression whose text was met before is its old slot.
class Flattener {
 public:
  Flattener(std::vector<ExprProgram::Instr>* code, std::map<std::string, uint32_t>* by_text,
            const std::map<std::string, uint32_t>& symbols)
      : code_(*code), by_text_(*by_text), symbols_(symbols) {}

  uint32_t Expr(const SizeExpr& e) {
    const Node& n = Node::Of(e);
    if (n.terms.empty()) {
      return Constant(n.constant);
    }
    return Once(n.Text(), [&] {
      // Positive terms first, so that no negation is needed unless all are negative.
      int64_t sum = -1;
      for (const Term& t : n.terms) {
        if (t.coefficient > 0) {
          const uint32_t term = Scaled(t);
          sum = sum < 0 ? term : Emit(Op::kAdd, sum, term);
        }
      }
      if (sum < 0 || n.constant > 0) {
        const uint32_t constant = Constant(n.constant);
        sum = sum < 0 ? constant : Emit(Op::kAdd, sum, constant);
      } else if (n.constant < 0) {
        sum = Emit(Op::kAdd, sum, Constant(n.constant));
      }
      for (const Term& t : n.terms) {
        if (t.coefficient < 0) {
          // -c * m is subtracted as c * m; INT64_MIN has no such twin.
          const bool lowest = t.coefficient == std::numeric_limits<int64_t>::min();
          const uint32_t term = Scaled({t.monomial, lowest ? t.coefficient : -t.coefficient});
          sum = Emit(lowest ? Op::kAdd : Op::kSub, sum, term);
        }
      }
      return static_cast<uint32_t>(sum);
    });
  }

 private:
  uint32_t Emit(Op op, int64_t a, int64_t b) {
    code_.push_back({op, a, b});
    return static_cast<uint32_t>(code_.size() - 1);
  }
  template <typename Make>
  uint32_t Once(const std::string& text, const Make& make) {
    const auto it = by_text_.find(text);
    if (it != by_text_.end()) {
      return it->second;
    }
    const uint32_t slot = make();
    by_text_.emplace(text, slot);
    return slot;
  }
  uint32_t Constant(int64_t value) {
    return Once(std::to_string(value), [&] { return Emit(Op::kConst, value, 0); });
  }
  uint32_t Scaled(const Term& t) {
    if (t.coefficient == 1) {
      return Product(*t.monomial);
    }
    return Once(std::to_string(t.coefficient) + " * " + t.monomial->text, [&] {
      const uint32_t product = Product(*t.monomial);
      return Emit(Op::kMul, product, Constant(t.coefficient));
    });
  }
  uint32_t Product(const Monomial& m) {
    return Once(m.text, [&] {
      int64_t product = -1;
      for (const Factor& f : m.factors) {
        const uint32_t atom = AtomSlot(*f.atom);
        for (int i = 0; i < f.power; ++i) {
          product = product < 0 ? atom : Emit(Op::kMul, product, atom);
        }
      }
      return static_cast<uint32_t>(product);
    });
  }
  uint32_t AtomSlot(const Atom& atom) {
    return Once(atom.text, [&] {
      if (atom.kind == Kind::kSymbol) {
        const auto it = symbols_.find(atom.text);
        SLUICE_CHECK(it != symbols_.end(), ("no index for dimension " + atom.text).c_str());
        return Emit(Op::kSymbol, it->second, 0);
      }
      uint32_t result = Expr(atom.args[0]);
      for (size_t i = 1; i < atom.args.size(); ++i) {
        const uint32_t b = Expr(atom.args[i]);
        result = Emit(OpOf(atom.kind), result, b);
      }
      return result;
    });
  }
  static Op OpOf(Kind kind) {
    switch (kind) {
      case Kind::kFloorDiv:
        return Op::kFloorDiv;
      case Kind::kMod:
        return Op::kMod;
      case Kind::kMin:
        return Op::kMin;
      case Kind::kMax:
        return Op::kMax;
      case Kind::kMul:
        return Op::kMul;
      case Kind::kAdd:
      case Kind::kSymbol:
        break;
    }
    return Op::kAdd;
  }

  std::vector<ExprProgram::Instr>& code_;
  std::map<std::string, uint32_t>& by_text_;
  const std::map<std::string, uint32_t>& symbols_;
};

// Wrapping arithmetic: signed overflow is undefined in C++, unsigned is not.
int64_t Wrap(uint64_t x) { return static_cast<int64_t>(x); }
int64_t FloorDivOrZero(int64_t a, int64_t b) {
  return b == 0 ? 0 : b == -1 ? Wrap(-static_cast<uint64_t>(a)) : FloorDivInt(a, b);
}
int64_t CeilDivOrZero(int64_t a, int64_t b) {
  return b == 0 || b == -1 ? FloorDivOrZero(a, b) : FloorDivInt(a, b) + (a % b != 0 ? 1 : 0);
}

}  // namespace

uint32_t ExprProgram::Add(const SizeExpr& expr, const std::map<std::string, uint32_t>& symbols) {
  return Flattener(&code_, &by_text_, symbols).Expr(expr);
}

void ExprProgram::Run(const int64_t* symbols, int64_t* slots) const {
  for (size_t i = 0; i < code_.size(); ++i) {
    const Instr& in = code_[i];
    if (in.op == Op::kConst) {
      slots[i] = in.a;
      continue;
    }
    if (in.op == Op::kSymbol) {
      slots[i] = symbols[in.a];
      continue;
    }
    const int64_t a = slots[in.a];
    const int64_t b = slots[in.b];
    switch (in.op) {
      case Op::kAdd:
        slots[i] = Wrap(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
        break;
      case Op::kSub:
        slots[i] = Wrap(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
        break;
      case Op::kMul:
        slots[i] = Wrap(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
        break;
      case Op::kFloorDiv:
        slots[i] = FloorDivOrZero(a, b);
        break;
      case Op::kCeilDiv:
        slots[i] = CeilDivOrZero(a, b);
        break;
      case Op::kMod:
        slots[i] = b == 0 ? 0 : ModInt(a, b);
        break;
      case Op::kMin:
        slots[i] = std::min(a, b);
        break;
      case Op::kMax:
        slots[i] = std::max(a, b);
        break;
      case Op::kConst:
      case Op::kSymbol:
        break;
    }
  }
}

}  // namespace sluice::plan
