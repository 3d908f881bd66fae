// Passes of the sparsify phase: attention patterns.
#ifndef SLUICE_PASSES_SPARSIFY_PASSES_TD
#define SLUICE_PASSES_SPARSIFY_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifySparsifyPass : Pass<"sluice-verify-sparsify", "::mlir::ModuleOp"> {
  let summary = "Checks that every attention's pattern is one that the later phases know.";
  let description = [{
    Nothing is made sparse without an accuracy budget, and none is asked for: the patterns are those the model has.
    A window below 0 is refused.
  }];
}

#endif
