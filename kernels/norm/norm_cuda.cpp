// CUDA families rms_norm, layer_norm, softmax (norms.cuh) and rope (rope.cuh).
#include <algorithm>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr char kHeader[] = "kernels/norm/norms.cuh";

// How a row is cut (RowHow of rows.cuh).
struct RowHow {
  int64_t threads, vector, words, cluster, length = 0;  // length: 0 where it is not known
  int64_t block() const { return std::max<int64_t>(256, threads); }
  int64_t rows() const { return block() / threads; }      // of a block
  bool ahead() const { return words > 0 && words <= 8; }  // there are registers for two rows
  std::string Text() const {
    return absl::StrFormat("sl::RowHow<%d, %d, %d, %d, %s, %d>", threads, vector, words, cluster,
                           ahead() ? "true" : "false", words > 0 ? length : 0);
  }
};

constexpr int64_t kElements = 16;      // that a thread should hold: more leave too few threads to hide the memory
constexpr int64_t kMostElements = 64;  // that a thread of the longest rows can
constexpr int64_t kMostThreads = 512;  // of a block that work on a row
constexpr int64_t kHeldThreads = 256;  // where there are many rows, of which each thread holds a part
constexpr int64_t kMostBlocks = 8;     // that share a row
constexpr int64_t kManyRows = 1 << 20;
constexpr double kElementUs = 0.03;      // that each element of a thread adds to the time of one row
constexpr int64_t kWeightRegisters = 8;  // of weights that a thread holds beside its row
constexpr int64_t kBlocksPerSm = 16;     // enough for the last to end together, few enough for a block to read ahead

// Words of 16 bytes where the length is a known multiple.  A row of few gets threads for each of its words, as long as
// half of what the SMs hold are enough for all rows.
RowHow CutRow(const CudaDim& row, DType type, int64_t rows, const Gpu& gpu) {
  const int64_t word = 128 / BitWidth(type);
  RowHow how{.threads = 4, .vector = row.constant() && row.value() % word == 0 ? word : 1, .words = 0, .cluster = 1};
  const int64_t words = (row.expected() + how.vector - 1) / how.vector;
  const auto each = [&] {
    const int64_t threads = how.threads * how.cluster;
    return std::max<int64_t>(1, (words + threads - 1) / threads);
  };
  // Elements a thread may hold before the row gets more threads: 4 words from a warp on, whose rows then wait for
  // barriers.
  const auto enough = [&] { return how.threads >= 32 ? std::max(kElements, 4 * how.vector) : kElements; };
  while (how.threads < kHeldThreads && each() * how.vector > enough()) {
    how.threads *= 2;
  }
  while (how.threads < kMostThreads && how.threads < words && how.threads * rows <= gpu.sms * gpu.threads_per_sm / 4) {
    how.threads *= 2;
  }
  while (row.constant() && how.cluster < kMostBlocks && each() * how.vector > enough()) {
    how.cluster *= 2;
  }
  const int64_t registers = each() * how.vector * (type == DType::kF64 ? 8 : 1);
  if (row.constant() && registers <= kMostElements) {
    how.words = each();
  } else {
    how.cluster = 1;
    how.threads = each() * how.vector > enough() ? kMostThreads : how.threads;
  }
  return how;
}

RowHow HowOf(const CudaQuery& query, const CudaPlan& plan) {
  const CudaDim& row = query.ins[0].dims.back();
  return {plan.numbers[0], plan.numbers[1], plan.numbers[2], plan.numbers[3], row.constant() ? row.value() : 0};
}

// A launch of such rows, of which there are `rows`.
void Launch(CudaKernel& kernel, const RowHow& how, const std::string& rows, const Gpu& gpu) {
  const std::string blocks = BlocksText(rows, how.rows(), gpu.sms * kBlocksPerSm / how.cluster);
  kernel.grid[0] = how.cluster > 1 ? absl::StrFormat("%s * %d", blocks, how.cluster) : blocks;
  kernel.cluster = static_cast<int>(how.cluster);
  kernel.in_place = true;
}

// The most rows that the plan is for; many where a row may not depend on how many there are.
int64_t RowsMeant(const CudaQuery& query) {
  const bool known = query.rows_max >= 0 || VaryingRows(query).empty();
  return known && !query.invariant ? ExpectedRows(query) : kManyRows;
}

