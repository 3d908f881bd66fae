// Queries of CUDA families for tests that have no GPU.
#ifndef SLUICE_TEST_KERNELS_CUDA_QUERY_H_
#define SLUICE_TEST_KERNELS_CUDA_QUERY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda.h"

namespace sluice::kernels {

inline const Gpu& Hopper() { return *FindTarget("cuda-sm90a")->gpu; }

inline CudaDim Fixed(int64_t n) { return {.min = n, .max = n, .typical = n, .text = std::to_string(n)}; }
// A dynamic size of about n.
inline CudaDim Dynamic(int64_t n) { return {.typical = n, .text = "s" + std::to_string(n)}; }

// Positive sizes are constants, -n a dynamic size of about n.
inline CudaOperand Operand(DType dtype, const std::vector<int64_t>& sizes) {
  CudaOperand operand{.dtype = dtype};
  for (const int64_t size : sizes) {
    operand.dims.push_back(size >= 0 ? Fixed(size) : Dynamic(-size));
  }
  return operand;
}

}  // namespace sluice::kernels

#endif  // SLUICE_TEST_KERNELS_CUDA_QUERY_H_
