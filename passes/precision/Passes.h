// Passes of the precision phase.
#ifndef SLUICE_PASSES_PRECISION_PASSES_H_
#define SLUICE_PASSES_PRECISION_PASSES_H_

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::sluice::precision {

#define GEN_PASS_DECL
#include "passes/precision/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/precision/Passes.h.inc"

// The phase: passes/precision/Pipeline.cpp.
struct PrecisionOptions {
  std::string dtype;  // of sluice-convert-precision
};
void buildPrecisionPipeline(OpPassManager& pm, const PrecisionOptions& options = {});

}  // namespace mlir::sluice::precision

#endif  // SLUICE_PASSES_PRECISION_PASSES_H_
