// What a dispatch of a library kernel calls, and how it is made: for passes that turn ops into such dispatches.
#ifndef SLUICE_PASSES_FUSE_SELECTION_H_
#define SLUICE_PASSES_FUSE_SELECTION_H_

#include <map>

#include "dialects/nn/NNDialect.h"
#include "passes/fuse/DeviceKernel.h"

namespace mlir::sluice::fuse {

// Kernel, attributes, operands by slot (null: absent), results.
struct Selection {
  std::string library;
  SmallVector<NamedAttribute> config;
  SmallVector<Value> slots;
  SmallVector<Attribute> counts;
  SmallVector<RankedTensorType> types = {};  // of the results
  SmallVector<nn::Sizes> sizes = {};
};

// The kernel an op names, with the op's own operands, attributes and results.
Selection selectionOf(nn::KernelOpInterface op, nn::SizeAnalysis& sizes);
void setResults(Selection& selection, Operation* op, nn::SizeAnalysis& sizes);

class Selector {
 public:
  explicit Selector(ModuleOp module)
      : module_(module), target_(targetOf(module)), nominal_(nominalOf(module)), builder_(module.getContext()) {}

  const kernels::Target& target() const { return target_; }

  // What the kernel's CUDA family would do; the status says which property it lacks.
  absl::StatusOr<kernels::CudaChoice> choose(const Selection& selection, nn::SizeAnalysis& sizes);
  // The dispatch before `op`, with the op's location; `choice`: how it runs on the GPU, null on the CPU.
  exec::DispatchOp dispatch(Operation* op, const Selection& selection, const kernels::CudaChoice* choice);

 private:
  StringAttr nameOf(const Selection& selection, DictionaryAttr cuda);

  ModuleOp module_;
  const kernels::Target& target_;
  ::sluice::plan::SymbolBounds nominal_;
  OpBuilder builder_;
  std::map<std::tuple<std::string, const void*, const void*>, StringAttr> names_;
};

}  // namespace mlir::sluice::fuse

#endif  // SLUICE_PASSES_FUSE_SELECTION_H_
