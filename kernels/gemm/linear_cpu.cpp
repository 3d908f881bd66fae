// nn.linear: x [..., k], w [n, k] → out [..., n].  See kernels/gemm/README.md.
#include "kernels/desc.h"
#include "kernels/gemm/gemm_driver.h"
#include "kernels/gemm/gemm_plain.h"

namespace sluice::kernels {
namespace {

int64_t Rows(const Tensor& x) {
  int64_t rows = 1;
  for (int d = 0; d + 1 < x.rank; ++d) {
    rows *= x.sizes[d];
  }
  return rows;
}

GemmProblem Problem(std::span<const Tensor> ins, const Tensor& out) {
  const Tensor& x = ins[0];
  const Tensor& w = ins[1];
  GemmProblem p;
  p.m = Rows(x);
  p.n = w.size(0);
  p.k = w.size(1);
  p.x = {.data = x.data, .type = x.dtype, .row = p.k, .col = 1};
  p.w = {.data = w.data, .type = w.dtype, .row = p.k, .col = 1};
  p.w_packed = w.layout == Layout::kNkTile16;
  p.out = out.data;
  p.out_type = out.dtype;
  return p;
}

int64_t Workspace(const Config*, std::span<const Tensor> ins, std::span<const Tensor>, int threads) {
  return GemmWorkspace(1, Rows(ins[0]), ins[1].size(1), threads);
}

absl::Status Run(const LaunchArgs& args) { return GemmAnyType(Problem(args.ins, args.outs[0]), "linear", args); }

constexpr CpuKernel::OperandLayout kLayouts[] = {{1, Layout::kNkTile16}};

}  // namespace

extern const CpuKernel kLinear;
const CpuKernel kLinear = {
    .name = "linear",
    .workspace = Workspace,
    .run = Run,
    .layouts = kLayouts,
};

}  // namespace sluice::kernels
