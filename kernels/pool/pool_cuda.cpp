// CUDA family pool (pool.cuh): channels second or, with `channels_last`, last.
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

bool IsMax(const CudaQuery& query) { return query.attrs.String("kind", "max").value_or("max") == "max"; }
bool ChannelsLast(const CudaQuery& query) { return query.attrs.Int("channels_last", 0).value_or(0) != 0; }

// Neighbouring channels a thread takes: 16 bytes of them where every pixel has as many.
int64_t Lanes(const CudaQuery& query) {
  const CudaDim& channels = query.ins[0].dims.back();
  int64_t lanes = ChannelsLast(query) && channels.constant() ? 128 / BitWidth(query.ins[0].dtype) : 1;
  while (lanes > 1 && channels.value() % lanes != 0) {
    lanes /= 2;
  }
  return lanes;
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType types[] = {query.ins[0].dtype};
  why = query.outs.size() > 1                         ? "the indices of the maxima"
        : IsMax(query) && *CudaType(types[0]) != '\0' ? ""
                                                      : NotAFloat(types);
  if (!why.empty()) {
    return {};
  }
  const int64_t lanes = Lanes(query);
  return {{.name = absl::StrFormat("%d results a thread", lanes),
           .numbers = {lanes},
           .us = CopyUs(query, gpu, lanes > 1 ? 0.6 : 0.3)}};
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const auto ints = [&](const char* name) { return query.attrs.Ints(name, {}).value_or(std::vector<int64_t>()); };
  const std::vector<int64_t> sizes = ints("kernel"), pads = ints("pads");
  const size_t n = sizes.size();
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  const std::string body = absl::StrFormat(
      "sl::pool<%d, %s, %d, %s, %s, %s>(step, x0, y0, sl::Window{%s, %s, %s, %s}, %s);", n, flag(ChannelsLast(query)),
      plan.numbers[0], flag(IsMax(query)), flag(query.attrs.Int("count_include_pad", 0).value_or(0) != 0),
      CudaType(query.ins[0].dtype), ThreeText(sizes, 0, n, 1), ThreeText(ints("strides"), 0, n, 1),
      ThreeText(pads, 0, n, 0), ThreeText(ints("dilations"), 0, n, 1), ThreeText(pads, n, n, 0));
  CudaKernel kernel = OperandKernel(query, "pool", "kernels/pool/pool.cuh", body, 256);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), 256 * plan.numbers[0], gpu.sms * 16);
  kernel.aligned_ins = kernel.aligned_outs = plan.numbers[0] > 1 ? 1 : 0;
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaPool;
const CudaFamily kCudaPool = {.name = "pool", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
