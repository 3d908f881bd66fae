// Sizes: integer expressions over named dimensions, shared by compiler, artifact and runtime.
//
//   SizeExpr total = SizeExpr::Symbol("past") + SizeExpr::Symbol("seq");
//   SizeExpr::Parse("seq + past").value() == total            // one canonical form
//   (total * 4).Evaluate({{"past", 5}, {"seq", 2}}).value()   // 28
//
// Text form (what IR attributes, the artifact dump and ONNX dim names use):
//   expr := + - * over integers, symbols, parentheses, and floordiv(a, b) ceildiv(a, b) mod(a, b) min(a, b) max(a, b)
//   symbol := [A-Za-z_][A-Za-z0-9_.]*
// Division is floor division (Python's //); mod has the sign of the divisor.  Overflow of int64 is an error in
// Evaluate and widens to the whole range in Bounds.
//
// Canonical form: a polynomial with integer coefficients over atoms; an atom is a symbol or a division, mod,
// min or max whose arguments are canonical.  Terms are sorted by their text, so equal expressions are equal objects
// and print equally.  Simplified: constants fold, floordiv(c*a, c) = a, ceildiv = floordiv with offset folded to one
// spelling, min/max of ordered bounds fold when the arguments differ by a constant.
#ifndef SLUICE_RUNTIME_PLAN_SIZE_EXPR_H_
#define SLUICE_RUNTIME_PLAN_SIZE_EXPR_H_

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace sluice::plan {

// A closed interval; the defaults mean "any size".
struct Interval {
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
  bool operator==(const Interval&) const = default;
};

using Bindings = std::map<std::string, int64_t>;       // symbol → value
using SymbolBounds = std::map<std::string, Interval>;  // symbol → interval; absent means Interval{}

class SizeExpr {
 public:
  SizeExpr();                  // 0
  SizeExpr(int64_t constant);  // NOLINT: sizes are written as numbers everywhere
  static SizeExpr Symbol(std::string name);
  static absl::StatusOr<SizeExpr> Parse(const std::string& text);

  friend SizeExpr operator+(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr operator-(const SizeExpr& a, const SizeExpr& b);
  friend SizeExpr operator*(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr FloorDiv(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr CeilDiv(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr Mod(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr Min(const SizeExpr& a, const SizeExpr& b);
  static SizeExpr Max(const SizeExpr& a, const SizeExpr& b);

  friend bool operator==(const SizeExpr& a, const SizeExpr& b);
  friend bool operator<(const SizeExpr& a, const SizeExpr& b);  // by text: for ordered containers

  std::string ToString() const;
  std::optional<int64_t> Constant() const;  // the value, when no symbol is left
  bool IsConstant() const { return Constant().has_value(); }
  std::set<std::string> Symbols() const;

  // The value under `values`.  kInvalidArgument names the first unbound symbol; kOutOfRange on overflow or division by
  // 0.
  absl::StatusOr<int64_t> Evaluate(const Bindings& values) const;
  // An interval that holds every value the expression takes when each symbol stays in its bounds (may be wider).
  Interval Bounds(const SymbolBounds& bounds) const;
  // Every symbol in `values` replaced by its expression.
  SizeExpr Substitute(const std::map<std::string, SizeExpr>& values) const;

  struct Node;  // size_expr.cpp
 private:
  explicit SizeExpr(std::shared_ptr<const Node> node);
  std::shared_ptr<const Node> node_;
  friend class ExprProgram;
};

// a and b are equal for every binding / a >= 0 for every binding within the bounds.  "No" means "not proven".
bool ProvenEqual(const SizeExpr& a, const SizeExpr& b);
bool ProvenNonNegative(const SizeExpr& a, const SymbolBounds& bounds = {});

// Expressions flattened for the runtime: evaluated all at once, without allocation.
//
// The artifact stores exactly this: `code` is a list of instructions; instruction i writes value slot i.  Symbols are
// numbered by the artifact's symbol table.
class ExprProgram {
 public:
  enum class Op : uint8_t { kConst, kSymbol, kAdd, kSub, kMul, kFloorDiv, kCeilDiv, kMod, kMin, kMax };
  struct Instr {
    Op op;
    int64_t a;  // constant value, symbol index, or slot
    int64_t b;  // slot
  };
  // Adds an expression (shared sub-expressions once); returns its slot.  `symbols` maps names to indices.
  uint32_t Add(const SizeExpr& expr, const std::map<std::string, uint32_t>& symbols);

  std::vector<Instr>& code() { return code_; }
  const std::vector<Instr>& code() const { return code_; }
  // Fills slots[0 .. code().size()).  symbols[i] is the value of symbol i.  Division by zero gives 0 (a size that is
  // only read on a path not taken); overflow wraps.  No allocation.
  void Run(const int64_t* symbols, int64_t* slots) const;

 private:
  std::vector<Instr> code_;
  std::map<std::string, uint32_t> by_text_;
};

}  // namespace sluice::plan

#endif  // SLUICE_RUNTIME_PLAN_SIZE_EXPR_H_
