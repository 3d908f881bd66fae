// One way to execute a model: the reference evaluator, or a target's artifact in the runtime.
#ifndef SLUICE_TOOLS_SLUICE_CONFORMANCE_RUNNER_H_
#define SLUICE_TOOLS_SLUICE_CONFORMANCE_RUNNER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "compiler/onnx/Import.h"
#include "compiler/reference/TestData.h"
#include "kernels/target/target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "runtime/exec/context.h"
#include "runtime/exec/model.h"

namespace sluice::conformance {

using Tensors = std::map<std::string, mlir::sluice::reference::RefTensor>;  // by ONNX name

Tensors ByName(const std::vector<mlir::sluice::reference::NamedTensor>& tensors);

class Runner {
 public:
  virtual ~Runner() = default;
  virtual absl::StatusOr<Tensors> Run(const Tensors& inputs) = 0;
};

// Imports the model (and raises it when `raise`); null outputs are never returned: the status has the diagnostics'
// text.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> ImportModel(mlir::MLIRContext& context,
                                                              const mlir::onnx_import::ImportOptions& options,
                                                              bool raise);

// Executes a module by definition.
std::unique_ptr<Runner> ReferenceRunner(mlir::ModuleOp module, const std::string& model_directory);

// Runs a compiled model; its context goes on from run to run, as a server's does.
class TargetRunner : public Runner {
 public:
  // Compiles a raised module in memory for a target, whose device then runs it.
  static absl::StatusOr<std::unique_ptr<TargetRunner>> Create(mlir::ModuleOp raised, const std::string& model_directory,
                                                              const kernels::Target& target);
  absl::StatusOr<Tensors> Run(const Tensors& inputs) override;

  const exec::Model& model() const { return *model_; }
  // The model's dimensions, by name, in inputs of these sizes.
  absl::StatusOr<std::map<std::string, int64_t>> SizesOf(const Tensors& inputs) const;
  // Inputs of the runtime as the evaluator takes them.
  Tensors FromRuntime(const std::vector<kernels::Tensor>& inputs) const;

 private:
  using Elements = std::map<std::string, mlir::Type>;  // by name of an input or output
  TargetRunner(std::shared_ptr<const exec::Model> model, std::unique_ptr<exec::Context> context, Elements elements)
      : model_(std::move(model)), context_(std::move(context)), elements_(std::move(elements)) {}

  std::shared_ptr<const exec::Model> model_;
  std::unique_ptr<exec::Context> context_;
  Elements elements_;
};

}  // namespace sluice::conformance

#endif  // SLUICE_TOOLS_SLUICE_CONFORMANCE_RUNNER_H_
