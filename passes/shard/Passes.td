// Passes of the shard phase: one program a device.
#ifndef SLUICE_PASSES_SHARD_PASSES_TD
#define SLUICE_PASSES_SHARD_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyShardPass : Pass<"sluice-verify-shard", "::mlir::ModuleOp"> {
  let summary = "Checks that the module is one device's program.";
  let description = [{ A module that names a mesh (`nn.mesh`) of more than one device is refused: a CPU artifact is one process. }];
}

#endif
