// CUDA families arg_reduce, top_k and cumsum (order.cuh).
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr char kHeader[] = "kernels/reduce/order.cuh";

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (*CudaType(query.ins[0].dtype) == '\0' || query.ins[0].rank() == 0) {
    why = query.ins[0].rank() == 0 ? "a scalar" : std::string(Name(query.ins[0].dtype)) + " elements";
    return {};
  }
  return {{.name = query.name == "cumsum" ? "a thread a row" : "a warp a row", .us = CopyUs(query, gpu, 0.2)}};
}

int Axis(const CudaQuery& query, int64_t or_else) {
  const int64_t axis = query.attrs.Int("axis", or_else).value_or(or_else);
  return static_cast<int>(axis < 0 ? axis + query.ins[0].rank() : axis);
}

const char* Flag(bool set) { return set ? "true" : "false"; }

CudaKernel Finish(const CudaQuery& query, const Gpu& gpu, int axis, const std::string& body, int rows_a_block) {
  CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, 128);
  const std::string rows =
      absl::StrFormat("%s * %s", ProductText("x0", 0, axis), ProductText("x0", axis + 1, query.ins[0].rank()));
  kernel.grid[0] = BlocksText(rows, rows_a_block, gpu.sms * 64);
  return kernel;
}

CudaKernel EmitArg(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const int axis = Axis(query, 0);
  const bool largest = query.attrs.String("kind", "max").value_or("max") == "max";
  const std::string body =
      absl::StrFormat("sl::arg_reduce<%d, %s, %s, %s>(step, x0, y0);", axis, Flag(largest),
                      Flag(query.attrs.Int("select_last_index", 0).value_or(0) != 0), CudaType(query.ins[0].dtype));
  return Finish(query, gpu, axis, body, 4);
}

CudaKernel EmitTopK(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const int axis = Axis(query, -1);
  const std::string body =
      absl::StrFormat("sl::top_k<%d, %s, %s>(step, x0, y0, y1);", axis,
                      Flag(query.attrs.Int("largest", 1).value_or(1) != 0), CudaType(query.ins[0].dtype));
  return Finish(query, gpu, axis, body, 4);
}

CudaKernel EmitCumsum(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const int axis = Axis(query, 0);
  const std::string body = absl::StrFormat(
      "sl::cumsum<%d, %s, %s, %s>(step, x0, y0);", axis, Flag(query.attrs.Int("exclusive", 0).value_or(0) != 0),
      Flag(query.attrs.Int("reverse", 0).value_or(0) != 0), CudaType(query.ins[0].dtype));
  return Finish(query, gpu, axis, body, 128);
}

}  // namespace

extern const CudaFamily kCudaArgReduce, kCudaTopK, kCudaCumsum;
const CudaFamily kCudaArgReduce = {.name = "arg_reduce", .plans = Plan, .emit = EmitArg};
const CudaFamily kCudaTopK = {.name = "top_k", .plans = Plan, .emit = EmitTopK};
const CudaFamily kCudaCumsum = {.name = "cumsum", .plans = Plan, .emit = EmitCumsum};

}  // namespace sluice::kernels
