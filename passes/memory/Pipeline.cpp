// The memory phase, in order.
#include "mlir/Pass/PassManager.h"
#include "passes/memory/Passes.h"

namespace mlir::sluice::memory {

void buildMemoryPipeline(OpPassManager& pm, const MemoryOptions& options) {
  // While values are tensors any order is right.
  pm.addPass(createOrderOpsPass());

  //--- Buffers: from here on launches run in the order they stand in.
  pm.addPass(createConvertToProgramPass());
  pm.addPass(createShareLaunchesPass());

  //--- Placement needs live ranges, which hold only while no launch moves.
  PackBuffersPassOptions pack;
  pack.dims.assign(options.dims.begin(), options.dims.end());
  pack.buckets.assign(options.buckets.begin(), options.buckets.end());
  pm.addPass(createPackBuffersPass(pack));
  pm.addPass(createVerifyMemoryPass());
}

}  // namespace mlir::sluice::memory
