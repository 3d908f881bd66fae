// Passes of the sparsify phase.
#ifndef SLUICE_PASSES_SPARSIFY_PASSES_H_
#define SLUICE_PASSES_SPARSIFY_PASSES_H_

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::sluice::sparsify {

#define GEN_PASS_DECL
#include "passes/sparsify/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/sparsify/Passes.h.inc"

// The phase: passes/sparsify/Pipeline.cpp.
void buildSparsifyPipeline(OpPassManager& pm);

}  // namespace mlir::sluice::sparsify

#endif  // SLUICE_PASSES_SPARSIFY_PASSES_H_
