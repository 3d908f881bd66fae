// Passes of the import phase; the importer itself is compiler/onnx.
#ifndef SLUICE_PASSES_IMPORT_PASSES_H_
#define SLUICE_PASSES_IMPORT_PASSES_H_

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::sluice::importer {

#define GEN_PASS_DECL
#include "passes/import/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/import/Passes.h.inc"

// What runs on a module that was just imported: passes/import/Pipeline.cpp.
void buildImportPipeline(OpPassManager& pm);

}  // namespace mlir::sluice::importer

#endif  // SLUICE_PASSES_IMPORT_PASSES_H_
