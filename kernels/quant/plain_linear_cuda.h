// linear_q4 and linear_q8 on CUDA for every block, zero point and alignment: what gemm/gemm_quant.cuh does not take.
#ifndef SLUICE_KERNELS_QUANT_PLAIN_LINEAR_CUDA_H_
#define SLUICE_KERNELS_QUANT_PLAIN_LINEAR_CUDA_H_

#include <string>
#include <vector>

#include "kernels/cuda.h"

namespace sluice::kernels {

// One plan, without numbers; none, and `why`, for operands that are no f32, f16 or bf16.
std::vector<CudaPlan> PlainCodedLinearPlans(const CudaQuery& query, const Gpu& gpu, std::string& why);
CudaKernel EmitPlainCodedLinear(const CudaQuery& query);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_QUANT_PLAIN_LINEAR_CUDA_H_
