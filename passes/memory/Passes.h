// Passes of the memory phase.
#ifndef SLUICE_PASSES_MEMORY_PASSES_H_
#define SLUICE_PASSES_MEMORY_PASSES_H_

#include "dialects/exec/ExecDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::sluice::memory {

#define GEN_PASS_DECL
#include "passes/memory/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/memory/Passes.h.inc"

struct MemoryOptions {
  std::vector<std::string> dims;     // "batch=1..8"
  std::vector<std::string> buckets;  // "seq=16:128:512"
};

// The phase: passes/memory/Pipeline.cpp.
void buildMemoryPipeline(OpPassManager& pm, const MemoryOptions& options = {});

}  // namespace mlir::sluice::memory

#endif  // SLUICE_PASSES_MEMORY_PASSES_H_
