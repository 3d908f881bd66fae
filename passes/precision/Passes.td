// Passes of the precision phase: element types and accumulate types.
#ifndef SLUICE_PASSES_PRECISION_PASSES_TD
#define SLUICE_PASSES_PRECISION_PASSES_TD

include "mlir/Pass/PassBase.td"

def AssignPrecisionPass : Pass<"sluice-assign-precision", "::mlir::ModuleOp"> {
  let summary = "Gives every contraction its accumulate type.";
  let description = [{
    Input: contractions without `acc`. Output: `acc f32` (f64 for f64, the operands' type for integers), with a remark.
    Leaves an `acc` that is there already.
  }];
}

def VerifyPrecisionPass : Pass<"sluice-verify-precision", "::mlir::ModuleOp"> {
  let summary = "Checks that every contraction names its accumulate type.";
  let description = [{ After precision no pass may guess one. }];
}

#endif
