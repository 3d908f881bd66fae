// Passes of the fuse phase.
#ifndef SLUICE_PASSES_FUSE_PASSES_H_
#define SLUICE_PASSES_FUSE_PASSES_H_

#include "dialects/exec/ExecDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DECL
#include "passes/fuse/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/fuse/Passes.h.inc"

// The phase: passes/fuse/Pipeline.cpp.
void buildFusePipeline(OpPassManager& pm);

}  // namespace mlir::sluice::fuse

#endif  // SLUICE_PASSES_FUSE_PASSES_H_
