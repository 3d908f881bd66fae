// Passes of the shard phase.
#ifndef SLUICE_PASSES_SHARD_PASSES_H_
#define SLUICE_PASSES_SHARD_PASSES_H_

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::sluice::shard {

#define GEN_PASS_DECL
#include "passes/shard/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/shard/Passes.h.inc"

// The phase: passes/shard/Pipeline.cpp.
void buildShardPipeline(OpPassManager& pm);

}  // namespace mlir::sluice::shard

#endif  // SLUICE_PASSES_SHARD_PASSES_H_
