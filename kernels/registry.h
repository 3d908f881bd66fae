// The kernels this build has, by name.  The compiler asks it before it emits a launch, the runtime at load.
#ifndef SLUICE_KERNELS_REGISTRY_H_
#define SLUICE_KERNELS_REGISTRY_H_

#include <span>
#include <string>

#include "kernels/desc.h"

namespace sluice::kernels {

// The CPU kernel of that name, or null.
const CpuKernel* FindCpuKernel(const std::string& name);
std::span<const CpuKernel* const> AllCpuKernels();

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_REGISTRY_H_
