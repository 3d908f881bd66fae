// nn.linear on CUDA: x [..., k], w [n, k] → [..., n].  All but the last dimension of x are its rows.
#include <algorithm>

#include "kernels/common/cuda_text.h"
#include "kernels/common/plan_numbers.h"
#include "kernels/gemm/gemm_cuda.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kManyRows = 8192;

GemmRoles Roles(const CudaQuery& query) {
  const CudaOperand &x = query.ins[0], &w = query.ins[1];
  GemmRoles roles;
  GemmWhat& what = roles.what;
  what.in = x.dtype;
  what.weight = w.dtype;
  what.out = query.outs[0].dtype;
  what.n = w.dims[0].expected();
  what.k = w.dims[1].expected();
  what.m = ExpectedRows(query);
  what.m_max = 1;
  what.m_constant = true;
  for (int d = 0; d + 1 < x.rank(); ++d) {
    what.m_max = what.m_max < 0 || x.dims[d].max < 0 ? -1 : what.m_max * x.dims[d].max;
    what.m_constant &= x.dims[d].constant();
  }
  if (query.rows_max >= 0) {
    what.m_max = what.m_max < 0 ? query.rows_max : std::min(what.m_max, query.rows_max);
  }
  // Without a bound the plan is for more rows than any that smaller plans are made for.
  what.m = what.m_max < 0 ? std::max(what.m, kManyRows) : std::min(what.m, what.m_max);
  what.dense_constant = w.dims[0].constant() && w.dims[1].constant() && x.rank() > 1;
  what.read_only_weight = w.weight;
  what.parts = query.parts;
  what.tf32 = query.attrs.Int("tf32", 0).value_or(0) != 0;
  AddFinish(query, what);
  return roles;
}

std::vector<CudaPlan> Plans(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  return GemmPlans(query, Roles(query), gpu, why);
}

CudaKernel Emit(const CudaQuery& query, const Gpu&, const CudaPlan& plan) {
  return EmitGemm(query, Roles(query), plan);
}

double Predict(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  return PredictGemm(Roles(query).what, gpu, FromPlanNumbers<GemmHow>(plan.numbers));
}

}  // namespace

extern const CudaFamily kCudaLinear;
const CudaFamily kCudaLinear = {.name = "linear",
                                .plans = Plans,
                                .emit = Emit,
                                .epilogue = true,
                                .column_ins = 1 << 1,
                                .rows = VaryingRows,
                                .predict = Predict};

}  // namespace sluice::kernels
