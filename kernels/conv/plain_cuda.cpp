// CUDA families conv and conv_transpose, plain (plain.cuh).
#include <algorithm>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

// "{1, 3, 3}": the values of an attribute as three, missing ones in front.
std::string Three(const std::vector<int64_t>& values, int spatial, int64_t missing) {
  std::string text;
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - spatial);
    const bool given = i >= 0 && i < static_cast<int>(values.size());
    absl::StrAppend(&text, d == 0 ? "{" : ", ", given ? values[i] : missing);
  }
  return text + "}";
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType types[] = {query.ins[0].dtype, query.ins[1].dtype};
  const int spatial = query.ins[0].rank() - 2;
  if (why = NotAFloat(types); !why.empty()) {
    return {};
  }
  for (size_t d = 2; d < query.ins[1].dims.size(); ++d) {
    why = query.ins[1].dims[d].constant() ? why : "a kernel of dynamic size";
  }
  why = spatial < 1 || spatial > 3 ? "more than three spatial dimensions" : why;
  if (!why.empty()) {
    return {};
  }
  double flops = 2;
  for (const CudaDim& dim : query.outs[0].dims) {
    flops *= static_cast<double>(dim.expected());
  }
  for (size_t d = 1; d < query.ins[1].dims.size(); ++d) {
    flops *= static_cast<double>(query.ins[1].dims[d].expected());
  }
  return {{.name = "plain, a thread a result",
           .us = std::max(flops / (gpu.f32_tflops * 0.03 * 1e6), CopyUs(query, gpu, 0.5))}};
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const int spatial = query.ins[0].rank() - 2;
  const auto ints = [&](const char* name) { return query.attrs.Ints(name, {}).value_or(std::vector<int64_t>()); };
  std::vector<int64_t> kernel_sizes;
  for (int d = 2; d < spatial + 2; ++d) {
    kernel_sizes.push_back(query.ins[1].dims[d].value());
  }
  const std::string body = absl::StrFormat(
      "sl::plain_%s<%d, %s, %s>(step, x0, x1, x2, y0, sl::Window{%s, %s, %s, %s}, %d);", query.name, spatial,
      CudaType(query.ins[0].dtype), CudaType(query.ins[1].dtype), Three(kernel_sizes, spatial, 1),
      Three(ints("strides"), spatial, 1), Three(ints("pads"), spatial, 0), Three(ints("dilations"), spatial, 1),
      query.attrs.Int("groups", 1).value_or(1));
  CudaKernel kernel = OperandKernel(query, query.name + "_plain", "kernels/conv/plain.cuh", body, 256, {0, 0, 1});
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), 256, gpu.sms * 64);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaConv, kCudaConvTranspose;
const CudaFamily kCudaConv = {.name = "conv", .plans = Plan, .emit = Emit};
const CudaFamily kCudaConvTranspose = {.name = "conv_transpose", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
