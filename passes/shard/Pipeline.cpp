// The shard phase, in order.
#include "mlir/Pass/PassManager.h"
#include "passes/shard/Passes.h"

namespace mlir::sluice::shard {

void buildShardPipeline(OpPassManager& pm) {
  // One device: every shape is local already.
  pm.addPass(createVerifyShardPass());
}

}  // namespace mlir::sluice::shard
