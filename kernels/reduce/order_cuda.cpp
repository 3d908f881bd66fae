// CUDA families arg_reduce, top_k and cumsum (order.cuh).
#include <algorithm>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr char kHeader[] = "kernels/reduce/order.cuh";

bool Takes(const CudaQuery& query, std::string& why) {
  if (*CudaType(query.ins[0].dtype) == '\0' || query.ins[0].rank() == 0) {
    why = query.ins[0].rank() == 0 ? "a scalar" : std::string(Name(query.ins[0].dtype)) + " elements";
    return false;
  }
  return true;
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (!Takes(query, why)) {
    return {};
  }
  return {{.name = query.name == "cumsum" ? "a thread a row" : "a warp a row", .us = CopyUs(query, gpu, 0.2)}};
}

int Axis(const CudaQuery& query, int64_t or_else) {
  const int64_t axis = query.attrs.Int("axis", or_else).value_or(or_else);
  return static_cast<int>(axis < 0 ? axis + query.ins[0].rank() : axis);
}

const char* Flag(bool set) { return set ? "true" : "false"; }

std::string RowsText(const CudaQuery& query, int axis) {
  return absl::StrFormat("%s * %s", ProductText("x0", 0, axis), ProductText("x0", axis + 1, query.ins[0].rank()));
}

CudaKernel Finish(const CudaQuery& query, const Gpu& gpu, int axis, const std::string& body, int rows_a_block) {
  CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, 128);
  kernel.grid[0] = BlocksText(RowsText(query, axis), rows_a_block, gpu.sms * 64);
  return kernel;
}

constexpr int kLongBlocks = 8, kLongThreads = 512;  // of a row; 8 blocks are what every GPU has in a cluster

// numbers: blocks a row, 0: a warp.
std::vector<CudaPlan> PlansArg(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (!Takes(query, why)) {
    return {};
  }
  double rows = 1;
  for (const CudaDim& dim : query.outs[0].dims) {
    rows *= static_cast<double>(dim.expected());
  }
  const double n = static_cast<double>(query.ins[0].dims[Axis(query, 0)].expected());
  constexpr double kWarpStepUs = 0.02;   // of 32 elements that a lane each reads and compares
  constexpr double kClusterRowUs = 1.5;  // two barriers and a round of loads
  const double rounds = std::max(1.0, rows * kLongBlocks / (4.0 * gpu.sms));
  return {{.name = "a warp a row", .numbers = {0}, .us = CopyUs(query, gpu, 0.2) + n / 32 * kWarpStepUs},
          {.name = absl::StrFormat("%d blocks a row", kLongBlocks),
           .numbers = {kLongBlocks},
           .us = CopyUs(query, gpu, 0.6) + rounds * kClusterRowUs}};
}

CudaKernel EmitArg(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const int axis = Axis(query, 0);
  const int64_t blocks = plan.numbers[0];
  const bool largest = query.attrs.String("kind", "max").value_or("max") == "max";
  const std::string what = absl::StrFormat("%d, %s, %s", axis, Flag(largest),
                                           Flag(query.attrs.Int("select_last_index", 0).value_or(0) != 0));
  const char* const type = CudaType(query.ins[0].dtype);
  CudaKernel kernel;
  if (blocks == 0) {
    kernel = Finish(query, gpu, axis, absl::StrFormat("sl::arg_reduce<%s, %s>(step, x0, y0);", what, type), 4);
  } else {
    kernel = OperandKernel(
        query, query.name, kHeader,
        absl::StrFormat("sl::arg_reduce_long<%s, %d, %d, %s>(step, x0, y0);", what, blocks, kLongThreads, type),
        kLongThreads);
    kernel.grid[0] = absl::StrFormat("%s * %d", BlocksText(RowsText(query, axis), 1, gpu.sms), blocks);
    kernel.cluster = static_cast<int>(blocks);
  }
  kernel.strided_ins = 1;
  return kernel;
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
const CudaFamily kCudaArgReduce = {.name = "arg_reduce", .plans = PlansArg, .emit = EmitArg};
const CudaFamily kCudaTopK = {.name = "top_k", .plans = Plan, .emit = EmitTopK};
const CudaFamily kCudaCumsum = {.name = "cumsum", .plans = Plan, .emit = EmitCumsum};

}  // namespace sluice::kernels
