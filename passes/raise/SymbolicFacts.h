// What is known about the unknowns of an expression, and proofs from it.
//
//   Facts facts(context);                        // q in [0, seq), k in [0, past + seq), sizes >= 0: from the atoms
//   facts.assumeEqual(total, past + seq);        // an entry assumption
//   facts.proveLe(q, seq - 1)                    // true
//   facts.valid(context.orOf(a, b))              // true when no integers make it false
//
// Linear integer arithmetic is decided exactly (Presburger); a product of unknowns counts as one more unknown, so
// "false" means "not proven".
#ifndef SLUICE_PASSES_RAISE_SYMBOLICFACTS_H_
#define SLUICE_PASSES_RAISE_SYMBOLICFACTS_H_

#include <set>

#include "passes/raise/SymbolicExpr.h"

namespace mlir::sluice::raise {

class Facts {
 public:
  explicit Facts(ExprContext& context) : context_(context) {}

  // p <= 0 holds.
  void assumeNotPositive(const Poly& p);
  // A boolean holds; only `valid` uses it.
  void assume(Expr boolean) { clauses_.push_back(boolean); }
  // Every whole element of these tensors is 0 or 1.
  void assumeBinary(Value value);
  void forgetBinary();

  bool proveLe(const Poly& a, const Poly& b) { return infeasible({b - a + Poly(1)}); }
  bool proveEqual(const Poly& a, const Poly& b) { return a == b || (proveLe(a, b) && proveLe(b, a)); }
  bool proveNonNegative(const Poly& p) { return proveLe(Poly(0), p); }
  // a <= b where these positions exist, each in its range: 0 <= seq - 1 where a query in [0, seq) is given.
  bool proveLe(const Poly& a, const Poly& b, ArrayRef<Expr> given);
  // True when the boolean holds for all values of its unknowns.
  bool valid(Expr boolean);
  // True when these values of the unknowns satisfy every assumption.
  bool admits(const std::function<double(unsigned)>& atoms) const;
  // floor(a / b) for b > 0, with what is known about the remainder; and the remainder.
  std::pair<Expr, Expr> divideFloor(const Poly& a, const Poly& b);

 private:
  // No values satisfy p <= 0 for each p of `constraints` (and what is known).
  bool infeasible(std::vector<Poly> constraints);
  bool satisfiable(Expr boolean, std::vector<Poly>& path, int& budget);
  // What is known of each atom in `polys`, and of the atoms those facts speak of.
  void addAtomFacts(std::vector<Poly>& polys);
  void factsOfAtom(unsigned id, std::vector<Poly>& polys);
  bool nonNegative(unsigned atom) const;

  ExprContext& context_;
  std::vector<Poly> known_;
  std::vector<Expr> clauses_;
  std::vector<Value> binary_;
  std::map<std::vector<Poly>, bool> memo_;
};

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_SYMBOLICFACTS_H_
