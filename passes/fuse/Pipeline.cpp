// The fuse phase, in order.
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

void buildFusePipeline(OpPassManager& pm) {
  //--- Decoders: an op more, to be treated as all others.
  pm.addPass(createChooseTokensPass());

  // Equal sub-graphs once: equal weight expressions become one weight, equal broadcasts one operand.
  pm.addPass(createCSEPass());

  //--- Linears: while results are tensors, whose users show who can read columns of a wider one.
  pm.addPass(createMergeLinearsPass());

  //--- Codes: products first, while dequantizations stand before them.
  pm.addPass(createIntegerProductsPass());
  pm.addPass(createExpandQuantizationPass());

  //--- Layout: before element-wise ops are groups with an order of their own.
  pm.addPass(createChannelsLastPass());

  //--- Kernels: generated ones first, which fold the broadcasts and transposes that only they read.
  pm.addPass(createFormKernelsPass());
  pm.addPass(createSelectKernelsPass());
  pm.addPass(createPrintKernelsPass());
  pm.addPass(createFuseEpiloguesPass());

  //--- Weights last: their layouts depend on which kernels read them.
  pm.addPass(createCSEPass());
  pm.addPass(createOutlineWeightsPass());
  pm.addPass(createVerifyFusePass());
}

}  // namespace mlir::sluice::fuse
