// The precision phase, in order.
#include "mlir/Pass/PassManager.h"
#include "passes/precision/Passes.h"

namespace mlir::sluice::precision {

void buildPrecisionPipeline(OpPassManager& pm, const PrecisionOptions& options) {
  pm.addPass(createConvertPrecisionPass({.dtype = options.dtype}));
  pm.addPass(createAssignPrecisionPass());
  pm.addPass(createVerifyPrecisionPass());
}

}  // namespace mlir::sluice::precision
