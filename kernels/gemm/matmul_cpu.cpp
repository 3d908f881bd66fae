// nn.matmul: a [..., m, k], b [..., k, n] (transpose_b: [..., n, k]) → out [..., m, n].  Both read through their
// strides.
#include "kernels/desc.h"
#include "kernels/gemm/gemm_driver.h"
#include "kernels/gemm/gemm_plain.h"

namespace sluice::kernels {
namespace {

struct MatmulConfig : Config {
  bool transpose_b = false;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<MatmulConfig>();
  ASSIGN_OR_RETURN(const int64_t transpose, attrs.Int("transpose_b", 0));
  config->transpose_b = transpose != 0;
  return config;
}

GemmOperand Operand(const Tensor& t, bool transposed) {
  GemmOperand o{.data = t.data, .type = t.dtype, .row = t.stride(-2), .col = t.stride(-1)};
  if (transposed) {
    std::swap(o.row, o.col);
  }
  o.batch_rank = t.rank - 2;
  for (int d = 0; d < o.batch_rank; ++d) {
    o.batch_sizes[d] = t.sizes[d];
    o.batch_strides[d] = t.strides[d];
  }
  return o;
}

int64_t Batch(const Tensor& a) {
  int64_t batch = 1;
  for (int d = 0; d + 2 < a.rank; ++d) {
    batch *= a.sizes[d];
  }
  return batch;
}

int64_t Workspace(const Config*, std::span<const Tensor> ins, std::span<const Tensor>, int threads) {
  const Tensor& a = ins[0];
  return GemmWorkspace(Batch(a), a.size(-2), a.size(-1), threads);
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& a = args.ins[0];
  const Tensor& b = args.ins[1];
  const bool transpose_b = args.config != nullptr && static_cast<const MatmulConfig*>(args.config)->transpose_b;
  GemmProblem p;
  p.batch = Batch(a);
  p.m = a.size(-2);
  p.k = a.size(-1);
  p.n = b.size(transpose_b ? -2 : -1);
  p.x = Operand(a, false);
  p.w = Operand(b, !transpose_b);
  p.out = args.outs[0].data;
  p.out_type = args.outs[0].dtype;
  return GemmAnyType(p, "matmul", args);
}

}  // namespace

extern const CpuKernel kMatmul;
const CpuKernel kMatmul = {
    .name = "matmul",
    .prepare = Prepare,
    .workspace = Workspace,
    .run = Run,
    .strided_ins = 0b11,
};

}  // namespace sluice::kernels
