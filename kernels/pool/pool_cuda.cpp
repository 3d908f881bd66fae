// CUDA family pool (pool.cuh).
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

std::string Three(const std::vector<int64_t>& values, size_t first, size_t spatial, int64_t missing) {
  std::string text;
  for (size_t d = 0; d < 3; ++d) {
    const size_t i = first + d + spatial - 3;
    const bool given = d + spatial >= 3 && i < values.size();
    absl::StrAppend(&text, d == 0 ? "{" : ", ", given ? values[i] : missing);
  }
  return text + "}";
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const bool max = query.attrs.String("kind", "max").value_or("max") == "max";
  const DType types[] = {query.ins[0].dtype};
  why = query.outs.size() > 1                ? "the indices of the maxima"
        : max && *CudaType(types[0]) != '\0' ? ""
                                             : NotAFloat(types);
  return why.empty() ? std::vector<CudaPlan>{{.name = "a thread a result", .us = CopyUs(query, gpu, 0.3)}}
                     : std::vector<CudaPlan>();
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const auto ints = [&](const char* name) { return query.attrs.Ints(name, {}).value_or(std::vector<int64_t>()); };
  const std::vector<int64_t> sizes = ints("kernel"), pads = ints("pads");
  const size_t n = sizes.size();
  const std::string body =
      absl::StrFormat("sl::pool<%d, %s, %s, %s>(step, x0, y0, sl::PoolWindow{%s, %s, %s, %s, %s});", n,
                      query.attrs.String("kind", "max").value_or("max") == "max" ? "true" : "false",
                      query.attrs.Int("count_include_pad", 0).value_or(0) != 0 ? "true" : "false",
                      CudaType(query.ins[0].dtype), Three(sizes, 0, n, 1), Three(ints("strides"), 0, n, 1),
                      Three(pads, 0, n, 0), Three(pads, n, n, 0), Three(ints("dilations"), 0, n, 1));
  CudaKernel kernel = OperandKernel(query, "pool", "kernels/pool/pool.cuh", body, 256);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), 256, gpu.sms * 16);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaPool;
const CudaFamily kCudaPool = {.name = "pool", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
