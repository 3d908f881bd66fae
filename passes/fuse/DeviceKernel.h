// Kernels of a GPU target as the passes see them: the query of an op, the choice, and its place on an exec.kernel.
#ifndef SLUICE_PASSES_FUSE_DEVICEKERNEL_H_
#define SLUICE_PASSES_FUSE_DEVICEKERNEL_H_

#include "dialects/exec/ExecDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "kernels/cuda.h"

namespace mlir::sluice::fuse {

namespace kernels = ::sluice::kernels;

// The target a module is compiled for (exec.target; the CPU when it has none).
const kernels::Target& targetOf(ModuleOp module);
void setTarget(ModuleOp module, const kernels::Target& target);

// What sizes are meant: the bounds of --dims ("batch=1..8"), kept on the module; symbols without any are not listed.
// Costs are compared at the upper ones.
void setNominal(ModuleOp module, ArrayRef<std::string> dims);
::sluice::plan::SymbolBounds nominalOf(ModuleOp module);

// A value as a family is told of it.
kernels::CudaOperand operandOf(Type element, ArrayRef<nn::SizeExpr> sizes, bool weight,
                               const ::sluice::plan::SymbolBounds& nominal = {});

// Attributes as kernels read them; those of kinds that kernels have not are left out.
kernels::Attrs attrsOf(DictionaryAttr config);

// A CudaKernel as the `cuda` attribute of an exec.kernel, and back.
DictionaryAttr cudaAttr(MLIRContext* context, const kernels::CudaKernel& kernel);
kernels::CudaKernel cudaKernel(DictionaryAttr attr);

// What a remark says of a choice: "stream 32x8, predicted 7.10 us, up to 16 rows; tiles 128x256, predicted 575.87 us".
std::string planText(const kernels::CudaChoice& choice);

// What files call a kernel's form for fewer rows (--dump, --kernel): "linear.16".
std::string formName(StringRef kernel, int64_t limit);
// Puts `text` in the place of the kernel or form of that name; false when the module has none.
bool replaceText(ModuleOp module, StringRef name, StringRef text);

// What grids and workspaces speak of in a launch: x0_1 (a size of an operand), y0_0, p0 (a parameter).
std::map<std::string, nn::SizeExpr> launchSizes(exec::LaunchOp launch);

// What the memory phase asks of a kernel, whatever it runs on.
struct KernelTraits {
  bool generated = false;
  bool in_place = false;
  uint32_t strided_ins = 0, strided_outs = 0;
  uint32_t aligned_ins = 0, aligned_outs = 0;
  std::span<const kernels::CpuKernel::OperandLayout> layouts;

  bool stridedIn(int64_t i) const { return i < 32 && (strided_ins >> i & 1) != 0; }
  bool stridedOut(int64_t i) const { return i < 32 && (strided_outs >> i & 1) != 0; }
  bool alignedIn(int64_t i) const { return i < 32 && (aligned_ins >> i & 1) != 0; }
  bool alignedOut(int64_t i) const { return i < 32 && (aligned_outs >> i & 1) != 0; }
};
KernelTraits traitsOf(exec::KernelOp kernel);

}  // namespace mlir::sluice::fuse

#endif  // SLUICE_PASSES_FUSE_DEVICEKERNEL_H_
