// Compiles a model to an artifact in memory and runs it in the runtime.
#include "compiler/codegen/Artifact.h"
#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Pass/PassManager.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Passes.h"
#include "passes/memory/Passes.h"
#include "runtime/artifact/artifact.h"
#include "runtime/base/status.h"
#include "runtime/exec/copy.h"
#include "runtime/exec/sizes.h"
#include "tools/sluice-conformance/errors.h"
#include "tools/sluice-conformance/runner.h"

namespace sluice::conformance {
namespace {

namespace reference = mlir::sluice::reference;
using kernels::Tensor;

absl::StatusOr<std::vector<uint8_t>> CompileToMemory(mlir::ModuleOp raised, const std::string& directory,
                                                     const kernels::Target& target) {
  mlir::OwningOpRef<mlir::ModuleOp> module = raised.clone();
  mlir::sluice::fuse::setTarget(*module, target);
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

// Sizes and element type of `from`, dense; without data.
Tensor ShapeOf(const reference::RefTensor& from, DType dtype) {
  Tensor t;
  t.dtype = dtype;
  t.rank = static_cast<int>(from.rank());
  std::copy(from.sizes.begin(), from.sizes.end(), t.sizes.begin());
  exec::SetDenseStrides(t);
  return t;
}

// One tensor a port, from the inputs of its name.
absl::StatusOr<std::vector<Tensor>> ShapesOf(const exec::Model& model, const Tensors& inputs) {
  std::vector<Tensor> shapes;
  for (const auto& port : model.inputs()) {
    auto it = inputs.find(port.name);
    if (it == inputs.end()) {
      return absl::InvalidArgumentError(absl::StrCat("input ", port.name, " is missing"));
    }
    shapes.push_back(ShapeOf(it->second, port.dtype));
  }
  return shapes;
}

}  // namespace

absl::StatusOr<Tensors> TargetRunner::Run(const Tensors& inputs) {
  ASSIGN_OR_RETURN(std::vector<Tensor> ins, ShapesOf(*model_, inputs));
  std::vector<std::vector<char>> bytes;
  for (size_t n = 0; n < ins.size(); ++n) {
    bytes.push_back(reference::toBytes(inputs.at(model_->inputs()[n].name)));
    ins[n].data = bytes.back().data();
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

absl::StatusOr<std::map<std::string, int64_t>> TargetRunner::SizesOf(const Tensors& inputs) const {
  ASSIGN_OR_RETURN(const std::vector<Tensor> ins, ShapesOf(*model_, inputs));
  exec::Sizes sizes(model_->program());
  RETURN_IF_ERROR(sizes.Bind(ins, std::vector<exec::StateSizes>(model_->program().states.size())));
  std::map<std::string, int64_t> result;
  for (size_t s = 0; s < sizes.symbols().size(); ++s) {
    result[model_->program().symbols[s].name] = sizes.symbols()[s];
  }
  return result;
}

Tensors TargetRunner::FromRuntime(const std::vector<Tensor>& inputs) const {
  Tensors result;
  for (size_t n = 0; n < inputs.size(); ++n) {
    const Tensor& t = inputs[n];
    const std::string& name = model_->inputs()[n].name;
    result.insert({name, reference::fromBytes(elements_.at(name), {t.sizes.begin(), t.sizes.begin() + t.rank},
                                              static_cast<const char*>(t.data))});
  }
  return result;
}

absl::StatusOr<std::unique_ptr<TargetRunner>> TargetRunner::Create(mlir::ModuleOp raised, const std::string& directory,
                                                                   const kernels::Target& target) {
  // Element types of the ports, while there are functions.
  Elements elements;
  auto main = raised.lookupSymbol<mlir::func::FuncOp>("main");
  auto note = [&](mlir::StringAttr name, mlir::Type type) {
    elements[name.getValue().str()] = mlir::getElementTypeOrSelf(type);
  };
  for (unsigned n = 0; n < main.getNumArguments(); ++n) {
    note(main.getArgAttrOfType<mlir::StringAttr>(n, mlir::nn::kNameAttr), main.getArgumentTypes()[n]);
  }
  for (unsigned n = 0; n < main.getNumResults(); ++n) {
    note(main.getResultAttrOfType<mlir::StringAttr>(n, mlir::nn::kNameAttr), main.getResultTypes()[n]);
  }
  ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, CompileToMemory(raised, directory, target));
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::FromMemory(bytes, "artifact"));
  ASSIGN_OR_RETURN(auto model, exec::Model::Load(artifact, {.threads = 2}));
  ASSIGN_OR_RETURN(auto context, exec::Context::Create(model));
  return std::unique_ptr<TargetRunner>(new TargetRunner(std::move(model), std::move(context), std::move(elements)));
}

}  // namespace sluice::conformance