// Held rows are read once; others wait for each pass.
CudaPlan RowPlan(const CudaQuery& query, const Gpu& gpu) {
  const RowHow how = CutRow(query.ins[0].dims.back(), query.ins[0].dtype, RowsMeant(query), gpu);
  CudaQuery all = query;
  all.rows_max = -1;
  const double part =
      static_cast<double>(ExpectedRows(query)) / static_cast<double>(std::max<int64_t>(1, ExpectedRows(all)));
  const double copy_us = CopyUs(query, gpu, how.vector == 1 ? 0.5 : how.words > 0 ? 0.9 : 0.7) - gpu.launch_us;
  const std::string blocks = how.cluster > 1 ? absl::StrCat(how.cluster, " blocks of ") : "";
  return {.name = absl::StrFormat("%s%d threads a row, %s", blocks, how.threads,
                                  how.words > 0 ? absl::StrCat(how.words, " words of ", how.vector) : "read again"),
          .numbers = {how.threads, how.vector, how.words, how.cluster},
          .us = gpu.launch_us + copy_us * part + kElementUs * static_cast<double>(how.words * how.vector)};
}

std::vector<CudaPlan> PlanNorm(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  std::vector<DType> types;
  for (const CudaOperand& operand : query.ins) {
    if (operand.present()) {
      types.push_back(operand.dtype);
    }
  }
  if (why = NotAFloat(types); !why.empty()) {
    return {};
  }
  return {RowPlan(query, gpu)};
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

// Weights that no kernel writes are read before the kernel's turn.
bool ReadsAhead(const CudaQuery& query) {
  return std::all_of(query.ins.begin() + 1, query.ins.end(),
                     [](const CudaOperand& operand) { return operand.weight || !operand.present(); });
}

// Whether a thread has the registers for its words of the weights.
bool HoldsWeights(const CudaQuery& query, const RowHow& how) {
  int64_t bits = 0;
  for (const CudaOperand& operand : std::span(query.ins).subspan(1)) {
    bits += operand.present() ? how.words * how.vector * BitWidth(operand.dtype) : 0;
  }
  return how.words > 0 && bits <= 32 * kWeightRegisters;
}

CudaKernel EmitNorm(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const bool layer = query.name == "layer_norm";
  const RowHow how = HowOf(query, plan);
  const bool ahead = ReadsAhead(query);
  const std::string body = absl::StrFormat(
      "sl::%s<%s, %s, %s, %s, %s>(step, x0, x1, %sy0, %.17g);", query.name, how.Text(), ahead ? "true" : "false",
      HoldsWeights(query, how) ? "true" : "false", CudaType(query.ins[0].dtype), WeightType(query), layer ? "x2, " : "",
      query.attrs.Float("eps", 1e-5).value_or(1e-5));
  CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, static_cast<int>(how.block()),
                                    layer ? std::vector<int>{0, 1, 1} : std::vector<int>{0, 1});
  Launch(kernel, how, ProductText("x0", 0, query.ins[0].rank() - 1), gpu);
  kernel.overlaps_previous = ahead;
  return kernel;
}

int64_t SoftmaxAxis(const CudaQuery& query) {
  const int64_t axis = query.attrs.Int("axis", -1).value_or(-1);
  return axis < 0 ? axis + query.ins[0].rank() : axis;
}

// Rows of a norm; of a softmax that is no norm of columns.
std::string Rows(const CudaQuery& query) {
  return query.name == "softmax" && SoftmaxAxis(query) != query.ins[0].rank() - 1 ? "" : VaryingRows(query);
}

std::vector<CudaPlan> PlanSoftmax(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType types[] = {query.ins[0].dtype};
  if (why = NotAFloat(types); !why.empty()) {
    return {};
  }
  if (SoftmaxAxis(query) == query.ins[0].rank() - 1) {
    return {RowPlan(query, gpu)};
  }
  return {{.name = "a thread a column", .us = CopyUs(query, gpu, 0.3)}};
}

