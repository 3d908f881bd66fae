#include "kernels/registry.h"

#include <vector>

namespace sluice::kernels {

// One line a kernel: its description is defined in its family's folder.
#define SLUICE_CPU_KERNELS(X) \
  X(kAttention)               \
  X(kConv)                    \
  X(kConvTranspose)           \
  X(kLinear)                  \
  X(kLinearQ4)                \
  X(kLinearQ8)                \
  X(kMatmul)

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
