// How a SizeExpr is stored; private to runtime/plan/size_expr*.cpp.
//
//   3 * past * seq + floordiv(seq + 15, 16) - 2
//   Node{constant -2, terms {1 * [floordiv(seq + 15, 16)], 3 * [past, seq]}}
//
// Atoms and monomials are interned for the life of the process: equal ones are one object, so that comparing and
// adding polynomials compares pointers, and each text is built once.  There are as many as there are different sizes
// in the models a process has met: thousands.  Interning takes a lock; arithmetic on interned parts does not.
#ifndef SLUICE_RUNTIME_PLAN_SIZE_EXPR_NODE_H_
#define SLUICE_RUNTIME_PLAN_SIZE_EXPR_NODE_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/plan/size_expr.h"

namespace sluice::plan {

struct Monomial;

// What a polynomial is made of.  kAdd and kMul stand for sums and products that cannot be multiplied out (coefficients
// beyond int64, or too many terms); they print in parentheses, "((a) + (b))".
struct Atom {
  enum class Kind : uint8_t { kSymbol, kFloorDiv, kMod, kMin, kMax, kAdd, kMul };
  Kind kind;
  std::string text;                            // a symbol's is its name
  std::vector<SizeExpr> args;                  // kMin, kMax: two or more, sorted by text; the others but kSymbol: two
  const Monomial* monomial = nullptr;          // this atom to the power of one
  std::shared_ptr<const SizeExpr::Node> node;  // 1 * monomial
};

struct Factor {
  const Atom* atom;
  int power;  // >= 1
  bool operator==(const Factor&) const = default;
};

// A product of atoms, sorted by their text; never empty.
struct Monomial {
  std::vector<Factor> factors;
  std::string text;  // "past * seq * seq"
  int degree = 0;    // sum of the powers
};

struct Term {
  const Monomial* monomial;
  int64_t coefficient;  // never 0
  bool operator==(const Term&) const = default;
};

struct SizeExpr::Node {
  int64_t constant = 0;
  std::vector<Term> terms;  // sorted by the monomial's text

  Node() = default;
  Node(int64_t c, std::vector<Term> t) : constant(c), terms(std::move(t)) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node() { delete text_.load(); }

  const std::string& Text() const;  // built when first asked; thread-safe

  static const Node& Of(const SizeExpr& e) { return *e.node_; }
  static SizeExpr Wrap(std::shared_ptr<const Node> node) { return SizeExpr(std::move(node)); }
  static SizeExpr Make(int64_t constant, std::vector<Term> terms);

 private:
  mutable std::atomic<const std::string*> text_{nullptr};
};

// Sums and products no longer than this are multiplied out.
inline constexpr size_t kMaxTerms = 1024;
inline constexpr int kMaxDegree = 32;

const Atom* InternAtom(Atom::Kind kind, std::vector<SizeExpr> args);
const Atom* InternSymbol(std::string name);
// Factors sorted by atom text, not empty.
const Monomial* InternMonomial(std::vector<Factor> factors);
// The product, or null when its degree would pass kMaxDegree.  Either may be null, the empty product.
const Monomial* Multiply(const Monomial* a, const Monomial* b);
// `a` divided by `b` when it divides; `ok` says so.  Null stands for the empty product.
const Monomial* Divide(const Monomial* a, const Monomial* b, bool* ok);

SizeExpr OfAtom(const Atom* atom);
// The only atom of `e` when e is that atom and nothing else.
const Atom* AsAtom(const SizeExpr& e);

// Python's // and %, b != 0; the caller excludes INT64_MIN // -1.
inline int64_t FloorDivInt(int64_t a, int64_t b) { return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0); }
inline int64_t ModInt(int64_t a, int64_t b) {
  if (b == -1) {
    return 0;
  }
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

}  // namespace sluice::plan

#endif  // SLUICE_RUNTIME_PLAN_SIZE_EXPR_NODE_H_
