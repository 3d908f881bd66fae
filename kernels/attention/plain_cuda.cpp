// CUDA family attention, plain (plain.cuh): every mask, bias, stride and width.
#include <algorithm>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kMaxWidth = 1024;  // of v: 32 registers of sums a lane

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const CudaOperand& q = query.ins[0];
  const CudaDim& d = q.dims[3];
  const CudaDim& e = query.ins[2].dims[3];
  const DType types[] = {q.dtype};
  if (why = NotAFloat(types); !why.empty()) {
    return {};
  }
  if (query.ins[1].dtype != q.dtype || query.ins[2].dtype != q.dtype) {
    why = "q, k and v of different types";
    return {};
  }
  if (!d.constant() || !e.constant() || e.value() > kMaxWidth) {
    why = "widths that are not constant, or wider than 1024";
    return {};
  }
  const double rows = static_cast<double>(q.dims[0].expected() * q.dims[1].expected() * q.dims[2].expected());
  const double flops = 2 * rows * static_cast<double>(query.ins[1].dims[2].expected() * (d.value() + e.value()));
  return {
      {.name = "plain, a warp a row", .us = std::max(flops / (gpu.f32_tflops * 0.05 * 1e6), CopyUs(query, gpu, 0.5))}};
}

std::string TypeOf(const CudaQuery& query, size_t i) {
  return i < query.ins.size() && query.ins[i].present() ? CudaType(query.ins[i].dtype) : "float";
}

CudaKernel Emit(const CudaQuery& query, const Gpu&, const CudaPlan&) {
  const Attrs& a = query.attrs;
  const std::string numbers =
      absl::StrFormat("{%#.9gf, %#.9gf, %d, %d, %d}", a.Float("scale", 1.0).value_or(1.0),
                      a.Float("softcap", 0.0).value_or(0.0), a.Int("causal", 0).value_or(0),
                      a.String("empty_rows", "zero").value_or("zero") == "uniform", a.Int("window", 0).value_or(0));
  const std::string body = absl::StrFormat(
      "sl::plain_attention<%d, %d, %s, %s, %s>(step, x0, x1, x2, x3, x4, x5, x6, y0, sl::AttentionNumbers%s);",
      query.ins[0].dims[3].value(), query.ins[2].dims[3].value(), CudaType(query.ins[0].dtype), TypeOf(query, 3),
      TypeOf(query, 6), numbers);
  CudaKernel kernel =
      OperandKernel(query, "attention_plain", "kernels/attention/plain.cuh", body, 128, {4, 4, 4, 4, 2, 1, 1});
  kernel.grid[0] = "ceildiv(x0_0 * x0_1 * x0_2, 4)";
  kernel.strided_ins = 0x7f;
  kernel.strided_outs = 1;
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaAttention;
const CudaFamily kCudaAttention = {.name = "attention", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
