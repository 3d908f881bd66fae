// Scalars as expressions over index variables, sizes and tensor elements: what an element of a mask *means*.
//
//   ExprContext x;
//   Expr q = x.index("q", seq), k = x.index("k", past + seq);
//   x.compare(Cmp::kLe, k, x.add(q, x.symbol("past")))         // le(-past + k - q), the causal test
//   x.select(test, x.constant(0), x.constant(-INFINITY))       // the additive mask made of it
//
// Numbers are polynomials over atoms, or decisions between numbers: every operation on a decision moves into its arms,
// so a number is a tree of selects over polynomials.  Booleans are and/or over comparisons `polynomial <= 0` (negations
// move inwards).  Nodes are unique: equal pointers mean equal expressions.
//
// Floating-point arithmetic on whole numbers counts as exact: positions and mask values stay far below 2^24.  Constants
// are rounded to their type after each operation (round), so -65504 - 65504 is -inf in f16 and not in f32.
#ifndef SLUICE_PASSES_RAISE_SYMBOLICEXPR_H_
#define SLUICE_PASSES_RAISE_SYMBOLICEXPR_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "mlir/IR/Value.h"

namespace mlir::sluice::raise {

// A polynomial with real coefficients over atoms (numbered by ExprContext).
class Poly {
 public:
  using Monomial = std::vector<unsigned>;  // atom numbers, ascending; repeated for powers
  Poly() = default;
  Poly(double constant);  // NOLINT: constants are written as numbers everywhere
  static Poly atom(unsigned id);

  friend Poly operator+(const Poly& a, const Poly& b);
  friend Poly operator-(const Poly& a, const Poly& b);
  friend Poly operator*(const Poly& a, const Poly& b);
  bool operator==(const Poly&) const = default;
  bool operator<(const Poly& other) const { return terms < other.terms; }

  double constantTerm() const;
  std::optional<double> constant() const;  // the value, when there is no atom in it
  // The number of the atom this polynomial is; nothing for other polynomials.
  std::optional<unsigned> asAtom() const;
  // a = quotient · divisor + remainder, dividing leading terms; exact coefficients only.
  static std::pair<Poly, Poly> divide(const Poly& a, const Poly& divisor);

  std::map<Monomial, double> terms;  // no zero coefficients
};

enum class Cmp { kLt, kLe, kGt, kGe, kEq, kNe };

struct Node;
using Expr = const Node*;

// One unknown.  Whole: takes integer values only.
struct Atom {
  enum Kind {
    kIndex,     // 0 <= it < extent
    kSymbol,    // a size: >= 0
    kElement,   // element `args` of `value`; 0 <= it < extent when an extent is given
    kFloorDiv,  // floor(args[0] / args[1]), both polynomials, args[1] > 0
    kOpaque     // `name` applied to args
  };
  Kind kind;
  std::string name;
  Value value;
  std::vector<Expr> args;
  std::optional<Poly> extent;
  bool whole = true;
};

struct Node {
  enum Kind {
    kNumber,  // poly
    kSelect,  // args: condition, then, else (numbers)
    kFalse,
    kTrue,
    kLe,        // poly <= 0, whole coefficients and atoms
    kLessReal,  // poly < 0 over reals
    kLeReal,    // poly <= 0 over reals
    kEqReal,    // poly == 0 over reals
    kFact,      // the boolean atom `atom`
    kNot,       // of kFact, kLessReal, kLeReal, kEqReal only
    kAnd,
    kOr
  };
  Kind kind;
  Poly poly;
  unsigned atom = 0;
  std::vector<Expr> args;
  unsigned id = 0;  // creation order
};

class ExprContext {
 public:
  // Numbers.
  Expr number(Poly poly);
  Expr constant(double value) { return number(Poly(value)); }
  Expr index(const std::string& name, const Poly& extent);
  Expr symbol(const std::string& name);
  Expr element(Value value, std::vector<Expr> indices, bool whole, std::optional<Poly> extent = std::nullopt);
  Expr opaque(const std::string& name, std::vector<Expr> args, bool whole);
  Expr add(Expr a, Expr b);
  Expr sub(Expr a, Expr b);
  Expr mul(Expr a, Expr b);
  Expr div(Expr a, Expr b);  // real division
  Expr select(Expr condition, Expr then, Expr otherwise);
  Expr min(Expr a, Expr b) { return choose(Cmp::kLe, a, b); }
  Expr max(Expr a, Expr b) { return choose(Cmp::kGe, a, b); }
  // Floor of a / b without knowledge of ranges: exact divisions fold, others become an atom.
  Expr floorDiv(const Poly& a, const Poly& b);
  // f of each polynomial leaf.
  Expr map(Expr a, llvm::function_ref<Expr(const Poly&)> f);
  Expr map(Expr a, Expr b, llvm::function_ref<Expr(const Poly&, const Poly&)> f);

  // Booleans.
  Expr boolean(bool value);
  Expr fact(Value value, std::vector<Expr> indices);  // an i1 element
  Expr compare(Cmp cmp, Expr a, Expr b);
  Expr andOf(Expr a, Expr b) { return nary(Node::kAnd, a, b); }
  Expr orOf(Expr a, Expr b) { return nary(Node::kOr, a, b); }
  Expr notOf(Expr a);
  Expr choice(Expr condition, Expr then, Expr otherwise);  // select of booleans
  // `a` with the leaf condition `leaf` known to be `value`.
  Expr assign(Expr a, Expr leaf, bool value);

  const Atom& atom(unsigned id) const { return atoms_[id]; }
  // A number that atoms of one tensor (or one opaque function) share: elements of it at other positions.
  unsigned family(unsigned id) const { return families_[id]; }
  // True when the value depends on this index, also through positions of elements.
  bool mentions(Expr e, Expr index) const;
  bool mentions(const Poly& p, Expr index) const;
  // Expressions made so far: callers give up when a graph makes too many.
  size_t size() const { return nodes_.size(); }
  std::string print(Expr e) const;
  std::string print(const Poly& p) const;
  // The value under `atoms`, which gives a number to each index, symbol, element, fact and opaque atom.
  double evaluate(Expr e, const std::function<double(unsigned)>& atoms) const;
  double evaluate(const Poly& p, const std::function<double(unsigned)>& atoms) const;

 private:
  using NodeKey = std::tuple<int, std::map<Poly::Monomial, double>, unsigned, std::vector<unsigned>>;
  Expr unique(Node node);
  unsigned uniqueAtom(Atom atom);
  Expr compareZero(Cmp cmp, const Poly& difference);
  Expr nary(Node::Kind kind, Expr a, Expr b);
  Expr choose(Cmp cmp, Expr a, Expr b);
  Expr restrict(Expr a, Expr condition, bool value);
  bool whole(const Poly& poly) const;

  std::map<NodeKey, std::unique_ptr<Node>> nodes_;
  std::vector<Atom> atoms_;
  std::vector<unsigned> families_;
  std::map<std::pair<void*, std::string>, unsigned> familyIds_;
  std::map<std::tuple<int, std::string, void*, std::vector<unsigned>, std::map<Poly::Monomial, double>>, unsigned>
      atomIds_;
};

// True for a boolean that is no and/or: what assign takes, what a proof decides one after the other.
bool isLeaf(Expr e);
// The leaves of a boolean, each once, in order of first use.
std::vector<Expr> leavesOf(Expr e);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_SYMBOLICEXPR_H_
