// CUDA families lstm and gru (recurrent.cuh).
#include <algorithm>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int kThreads = 256;         // recurrent.cuh's
constexpr int64_t kUnits = 16;        // hidden units that are worth a block of their own
constexpr double kBarrierUs = 1.5;    // of a grid
constexpr double kCellUs = 0.25;      // of a warp, and of 1024 hidden units more
constexpr int kOperands[2] = {8, 6};  // of lstm, gru, with the optional ones

bool IsLstm(const CudaQuery& query) { return query.name == "lstm"; }
bool Flag(const CudaQuery& query) {
  return query.attrs.Int(IsLstm(query) ? "input_forget" : "linear_before_reset", 0).value_or(0) != 0;
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType type = query.ins[0].dtype;
  for (size_t i = 0; i < query.ins.size() && why.empty(); ++i) {
    const DType other = query.ins[i].dtype;
    if (i == 4) {
      why = query.ins[i].present() && other != DType::kI32 && other != DType::kI64
                ? std::string(Name(other)) + " sequence lengths"
                : "";
    } else if (query.ins[i].present()) {
      why = other == type ? NotAFloat({&other, 1}) : "operands of several element types";
    }
  }
  if (!why.empty()) {
    return {};
  }
  const auto& x = query.ins[0].dims;
  const int64_t hidden = query.ins[2].dims[2].expected(), directions = query.ins[2].dims[0].expected();
  const int64_t blocks = std::clamp<int64_t>(hidden / kUnits, 1, std::max<int64_t>(1, gpu.sms / directions));
  const double steps = static_cast<double>(x[0].expected()), batch = static_cast<double>(x[1].expected());
  const double products = steps * batch * static_cast<double>(query.ins[1].dims[1].expected() * x[2].expected());
  const double cells = batch * static_cast<double>(hidden) / static_cast<double>(blocks) / (kThreads / 32);
  const double step = kBarrierUs * (IsLstm(query) || Flag(query) ? 1 : 2) +
                      std::max(1.0, cells) * kCellUs * (1 + static_cast<double>(hidden) / 1024);
  return {{.name = absl::StrFormat("%d blocks a direction", blocks),
           .numbers = {blocks},
           .us = gpu.launch_us + products * 2 / (gpu.f32_tflops * 0.3e6) + steps * step}};
}

CudaKernel Emit(const CudaQuery& query, const Gpu&, const CudaPlan& plan) {
  const bool lstm = IsLstm(query);
  const CudaOperand* lengths = query.ins.size() > 4 && query.ins[4].present() ? &query.ins[4] : nullptr;
  const int gates = lstm ? 4 : 3, states = lstm ? 3 : 4;
  const auto word = [](bool value) { return value ? "true" : "false"; };
  const std::string how = absl::StrFormat(
      "sl::RecurrentHow<%s, %s, %d, %d, %s, %s>", CudaType(query.ins[0].dtype),
      CudaType(lengths == nullptr ? DType::kI32 : lengths->dtype), gates, states,
      word(query.attrs.String("direction", "forward").value_or("forward") == "reverse"), word(Flag(query)));
  const std::string body =
      absl::StrFormat("sl::%s<%s>(step, x0, x1, x2, x3, x4, x5, %s, %.17g, workspace, counters);", query.name, how,
                      lstm ? "x6, x7, y0, y1, y2" : "y0, y1", query.attrs.Float("clip", 0).value_or(0));
  std::vector<int> ranks = {3, 3, 3, 2, 1, 3, 3, 2};
  ranks.resize(kOperands[lstm ? 0 : 1]);
  CudaKernel kernel = OperandKernel(query, query.name, "kernels/rnn/recurrent.cuh", body, kThreads, ranks, 4);
  kernel.grid[0] = absl::StrFormat("x2_0 * %d", plan.numbers[0]);
  const int bytes = query.ins[0].dtype == DType::kF64 ? 8 : 4;
  kernel.workspace = absl::StrFormat("%d * x2_0 * x0_1 * x2_2 * (%d * x0_0 + %d)", bytes, gates, states);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaLstm, kCudaGru;
const CudaFamily kCudaLstm = {.name = "lstm", .plans = Plan, .emit = Emit};
const CudaFamily kCudaGru = {.name = "gru", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
