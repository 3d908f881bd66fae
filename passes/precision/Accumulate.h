// Which ops sum products.
#ifndef SLUICE_PASSES_PRECISION_ACCUMULATE_H_
#define SLUICE_PASSES_PRECISION_ACCUMULATE_H_

#include "mlir/IR/Operation.h"

namespace mlir::sluice::precision {

inline constexpr StringLiteral kAccumulateAttr = "acc";

// True for ops whose definition has an accumulate type: the op says so, no list of names.
inline bool accumulates(Operation* op) {
  std::optional<RegisteredOperationName> info = op->getRegisteredInfo();
  return info && llvm::any_of(info->getAttributeNames(), [](StringAttr name) { return name == kAccumulateAttr; });
}

}  // namespace mlir::sluice::precision

#endif  // SLUICE_PASSES_PRECISION_ACCUMULATE_H_
