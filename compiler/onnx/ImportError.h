// How the importer's parts report a fault of the model.
//
// An op definition that meets one throws; importOnnx catches it and emits one diagnostic at its location.  So a
// definition is straight-line code, and no exception leaves the library.
#ifndef SLUICE_COMPILER_ONNX_IMPORTERROR_H_
#define SLUICE_COMPILER_ONNX_IMPORTERROR_H_

#include <string>

#include "llvm/ADT/Twine.h"
#include "mlir/IR/Location.h"

namespace mlir::onnx_import {

struct ImportError {
  std::optional<Location> loc;  // absent: the model file itself
  std::string message;
};

[[noreturn]] inline void fail(Location loc, const llvm::Twine& message) { throw ImportError{loc, message.str()}; }
[[noreturn]] inline void fail(const llvm::Twine& message) { throw ImportError{std::nullopt, message.str()}; }

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_IMPORTERROR_H_
