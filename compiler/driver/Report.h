// What a compilation decided, for people (HTML) and programs (JSON).
#ifndef SLUICE_COMPILER_DRIVER_REPORT_H_
#define SLUICE_COMPILER_DRIVER_REPORT_H_

#include "compiler/driver/Compile.h"
#include "mlir/IR/BuiltinOps.h"

namespace sluice::compiler {

// The part that is kept in the artifact: counts and bytes, nothing that differs from run to run.  Empty before memory.
std::string ArtifactReport(mlir::ModuleOp module);

// FILE.json: {"model", "target", "phases":[{"name","ms"}], "summary":{…}, "kernels":[…], "weights":[…], "remarks":[…]};
// FILE.html: the same as tables.
absl::Status WriteReport(const std::string& path, mlir::ModuleOp module, const CompileOptions& options,
                         const CompileResult& result);

}  // namespace sluice::compiler

#endif  // SLUICE_COMPILER_DRIVER_REPORT_H_
