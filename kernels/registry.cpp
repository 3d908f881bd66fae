#include "kernels/registry.h"

#include <vector>

namespace sluice::kernels {

// One line a kernel: its description is defined in its family's folder.
#define SLUICE_CPU_KERNELS(X) \
  X(kArgReduce)               \
  X(kAttention)               \
  X(kBroadcast)               \
  X(kConcat)                  \
  X(kConv)                    \
  X(kConvTranspose)           \
  X(kCopy)                    \
  X(kCumsum)                  \
  X(kDequantize)              \
  X(kGather)                  \
  X(kGatherElements)          \
  X(kGatherNd)                \
  X(kGatherQ4)                \
  X(kGridSample)              \
  X(kGru)                     \
  X(kIota)                    \
  X(kLayerNorm)               \
  X(kLinear)                  \
  X(kLinearQ4)                \
  X(kLinearQ8)                \
  X(kLstm)                    \
  X(kMatmul)                  \
  X(kMoe)                     \
  X(kNonzero)                 \
  X(kPad)                     \
  X(kPool)                    \
  X(kQuantize)                \
  X(kReduce)                  \
  X(kResize)                  \
  X(kReverse)                 \
  X(kRmsNorm)                 \
  X(kRope)                    \
  X(kScatterElements)         \
  X(kScatterNd)               \
  X(kSlice)                   \
  X(kSoftmax)                 \
  X(kTileRepeat)              \
  X(kTopK)                    \
  X(kTranspose)

#define DECLARE(name) extern const CpuKernel name;
SLUICE_CPU_KERNELS(DECLARE)
#undef DECLARE

std::span<const CpuKernel* const> AllCpuKernels() {
#define ADDRESS(name) &name,
  static const std::vector<const CpuKernel*> all = {SLUICE_CPU_KERNELS(ADDRESS)};
#undef ADDRESS
  return all;
}

const CpuKernel* FindCpuKernel(const std::string& name) {
  for (const CpuKernel* kernel : AllCpuKernels()) {
    if (name == kernel->name) {
      return kernel;
    }
  }
  return nullptr;
}

}  // namespace sluice::kernels