CudaKernel EmitSoftmax(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const int axis = static_cast<int>(SoftmaxAxis(query)), rank = query.ins[0].rank();
  const char* log = query.attrs.Int("log", 0).value_or(0) != 0 ? "true" : "false";
  const char* type = CudaType(query.ins[0].dtype);
  const std::string rows = absl::StrFormat("%s * %s", ProductText("x0", 0, axis), ProductText("x0", axis + 1, rank));
  CudaKernel kernel;
  if (plan.numbers.empty()) {
    const std::string body = absl::StrFormat("sl::softmax_columns<%d, %s, %s>(step, x0, y0);", axis, log, type);
    kernel = OperandKernel(query, "softmax", kHeader, body, 256);
    kernel.grid[0] = BlocksText(rows, 256, gpu.sms * 16);
  } else {
    const RowHow how = HowOf(query, plan);
    const std::string body = absl::StrFormat("sl::softmax<%s, %s, %s>(step, x0, y0);", how.Text(), log, type);
    kernel = OperandKernel(query, "softmax", kHeader, body, static_cast<int>(how.block()));
    Launch(kernel, how, rows, gpu);
  }
  kernel.in_place = true;
  return kernel;
}

// Pairs a thread takes of a head, 16 bytes of them where the rotated and the copied part are known multiples; and the
// heads that share its angles.
struct RopeHow {
  int64_t lanes, heads, width;  // width: threads a head; 0 where it varies
};

RopeHow CutHead(const CudaQuery& query) {
  const CudaDim &half = query.ins[1].dims.back(), &d = query.ins[0].dims[3], &heads = query.ins[0].dims[1];
  RopeHow how{.lanes = 1, .heads = 1, .width = 0};
  if (half.constant() && d.constant()) {
    how.lanes = 128 / BitWidth(query.ins[0].dtype);
    while (half.value() % how.lanes != 0 || d.value() % how.lanes != 0) {
      how.lanes /= 2;
    }
    how.width = (d.value() - half.value()) / how.lanes;
  }
  for (int64_t more : {2}) {
    how.heads = heads.constant() && heads.value() % more == 0 ? more : how.heads;
  }
  return how;
}

std::vector<CudaPlan> PlanRope(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType types[] = {query.ins[0].dtype, query.ins[1].dtype};
  if (why = NotAFloat(types); !why.empty()) {
    return {};
  }
  const RopeHow how = CutHead(query);
  return {{.name = absl::StrFormat("%d pairs of %d heads a thread", how.lanes, how.heads),
           .numbers = {how.lanes, how.heads, how.width},
           .us = CopyUs(query, gpu, how.lanes > 1 ? 0.9 : 0.5)}};
}

CudaKernel EmitRope(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const RopeHow how{plan.numbers[0], plan.numbers[1], plan.numbers[2]};
  const std::string body =
      absl::StrFormat("sl::rope<%s, %d, %d, %s, %s>(blocks, step, x0, x1, x2, y0);",
                      query.attrs.Int("interleaved", 0).value_or(0) != 0 ? "true" : "false", how.lanes, how.heads,
                      CudaType(query.ins[0].dtype), CudaType(query.ins[1].dtype));
  CudaKernel kernel = ShareableKernel(query, "rope", "kernels/norm/rope.cuh", body, 256, true);
  kernel.grid[0] = BlocksText(absl::StrFormat("x0_0 * ceildiv(x0_1, %d) * x0_2 * %s", how.heads,
                                              how.width > 0 ? absl::StrCat(how.width) : "x0_3"),
                              256, gpu.sms * 16);
  kernel.in_place = true;
  kernel.strided_ins = kernel.strided_outs = 1;
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaRmsNorm, kCudaLayerNorm, kCudaSoftmax, kCudaRope;
const CudaFamily kCudaRmsNorm = {.name = "rms_norm", .plans = PlanNorm, .emit = EmitNorm, .rows = Rows};
const CudaFamily kCudaLayerNorm = {.name = "layer_norm", .plans = PlanNorm, .emit = EmitNorm, .rows = Rows};
const CudaFamily kCudaSoftmax = {.name = "softmax", .plans = PlanSoftmax, .emit = EmitSoftmax, .rows = Rows};
const CudaFamily kCudaRope = {.name = "rope", .plans = PlanRope, .emit = EmitRope};

}  // namespace sluice::kernels
