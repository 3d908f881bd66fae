// The precision phase, in order.
#include "mlir/Pass/PassManager.h"
#include "passes/precision/Passes.h"

namespace mlir::sluice::precision {

void buildPrecisionPipeline(OpPassManager& pm) {
  pm.addPass(createAssignPrecisionPass());
  pm.addPass(createVerifyPrecisionPass());
}

}  // namespace mlir::sluice::precision
