// The raise phase, in order.
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {

void buildRaisePipeline(OpPassManager& pm) {
  // Patterns match one spelling each: merged views, folded constants, one copy of equal sub-graphs.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());

  //--- Token ops: independent of each other, before attention so that its operands end at them.
  pm.addPass(createSplitLinearsPass());
  pm.addPass(createRaiseNormPass());
  pm.addPass(createRaiseRopePass());
  pm.addPass(createRaiseMoePass());

  //--- Attention: norms and ropes end the way up from its operands.  Dead scores must not be matched twice after it.
  pm.addPass(createRaiseAttentionPass());

  //--- Two programs are compared as composites.
  pm.addPass(createFoldCacheBranchPass());

  //--- Roles read attention's operands: last.  Dead masks and angles go first, so that what they used is not counted.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createAssignRolesPass());
  pm.addPass(createVerifyRaisePass());
}

}  // namespace mlir::sluice::raise
