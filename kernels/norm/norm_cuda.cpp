// CUDA families rms_norm, layer_norm, softmax and rope (rows.cuh).
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr char kHeader[] = "kernels/norm/rows.cuh";

// Threads of a row: 32 for the short ones, at most 512.
int RowThreads(const CudaDim& row) {
  int threads = 32;
  while (threads < 512 && threads * 8 < row.expected()) {
    threads *= 2;
  }
  return threads;
}

// How far a block a row is from the copy bandwidth: short rows leave most of a block's time to its reductions.
double RowShare(const CudaDim& row) { return row.expected() >= 4096 ? 0.8 : row.expected() >= 512 ? 0.6 : 0.3; }

std::vector<CudaPlan> PlanRows(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  std::vector<DType> types;
  for (const CudaOperand& operand : query.ins) {
    if (operand.present()) {
      types.push_back(operand.dtype);
    }
  }
  if (why = NotAFloat(types); !why.empty()) {
    return {};
  }
  const CudaDim& row = query.ins[0].dims.back();
  const int threads = RowThreads(row);
  return {{.name = absl::StrFormat("%d threads a row", threads),
           .numbers = {threads},
           .us = CopyUs(query, gpu, RowShare(row))}};
}

// Type of the weights: x's where there are none.
const char* WeightType(const CudaQuery& query) {
  for (size_t i = 1; i < query.ins.size(); ++i) {
    if (query.ins[i].present()) {
      return CudaType(query.ins[i].dtype);
    }
  }
  return CudaType(query.ins[0].dtype);
}

CudaKernel EmitNorm(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const bool layer = query.name == "layer_norm";
  const int threads = static_cast<int>(plan.numbers[0]);
  const std::string body = absl::StrFormat("sl::%s<%d, %s, %s>(step, x0, x1, %sy0, %.17g);", query.name, threads,
                                           CudaType(query.ins[0].dtype), WeightType(query), layer ? "x2, " : "",
                                           query.attrs.Float("eps", 1e-5).value_or(1e-5));
  CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, threads,
                                    layer ? std::vector<int>{0, 1, 1} : std::vector<int>{0, 1});
  kernel.grid[0] = BlocksText(ProductText("x0", 0, query.ins[0].rank() - 1), 1, gpu.sms * 64);
  kernel.in_place = true;
  return kernel;
}

int64_t SoftmaxAxis(const CudaQuery& query) {
  const int64_t axis = query.attrs.Int("axis", -1).value_or(-1);
  return axis < 0 ? axis + query.ins[0].rank() : axis;
}

std::vector<CudaPlan> PlanSoftmax(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType types[] = {query.ins[0].dtype};
  if (why = NotAFloat(types); !why.empty()) {
    return {};
  }
  const CudaDim& row = query.ins[0].dims[SoftmaxAxis(query)];
  const int threads = RowThreads(row);
  return {{.name = absl::StrFormat("%d threads a row", threads),
           .numbers = {threads},
           .us = CopyUs(query, gpu, RowShare(row))}};
}

CudaKernel EmitSoftmax(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const int64_t axis = SoftmaxAxis(query);
  const int threads = static_cast<int>(plan.numbers[0]), rank = query.ins[0].rank();
  const std::string body =
      absl::StrFormat("sl::softmax<%d, %d, %s, %s>(step, x0, y0);", threads, axis,
                      query.attrs.Int("log", 0).value_or(0) != 0 ? "true" : "false", CudaType(query.ins[0].dtype));
  CudaKernel kernel = OperandKernel(query, "softmax", kHeader, body, threads);
  const std::string rows = absl::StrFormat("%s * %s", ProductText("x0", 0, static_cast<int>(axis)),
                                           ProductText("x0", static_cast<int>(axis) + 1, rank));
  kernel.grid[0] = BlocksText(rows, 1, gpu.sms * 64);
  kernel.in_place = true;
  return kernel;
}

std::vector<CudaPlan> PlanRope(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType types[] = {query.ins[0].dtype, query.ins[1].dtype};
  why = NotAFloat(types);
  return why.empty() ? std::vector<CudaPlan>{{.name = "a thread a pair", .us = CopyUs(query, gpu, 0.5)}}
                     : std::vector<CudaPlan>();
}

CudaKernel EmitRope(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const std::string body = absl::StrFormat("sl::rope<%s, %s, %s>(step, x0, x1, x2, y0);",
                                           query.attrs.Int("interleaved", 0).value_or(0) != 0 ? "true" : "false",
                                           CudaType(query.ins[0].dtype), CudaType(query.ins[1].dtype));
  CudaKernel kernel = OperandKernel(query, "rope", kHeader, body, 256);
  kernel.grid[0] = BlocksText(ProductText("x0", 0, 4), 256, gpu.sms * 16);
  kernel.in_place = true;
  kernel.strided_ins = kernel.strided_outs = 1;
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaRmsNorm, kCudaLayerNorm, kCudaSoftmax, kCudaRope;
const CudaFamily kCudaRmsNorm = {.name = "rms_norm", .plans = PlanRows, .emit = EmitNorm};
const CudaFamily kCudaLayerNorm = {.name = "layer_norm", .plans = PlanRows, .emit = EmitNorm};
const CudaFamily kCudaSoftmax = {.name = "softmax", .plans = PlanSoftmax, .emit = EmitSoftmax};
const CudaFamily kCudaRope = {.name = "rope", .plans = PlanRope, .emit = EmitRope};

}  // namespace sluice::kernels
