// Compiles a model to an artifact in memory and runs it in the runtime.
#include "compiler/codegen/Artifact.h"
#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Pass/PassManager.h"
#include "passes/fuse/Passes.h"
#include "passes/memory/Passes.h"
#include "runtime/artifact/artifact.h"
#include "runtime/base/status.h"
#include "runtime/exec/context.h"
#include "runtime/exec/model.h"
#include "tools/sluice-conformance/errors.h"
#include "tools/sluice-conformance/runner.h"

namespace sluice::conformance {
namespace {

namespace reference = mlir::sluice::reference;
using kernels::Tensor;

absl::StatusOr<std::vector<uint8_t>> CompileToMemory(mlir::ModuleOp raised, const std::string& directory) {
  mlir::OwningOpRef<mlir::ModuleOp> module = raised.clone();
  Errors errors(*module->getContext());
  mlir::PassManager pm(module->getContext());
  mlir::sluice::fuse::buildFusePipeline(pm);
  mlir::sluice::memory::buildMemoryPipeline(pm, {});
  mlir::sluice::codegen::MemorySink sink;
  mlir::sluice::codegen::ArtifactOptions options;
  options.modelDirectory = directory;
  options.sink = &sink;
  if (mlir::failed(pm.run(*module)) || mlir::failed(mlir::sluice::codegen::writeArtifact(*module, options))) {
    return errors.status();
  }
  return std::move(sink.bytes);
}

class Target : public Runner {
 public:
  Target(std::shared_ptr<const exec::Model> model, std::unique_ptr<exec::Context> context,
         std::map<std::string, mlir::Type> elements)
      : model_(std::move(model)), context_(std::move(context)), elements_(std::move(elements)) {}

  absl::StatusOr<Tensors> Run(const Tensors& inputs) override {
    std::vector<std::vector<char>> bytes;
    std::vector<Tensor> ins;
    for (const auto& port : model_->inputs()) {
      auto it = inputs.find(port.name);
      if (it == inputs.end()) {
        return absl::InvalidArgumentError(absl::StrCat("input ", port.name, " is missing"));
      }
      bytes.push_back(reference::toBytes(it->second));
      Tensor t;
      t.data = bytes.back().data();
      t.dtype = port.dtype;
      t.rank = static_cast<int>(it->second.rank());
      int64_t stride = 1;
      for (int d = t.rank; d-- > 0;) {
        t.sizes[d] = it->second.sizes[d];
        t.strides[d] = stride;
        stride *= t.sizes[d];
      }
      ins.push_back(t);
    }
    std::vector<exec::RunOutput> outs(model_->outputs().size());
    RETURN_IF_ERROR(context_->Run(ins, outs));
    Tensors result;
    for (size_t n = 0; n < outs.size(); ++n) {
      const Tensor& t = outs[n].tensor;
      std::vector<int64_t> sizes(t.sizes.begin(), t.sizes.begin() + t.rank);
      const std::string& name = model_->outputs()[n].name;
      result.insert({name, reference::fromBytes(elements_.at(name), sizes, static_cast<const char*>(t.data))});
    }
    return result;
  }

 private:
  std::shared_ptr<const exec::Model> model_;
  std::unique_ptr<exec::Context> context_;
  std::map<std::string, mlir::Type> elements_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Runner>> TargetRunner(mlir::ModuleOp raised, const std::string& directory) {
  // Element types of the outputs, while there are functions.
  std::map<std::string, mlir::Type> elements;
  auto main = raised.lookupSymbol<mlir::func::FuncOp>("main");
  for (unsigned n = 0; n < main.getNumResults(); ++n) {
    elements[main.getResultAttrOfType<mlir::StringAttr>(n, mlir::nn::kNameAttr).getValue().str()] =
        mlir::getElementTypeOrSelf(main.getResultTypes()[n]);
  }
  ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, CompileToMemory(raised, directory));
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::FromMemory(bytes, "artifact"));
  ASSIGN_OR_RETURN(auto model, exec::Model::Load(artifact, {.threads = 2}));
  ASSIGN_OR_RETURN(auto context, exec::Context::Create(model));
  return std::make_unique<Target>(std::move(model), std::move(context), std::move(elements));
}

}  // namespace sluice::conformance
