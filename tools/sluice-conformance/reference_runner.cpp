#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "passes/raise/Passes.h"
#include "runtime/base/status.h"
#include "tools/sluice-conformance/errors.h"
#include "tools/sluice-conformance/runner.h"

namespace sluice::conformance {
namespace {

namespace reference = mlir::sluice::reference;

class Reference : public Runner {
 public:
  Reference(mlir::ModuleOp module, const std::string& directory)
      : module_(module), evaluator_(module, {.roundToType = false, .modelDir = directory, .onOp = nullptr}) {}

  absl::StatusOr<Tensors> Run(const Tensors& inputs) override {
    auto main = module_.lookupSymbol<mlir::func::FuncOp>("main");
    std::vector<reference::RefTensor> args;
    for (unsigned n = 0; n < main.getNumArguments(); ++n) {
      std::string name = main.getArgAttrOfType<mlir::StringAttr>(n, mlir::nn::kNameAttr).getValue().str();
      auto it = inputs.find(name);
      if (it == inputs.end()) {
        return absl::InvalidArgumentError(absl::StrCat("input ", name, " is missing"));
      }
      args.push_back(it->second);
    }
    Errors errors(*module_.getContext());
    auto results = evaluator_.run(std::move(args));
    if (mlir::failed(results)) {
      return errors.status();
    }
    Tensors outputs;
    for (unsigned n = 0; n < results->size(); ++n) {
      outputs.insert({main.getResultAttrOfType<mlir::StringAttr>(n, mlir::nn::kNameAttr).getValue().str(),
                      std::move((*results)[n])});
    }
    return outputs;
  }

 private:
  mlir::ModuleOp module_;
  reference::Evaluator evaluator_;
};

}  // namespace

Tensors ByName(const std::vector<reference::NamedTensor>& tensors) {
  Tensors result;
  for (const auto& t : tensors) {
    result.insert({t.name, t.tensor});
  }
  return result;
}

absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> ImportModel(mlir::MLIRContext& context,
                                                              const mlir::onnx_import::ImportOptions& options,
                                                              bool raise) {
  Errors errors(context);
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::onnx_import::importOnnx(context, options);
  if (!module) {
    return errors.status();
  }
  mlir::PassManager pm(&context);
  if (raise) {
    mlir::sluice::raise::buildRaisePipeline(pm);
  }
  if (mlir::failed(pm.run(*module))) {
    return errors.status();
  }
  return module;
}

std::unique_ptr<Runner> ReferenceRunner(mlir::ModuleOp module, const std::string& model_directory) {
  return std::make_unique<Reference>(module, model_directory);
}

}  // namespace sluice::conformance
