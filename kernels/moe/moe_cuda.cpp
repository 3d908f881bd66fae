// CUDA family moe (moe.cuh).
#include <algorithm>
#include <cmath>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

// moe.cuh's and moe_tiles.cuh's.
constexpr int64_t kRows = 16;          // of a piece
constexpr int64_t kTile = 128;         // pairs and weight rows of a tile
constexpr int64_t kTileBytes = 65536;  // of its ring
constexpr int64_t kMaxExperts = 2048;  // that shared memory, and the ring while pairs are sorted, has room for
// Pairs of an expert computed at once, in eights; 0: tiles.  f32 has no tiles, and no registers for 32 pairs.
constexpr int kTokens8[] = {0, 1, 2, 4};

int Threads(int64_t tokens8) { return tokens8 == 0 ? 256 : 512; }
int64_t PairsAtOnce(int64_t tokens8) { return tokens8 == 0 ? 32768 : 8192; }

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

// Whether all rows are whole 16-byte words.
bool Vector(const CudaQuery& query) {
  const int64_t word = 128 / BitWidth(query.ins[0].dtype);
  return query.ins[4].dims[1].value() % word == 0 && query.ins[4].dims[2].value() % word == 0;
}

// The chosen experts' weights come from memory once, again from L2 for each further pass over an expert's pairs; the
// products wait for the larger of that and of what mma.sync does.  Rates are those measured (bench/kernels.py, layers).
double Us(const MoeSizes& s, DType type, int tokens8, const Gpu& gpu) {
  const double pairs = s.tokens * s.choices, used = s.experts * (1 - std::pow(1 - 1 / s.experts, pairs));
  const double bytes = used * s.matrices * s.d * s.f * BitWidth(type) / 8, each = pairs / std::max(1.0, used);
  const double columns = tokens8 == 0 ? kTile : 8 * tokens8, passes = std::ceil(each / columns);
  const double tensor = type == DType::kF32 ? gpu.tf32_tflops / 3 : gpu.f16_tflops;
  const double flops = used * passes * columns * s.matrices * 2 * s.d * s.f;
  if (tokens8 == 0) {
    return gpu.launch_us + 12 + std::max(bytes / (gpu.read_gbs * 0.8e3), flops / (tensor * 0.45e6));
  }
  const double memory = bytes / (gpu.read_gbs * 0.75e3) + (passes - 1) * bytes / (gpu.l2_gbs * 0.2e3);
  return gpu.launch_us + 8 + std::max(memory, flops / (tensor * 0.06e6)) + 0.1 * tokens8;
}

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  std::vector<CudaPlan> plans;
  if (why = Refusal(query); !why.empty()) {
    return plans;
  }
  const bool wide = query.ins[0].dtype == DType::kF32;
  for (const int tokens8 : kTokens8) {
    if (tokens8 == 0 ? !wide && Vector(query) : tokens8 < 4 || !wide) {
      plans.push_back({.name = tokens8 == 0 ? "128x128 tiles" : absl::StrFormat("16x%d pieces", 8 * tokens8),
                       .numbers = {tokens8},
                       .us = Us(MoeSizes(query), query.ins[0].dtype, tokens8, gpu)});
    }
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
  const int64_t experts = query.ins[3].dims[0].value(), tokens8 = plan.numbers[0], pairs = PairsAtOnce(tokens8);
  // 16 warps' sums of two matrices, or the ring; then three lists of experts, two of tiles, and the pairs.
  const int64_t sums = tokens8 == 0 ? kTileBytes : 16 * 2 * 8 * tokens8 * (kRows + 4) * 4;
  const int64_t shared = sums + experts * 12 + 8 + 2 * 2 * (pairs / kTile + experts) + pairs * 2 + 16;
  const std::string body = absl::StrFormat(
      "using How = sl::MoeHow<%s, %s, %s, %s, %s, %d, %d, %d>;\n"
      "  static_assert(sizeof(sl::MoeShared<How>) <= %d);\n"
      "  sl::moe<How>(step, x0, x1, x2, x3, x4, x5, x6, x7, x8, y0, workspace, counters);",
      CudaType(type), CudaType(query.ins[1].dtype), CudaType(query.ins[2].dtype), Activation(query),
      Vector(query) ? "true" : "false", tokens8, pairs, experts, shared);
  CudaKernel kernel =
      OperandKernel(query, "moe", "kernels/moe/moe.cuh", body, Threads(tokens8), {2, 2, 2, 3, 3, 3, 2, 2, 2}, 2);
  kernel.grid[0] = std::to_string(gpu.sms);
  kernel.shared = shared;
  kernel.workspace = absl::StrFormat("min(x0_0 * x1_1, %d) * (4 * x4_1 + %d * x4_2)", pairs, BitWidth(type) / 8);
  kernel.aligned_ins = Vector(query) ? 1u | 1u << 3 | 1u << 4 | 1u << 5 : 0;
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaMoe;
const CudaFamily kCudaMoe = {.name = "moe", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
