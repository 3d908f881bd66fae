// Passes of the import phase.
#ifndef SLUICE_PASSES_IMPORT_PASSES_TD
#define SLUICE_PASSES_IMPORT_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyImportPass : Pass<"sluice-verify-import", "::mlir::ModuleOp"> {
  let summary = "Checks that a module is what the import phase gives.";
  let description = [{
    Runs last in import. Holds after it: only `nn`, `arith`/`math` on tensors, `linalg.{transpose,broadcast,reduce}` and
    `tensor.{empty,concat,extract_slice,cast,bitcast}` ops; element-wise operands have one shape; every op names its ONNX node; every `?`
    has an expression, over symbols that an input's dimension or an op binds.

    Refuses everything else, naming the op. Changes nothing.
  }];
}

#endif
