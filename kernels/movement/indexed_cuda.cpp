// CUDA families gather_nd, gather_elements, scatter_nd and scatter_elements (indexed.cuh).
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int kScatterBlock = 256;
constexpr char kHeader[] = "kernels/movement/indexed.cuh";

int Axis(const CudaQuery& query) {
  const int64_t axis = query.attrs.Int("axis", 0).value_or(0);
  return static_cast<int>(axis < 0 ? axis + query.ins[0].rank() : axis);
}

bool ByTuples(const CudaQuery& query) { return query.name == "gather_nd" || query.name == "scatter_nd"; }
bool Scatters(const CudaQuery& query) { return query.name == "scatter_nd" || query.name == "scatter_elements"; }

// The functor that joins an update with what is there (indexed.cuh); "" for one there is none for.
std::string JoinOf(const CudaQuery& query) {
  const std::string reduction = query.attrs.String("reduction", "none").value_or("none");
  const char* fold = reduction == "add"   ? "kSum"
                     : reduction == "mul" ? "kProduct"
                     : reduction == "max" ? "kMax"
                     : reduction == "min" ? "kMin"
                                          : "";
  return reduction == "none" ? "sl::Replace()"
         : *fold == '\0'     ? ""
                             : absl::StrFormat("sl::Joined<sl::Fold::%s>()", fold);
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType index = query.ins[1].dtype;
  if (*CudaType(query.ins[0].dtype) == '\0' || query.ins[0].rank() == 0) {
    why = query.ins[0].rank() == 0 ? "a scalar" : std::string(Name(query.ins[0].dtype)) + " elements";
  } else if (index != DType::kI64 && index != DType::kI32) {
    why = std::string(Name(index)) + " indices";
  } else if (ByTuples(query) && !query.ins[1].dims.back().constant()) {
    why = "tuples of a dynamic length";
  } else if (Scatters(query) && JoinOf(query).empty()) {
    why = "reduction " + query.attrs.String("reduction", "").value_or("");
  }
  return why.empty() ? std::vector<CudaPlan>{{.name = "a thread an element", .us = CopyUs(query, gpu, 0.3)}}
                     : std::vector<CudaPlan>();
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const std::string first =
      !ByTuples(query) ? std::to_string(Axis(query))
      : query.name == "gather_nd"
          ? absl::StrFormat("%d, %d", query.attrs.Int("batch_dims", 0).value_or(0), query.ins[1].dims.back().value())
          : std::to_string(query.ins[1].dims.back().value());
  const std::string body =
      absl::StrFormat("sl::%s<%s, %s, %s>(step, x0, x1, %sy0%s);", query.name, first, CudaType(query.ins[0].dtype),
                      CudaType(query.ins[1].dtype), Scatters(query) ? "x2, " : "",
                      Scatters(query) ? ", " + JoinOf(query) + ", counters" : "");
  const std::string results = ProductText("y0", 0, query.outs[0].rank());
  if (!Scatters(query)) {
    CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, 256);
    kernel.grid[0] = BlocksText(results, 256, gpu.sms * 16);
    return kernel;
  }
  CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, kScatterBlock, {}, 2);
  kernel.grid[0] =
      BlocksText(absl::StrFormat("max(%s, %s)", results, ProductText("x2", 0, query.ins[2].rank())), kScatterBlock,
                 gpu.sms);  // all at once: they meet between the copy and the updates
  kernel.in_place = true;
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaGatherNd, kCudaGatherElements, kCudaScatterNd, kCudaScatterElements;
const CudaFamily kCudaGatherNd = {.name = "gather_nd", .plans = Plan, .emit = Emit};
const CudaFamily kCudaGatherElements = {.name = "gather_elements", .plans = Plan, .emit = Emit};
const CudaFamily kCudaScatterNd = {.name = "scatter_nd", .plans = Plan, .emit = Emit};
const CudaFamily kCudaScatterElements = {.name = "scatter_elements", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
