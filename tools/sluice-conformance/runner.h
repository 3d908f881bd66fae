// One way to execute a model: the reference evaluator, or a target's artifact in the runtime.
#ifndef SLUICE_TOOLS_SLUICE_CONFORMANCE_RUNNER_H_
#define SLUICE_TOOLS_SLUICE_CONFORMANCE_RUNNER_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "compiler/reference/TestData.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace sluice::conformance {

using Tensors = std::map<std::string, mlir::sluice::reference::RefTensor>;  // by ONNX name

class Runner {
 public:
  virtual ~Runner() = default;
  virtual absl::StatusOr<Tensors> Run(const Tensors& inputs) = 0;
};

// Imports the model (and raises it when `raise`); null outputs are never returned: the status has the diagnostics'
// text.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> ImportModel(mlir::MLIRContext& context, const std::string& path,
                                                              bool raise);

// Executes an imported module by definition.
std::unique_ptr<Runner> ReferenceRunner(mlir::ModuleOp module, const std::string& model_directory);

// Compiles a raised module in memory and runs the artifact.
absl::StatusOr<std::unique_ptr<Runner>> TargetRunner(mlir::ModuleOp raised, const std::string& model_directory);

}  // namespace sluice::conformance

#endif  // SLUICE_TOOLS_SLUICE_CONFORMANCE_RUNNER_H_
