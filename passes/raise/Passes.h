// Passes of the raise phase.
#ifndef SLUICE_PASSES_RAISE_PASSES_H_
#define SLUICE_PASSES_RAISE_PASSES_H_

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::sluice::raise {

#define GEN_PASS_DECL
#include "passes/raise/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/raise/Passes.h.inc"

// The phase: passes/raise/Pipeline.cpp.
void buildRaisePipeline(OpPassManager& pm);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_PASSES_H_
