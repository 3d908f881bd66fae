// What nn.linear and nn.matmul have in common on CUDA: operands 0 and 1, result 0, an optional epilogue.
#ifndef SLUICE_KERNELS_GEMM_GEMM_CUDA_H_
#define SLUICE_KERNELS_GEMM_GEMM_CUDA_H_

#include <string>
#include <vector>

#include "kernels/cuda.h"
#include "kernels/gemm/gemm_choice.h"

namespace sluice::kernels {

// How a query's operands are a GEMM.
struct GemmRoles {
  GemmWhat what;
  int batch_dims = 0;  // leading dimensions of every operand that make the batch; what follows them but the last
                       // dimension is the rows of the first operand and of the result
  int bias = -1;       // operand: a number for each column, added before the epilogue
  // Tiles only, and where not empty: the rows of the first operand are windows over it, as CudaParam::windows has them.
  // `rows` is the object that knows where they are, of header `header`; k is `taps` times the first operand's last
  // dimension.
  std::vector<std::array<int, 3>> windows = {};
  std::string rows = "", header = "";
  int64_t taps = 1;
  int weight_columns = 1;  // last dimensions of the weight [n, k] that make its k
};

// What the epilogue adds to `what`.
void AddFinish(const CudaQuery& query, GemmWhat& what);
// The candidates for these roles as plans; none, and `why`, when no GEMM takes the types.
std::vector<CudaPlan> GemmPlans(const CudaQuery& query, const GemmRoles& roles, const Gpu& gpu, std::string& why);
CudaKernel EmitGemm(const CudaQuery& query, const GemmRoles& roles, const CudaPlan& plan);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_GEMM_GEMM_CUDA_H_
