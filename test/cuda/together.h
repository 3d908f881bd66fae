// Kernels in one translation unit: reading the headers is most of what compiling a small one takes.
#ifndef SLUICE_TEST_CUDA_TOGETHER_H_
#define SLUICE_TEST_CUDA_TOGETHER_H_

#include <span>
#include <string>
#include <vector>

#include "kernels/cuda.h"

namespace sluice::test {

// The texts of kernels as one, each in a namespace of its own; `kernels` get entries that are theirs alone.
std::string Together(std::span<kernels::CudaKernel> kernels);

// What the PTX of such a text says of one entry.
std::string PartOf(const std::string& ptx, const std::string& entry);

}  // namespace sluice::test

#endif  // SLUICE_TEST_CUDA_TOGETHER_H_
