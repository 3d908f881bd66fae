// Imports an ONNX model: the first phase of the compiler.
//
//   OwningOpRef<ModuleOp> module = importOnnx(context, {.path = "model.onnx"});
//   if (!module) { /* the diagnostics say why */ }
//
// The result is what docs/internals.md calls "a module after import": func.func @main over nn and upstream tensor ops,
// weights as references into files, shapes as expressions over the model's dimension names.  Weights are never read,
// so a model larger than memory imports.  Nothing trusts `value_info`.
//
// Faults of the model (unreadable, malformed, missing external data, unknown operators …) are one error diagnostic
// each, located at the ONNX node where there is one.
#ifndef SLUICE_COMPILER_ONNX_IMPORT_H_
#define SLUICE_COMPILER_ONNX_IMPORT_H_

#include <string>

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::onnx_import {

struct ImportOptions {
  std::string path;            // FILE.onnx, or FILE.onnxtxt in ONNX's text form
  bool strip_weights = false;  // external data files need not exist
  // Activations are rounded to int8 where a quantized product's accuracy_level allows it, as ONNX Runtime does.  That
  // attribute is the least accuracy, so f32 always serves; rounding gives the results that such a runtime recorded.
  bool int8_activations = false;
};

// Loads every dialect that it uses into `context`.  Null after an error diagnostic.
OwningOpRef<ModuleOp> importOnnx(MLIRContext& context, const ImportOptions& options);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_IMPORT_H_
