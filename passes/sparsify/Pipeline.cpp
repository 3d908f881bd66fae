// The sparsify phase, in order.
#include "mlir/Pass/PassManager.h"
#include "passes/sparsify/Passes.h"

namespace mlir::sluice::sparsify {

void buildSparsifyPipeline(OpPassManager& pm) {
  // Patterns stay as the model has them: sparsity needs a budget that somebody asked for.
  pm.addPass(createVerifySparsifyPass());
}

}  // namespace mlir::sluice::sparsify
