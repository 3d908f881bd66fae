// nn.matmul on CUDA: a [..., m, k], b [..., k, n] (transpose_b: [..., n, k]) → [..., m, n].
#include "kernels/gemm/gemm_cuda.h"

namespace sluice::kernels {
namespace {

GemmRoles Roles(const CudaQuery& query) {
  const CudaOperand &a = query.ins[0], &b = query.ins[1], &y = query.outs[0];
  GemmRoles roles;
  GemmWhat& what = roles.what;
  const CudaDim &m = y.dims[y.rank() - 2], &n = y.dims[y.rank() - 1], &k = a.dims[a.rank() - 1];
  what.in = a.dtype;
  what.weight = b.dtype;
  what.out = y.dtype;
  what.m = m.expected();
  what.m_max = m.max;
  what.n = n.expected();
  what.k = k.expected();
  roles.batch_dims = y.rank() - 2;
  bool batch_constant = true;
  for (int d = 0; d < roles.batch_dims; ++d) {
    what.batch *= y.dims[d].expected();
    batch_constant &= y.dims[d].constant();
    what.batched |= !y.dims[d].constant() || y.dims[d].value() != 1;
  }
  what.m_constant = m.constant() && batch_constant;
  // Tensor maps have fixed strides: inside a batch every size must be constant.
  what.dense_constant = n.constant() && k.constant() && (!what.batched || m.constant());
  const auto transpose_b = query.attrs.Int("transpose_b", 0);
  what.weight_by_width = !(transpose_b.ok() && *transpose_b != 0);
  what.read_only_weight = b.weight;
  what.tf32 = query.attrs.Int("tf32", 0).value_or(0) != 0;
  AddFinish(query, what);
  return roles;
}

std::vector<CudaPlan> Plans(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (query.ins[0].rank() != query.outs[0].rank() || query.ins[1].rank() != query.outs[0].rank()) {
    why = "operands of different ranks";
    return {};
  }
  return GemmPlans(query, Roles(query), gpu, why);
}

CudaKernel Emit(const CudaQuery& query, const Gpu&, const CudaPlan& plan) {
  return EmitGemm(query, Roles(query), plan);
}

}  // namespace

extern const CudaFamily kCudaMatmul;
const CudaFamily kCudaMatmul = {.name = "matmul", .plans = Plans, .emit = Emit, .epilogue = true};

}  // namespace sluice::kernels
