// CUDA family reduce (reduce.cuh): every kind but the one with a shift.
#include <algorithm>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

struct Kind {
  const char* name;
  const char* fold;
  const char* finish;
};

constexpr Kind kKinds[] = {{"sum", "kSum", "kNone"},   {"mean", "kSum", "kMean"},          {"max", "kMax", "kNone"},
                           {"min", "kMin", "kNone"},   {"prod", "kProduct", "kNone"},      {"l1", "kAbs", "kNone"},
                           {"l2", "kSquare", "kSqrt"}, {"sum_square", "kSquare", "kNone"}, {"log_sum", "kSum", "kLog"}};

const Kind* KindOf(const CudaQuery& query) {
  const std::string name = query.attrs.String("kind", "sum").value_or("sum");
  const Kind* kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return name == k.name; });
  return kind == std::end(kKinds) ? nullptr : kind;
}

unsigned Axes(const CudaQuery& query) {
  unsigned axes = 0;
  for (int64_t axis : query.attrs.Ints("axes", {}).value_or(std::vector<int64_t>())) {
    axes |= 1u << (axis < 0 ? axis + query.ins[0].rank() : axis);
  }
  return axes;
}

// Then neighbouring results come from neighbouring elements.
bool KeepsInnermost(const CudaQuery& query) { return (Axes(query) >> (query.ins[0].rank() - 1) & 1) == 0; }
constexpr int kColumnThreads = 256;

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (KindOf(query) == nullptr) {
    why = "kind " + query.attrs.String("kind", "").value_or("");
    return {};
  }
  if (*CudaType(query.ins[0].dtype) == '\0' || query.ins[0].rank() == 0) {
    why = query.ins[0].rank() == 0 ? "a scalar" : std::string(Name(query.ins[0].dtype)) + " elements";
    return {};
  }
  int64_t count = 1;
  for (int d = 0; d < query.ins[0].rank(); ++d) {
    count *= (Axes(query) >> d & 1) != 0 ? query.ins[0].dims[d].expected() : 1;
  }
  if (KeepsInnermost(query)) {
    return {{.name = "32 results a warp", .numbers = {kColumnThreads}, .us = CopyUs(query, gpu, 0.6)}};
  }
  const int threads = count <= 128 ? 32 : count <= 4096 ? 128 : 512;
  return {
      {.name = absl::StrFormat("%d threads a result", threads), .numbers = {threads}, .us = CopyUs(query, gpu, 0.3)}};
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const Kind& kind = *KindOf(query);
  const int threads = static_cast<int>(plan.numbers[0]);
  const bool columns = KeepsInnermost(query);
  const std::string body = absl::StrFormat("sl::%s<%d, %uu, sl::Fold::%s, sl::Finish::%s, %s>(step, x0, y0);",
                                           columns ? "reduce_columns" : "reduce", threads, Axes(query), kind.fold,
                                           kind.finish, CudaType(query.ins[0].dtype));
  CudaKernel kernel =
      OperandKernel(query, absl::StrCat("reduce_", kind.name), "kernels/reduce/reduce.cuh", body, threads);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), columns ? 32 : 1, gpu.sms * 64);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaReduce;
const CudaFamily kCudaReduce = {.name = "reduce", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
