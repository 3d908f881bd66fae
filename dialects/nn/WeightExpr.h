// Weight expressions: what passes do to weights only.
#ifndef SLUICE_DIALECTS_NN_WEIGHTEXPR_H_
#define SLUICE_DIALECTS_NN_WEIGHTEXPR_H_

#include "mlir/IR/Value.h"

namespace mlir::nn {

// Made from weights and constants alone, by ops that a pack expression has: computed while the artifact is written.
bool isWeightExpr(Value value);

}  // namespace mlir::nn

#endif  // SLUICE_DIALECTS_NN_WEIGHTEXPR_H_
