// CUDA family moe (moe.cuh).
#include <algorithm>
#include <cmath>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int kThreads = 512;          // moe.cuh's, as are those below
constexpr int64_t kPairs = 8192;       // computed at once, at most
constexpr int64_t kRows = 16;          // of a piece
constexpr int64_t kMaxExperts = 2048;  // that shared memory has room for
constexpr int kTokens8[] = {1, 2, 4};  // pairs of an expert computed at once, in eights
constexpr int kSharedPitch = kRows + 4;

struct MoeSizes {
  double tokens, choices, experts, d, f;
  int matrices;  // products with d x f weights

  explicit MoeSizes(const CudaQuery& query)
      : tokens(static_cast<double>(query.ins[0].dims[0].expected())),
        choices(static_cast<double>(query.ins[1].dims[1].expected())),
        experts(static_cast<double>(query.ins[3].dims[0].expected())),
        d(static_cast<double>(query.ins[0].dims[1].expected())),
        f(static_cast<double>(query.ins[3].dims[1].expected())),
        matrices(query.ins.size() > 5 && query.ins[5].present() ? 3 : 2) {}
};

std::string Refusal(const CudaQuery& query) {
  const DType type = query.ins[0].dtype;
  for (size_t i = 0; i < query.ins.size(); ++i) {
    const DType other = query.ins[i].dtype;
    if (i == 1 || i == 2 || !query.ins[i].present()) {
      continue;
    }
    if (other != type || (type != DType::kF32 && type != DType::kF16 && type != DType::kBF16)) {
      return other != type ? "operands of several element types" : std::string(Name(type)) + " operands";
    }
    for (const CudaDim& dim : query.ins[i].dims) {
      if (i > 2 && !dim.constant()) {
        return "weights of dynamic sizes";
      }
    }
  }
  if (query.ins[1].dtype != DType::kI64 && query.ins[1].dtype != DType::kI32) {
    return std::string(Name(query.ins[1].dtype)) + " indices";
  }
  const DType weight = query.ins[2].dtype;
  return query.ins[3].dims[0].value() > kMaxExperts ? "so many experts" : NotAFloat({&weight, 1});
}

// The chosen experts' weights come from memory once, again from L2 for each further pass over an expert's pairs; the
// products wait for the larger of that and of what mma.sync does.
double Us(const MoeSizes& s, DType type, int tokens8, const Gpu& gpu) {
  const double pairs = s.tokens * s.choices, used = s.experts * (1 - std::pow(1 - 1 / s.experts, pairs));
  const double bytes = used * s.matrices * s.d * s.f * BitWidth(type) / 8, each = pairs / std::max(1.0, used);
  const double passes = std::ceil(each / (8 * tokens8));
  const double memory = bytes / (gpu.read_gbs * 0.85e3) + (passes - 1) * bytes / (gpu.l2_gbs * 0.5e3);
  const double rate = (type == DType::kF32 ? gpu.tf32_tflops / 3 : gpu.f16_tflops) * 0.25e6;
  const double products = used * passes * 8 * tokens8 * s.matrices * 2 * s.d * s.f / rate;
  return gpu.launch_us + 6 + std::max(memory, products) + 0.1 * tokens8;
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  std::vector<CudaPlan> plans;
  if (why = Refusal(query); !why.empty()) {
    return plans;
  }
  for (const int tokens8 : kTokens8) {
    plans.push_back({.name = absl::StrFormat("16x%d pieces", 8 * tokens8),
                     .numbers = {tokens8},
                     .us = Us(MoeSizes(query), query.ins[0].dtype, tokens8, gpu)});
  }
  return plans;
}

std::string Activation(const CudaQuery& query) {
  const std::string name = query.attrs.String("activation", "silu").value_or("silu");
  return absl::StrCat("sl::MoeActivation::k", name == "gelu"        ? "Gelu"
                                              : name == "gelu_tanh" ? "GeluTanh"
                                              : name == "relu"      ? "Relu"
                                                                    : "Silu");
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const DType type = query.ins[0].dtype;
  const int64_t d = query.ins[4].dims[1].value(), f = query.ins[4].dims[2].value(),
                experts = query.ins[3].dims[0].value();
  const int64_t word = 128 / BitWidth(type);
  const bool vector = d % word == 0 && f % word == 0;
  const std::string body = absl::StrFormat(
      "sl::moe<sl::MoeHow<%s, %s, %s, %s, %s, %d, %d, %d>>(step, x0, x1, x2, x3, x4, x5, x6, x7, x8, y0, workspace, "
      "counters);",
      CudaType(type), CudaType(query.ins[1].dtype), CudaType(query.ins[2].dtype), Activation(query),
      vector ? "true" : "false", plan.numbers[0], kPairs, experts);
  CudaKernel kernel = OperandKernel(query, "moe", "kernels/moe/moe.cuh", body, kThreads, {2, 2, 2, 3, 3, 3, 2, 2, 2},
                                    static_cast<int>(2 + (d + kRows - 1) / kRows));
  kernel.grid[0] = std::to_string(gpu.sms);
  kernel.shared = 2 * 8 * 2 * 8 * plan.numbers[0] * kSharedPitch * 4 + experts * 12 + 16 + kPairs * 2;
  kernel.workspace = absl::StrFormat("min(x0_0 * x1_1, %d) * (4 * x4_1 + %d * x4_2)", kPairs, BitWidth(type) / 8);
  kernel.aligned_ins = vector ? 1u | 1u << 3 | 1u << 4 | 1u << 5 : 0;
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaMoe;
const CudaFamily kCudaMoe = {.name = "moe", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
