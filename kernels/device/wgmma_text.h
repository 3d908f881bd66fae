// Prints the wgmma wrappers a kernel needs: inline assembly cannot be a C++ template over its number of operands.
#ifndef SLUICE_KERNELS_DEVICE_WGMMA_TEXT_H_
#define SLUICE_KERNELS_DEVICE_WGMMA_TEXT_H_

#include <string>

#include "runtime/base/dtype.h"

namespace sluice::kernels {

// The specialisation sl::Wgmma<TYPE, n> (kernels/device/mma.cuh) for kF16 or kBF16 operands, f32 sums; n is a
// multiple of 8 up to 256.
std::string WgmmaText(DType type, int n);
// The same for A of type `a` and B of type `b`: 16 bits both and one, or 8-bit codes of either sign and s32 sums, where
// n is 8, 24 or a multiple of 16.
std::string WgmmaText(DType a, DType b, int n);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_DEVICE_WGMMA_TEXT_H_
