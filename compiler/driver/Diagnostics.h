// MLIR's diagnostics and remarks as plain values.
#ifndef SLUICE_COMPILER_DRIVER_DIAGNOSTICS_H_
#define SLUICE_COMPILER_DRIVER_DIAGNOSTICS_H_

#include "compiler/driver/Compile.h"
#include "mlir/IR/Diagnostics.h"

namespace sluice::compiler {

// Collects errors while it lives; warnings and notes are dropped.
class ErrorCollector {
 public:
  explicit ErrorCollector(mlir::MLIRContext* context);
  // "WHERE: WHAT; WHERE: WHAT" of the first errors, on one line; `otherwise` when nothing was said.
  absl::Status Status(const std::string& otherwise) const;

 private:
  mlir::LogicalResult Note(mlir::Diagnostic& diagnostic);

  std::vector<std::string> errors_;
  bool usage_ = false;
  mlir::ScopedDiagnosticHandler handler_;
};

// Names of the ONNX nodes a location speaks of, "a, b"; a file position when it has none.
std::string PlaceOf(mlir::Location loc);

// Sends every remark made in `context` to `remarks`, which must outlive the context.
void CollectRemarks(mlir::MLIRContext* context, std::vector<Remark>* remarks);

}  // namespace sluice::compiler

#endif  // SLUICE_COMPILER_DRIVER_DIAGNOSTICS_H_
