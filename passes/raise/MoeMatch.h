// Finds mixtures of experts in two spellings, both read through index arithmetic:
//
//   gathered  y[t] = Σ_p w[t, p] · expert(x[t]), with matrices gathered from a stack at I[t, p]
//   unrolled  for each expert e, with (t, p) the positions where I[t, p] = e:  y[t] += w[t, p] · expert_e(x[t])
#ifndef SLUICE_PASSES_RAISE_MOEMATCH_H_
#define SLUICE_PASSES_RAISE_MOEMATCH_H_

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "passes/raise/MoeExpert.h"

namespace mlir::sluice::raise {

// What is needed to make nn.moe.
struct Mixture {
  Value x, indices, weights;    // [t, d], [t, p], [t, p]; x and weights perhaps in other shapes of the same order
  std::vector<Expert> experts;  // by number; or one for all, whose matrices lie at `stacked` of a stack
  Expr stacked = nullptr;
};
// Nothing where no experts can be seen; a failure, and why, where they are no mixture.
using MixtureMatch = std::optional<FailureOr<Mixture>>;

MixtureMatch matchGathered(ElementExpr& elements, linalg::ReduceOp sum, std::string& why);

// One step of a sum by rows: `sum` = `previous` with `updates` added at `rows`.
struct Link {
  Value sum, previous, rows, updates;
  Operation* scatter = nullptr;
  bool replaces = false;  // the scatter puts updates over zeros: right only where no row occurs twice
};
std::optional<Link> linkOf(Operation* op);

// `chain`: the last step first.
MixtureMatch matchUnrolled(ElementExpr& elements, ArrayRef<Link> chain, std::string& why);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_MOEMATCH_H_
