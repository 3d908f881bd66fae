// CUDA families that move elements: copy, transpose, broadcast, reverse, tile, gather (movement.cuh).
#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int kBlock = 256;
constexpr int kSquare = 64;  // elements of a side (movement.cuh); half of it for those of 8 bytes
constexpr char kHeader[] = "kernels/movement/movement.cuh";

std::string Packed(DType dtype) { return *CudaBitsType(dtype) == '\0' ? std::string(Name(dtype)) + " elements" : ""; }

// Elements of 16 bytes, at most 8, when `width`, which is moved whole, is a known multiple of them; else 1.
int64_t Lanes(int64_t width, DType dtype) {
  const int64_t lanes = std::min(8, 128 / BitWidth(dtype));
  return width > 0 && width % lanes == 0 ? lanes : 1;
}
// The product of dimensions [first, rank), 0 when it is not constant.
int64_t Width(const CudaOperand& operand, int first) {
  int64_t width = 1;
  for (int d = first; d < operand.rank(); ++d) {
    width *= operand.dims[d].constant() ? operand.dims[d].value() : 0;
  }
  return width;
}

CudaPlan WalkPlan(const CudaQuery& query, const Gpu& gpu, int64_t lanes) {
  return {.name = absl::StrCat("walk by ", lanes), .numbers = {lanes}, .us = CopyUs(query, gpu, lanes > 1 ? 0.9 : 0.4)};
}

// Ops whose last dimension may come from anywhere.
std::vector<CudaPlan> PlanWalk(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  why = Packed(query.ins[0].dtype);
  return why.empty() ? std::vector<CudaPlan>{WalkPlan(query, gpu, 1)} : std::vector<CudaPlan>();
}

// `from`: the functor of movement.cuh that says where an element comes from.
CudaKernel Move(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan, const std::string& from) {
  const char* type = CudaBitsType(query.ins[0].dtype);
  const int64_t lanes = plan.numbers[0];
  CudaKernel kernel =
      ShareableKernel(query, absl::StrCat(query.name, "_b", BitWidth(query.ins[0].dtype)), kHeader,
                      absl::StrFormat("sl::move<%d, %s, %s>(blocks, step, x0, y0);", lanes, from, type), kBlock, true);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), kBlock * lanes, gpu.sms * 16);
  kernel.strided_ins = kernel.strided_outs = 1;
  return kernel;
}

std::string Permuted(const std::vector<int64_t>& from) {
  return absl::StrFormat("sl::Permuted<%s>", absl::StrJoin(from, ", "));
}

std::vector<int64_t> Ints(const CudaQuery& query, const char* name) {
  return query.attrs.Ints(name, {}).value_or(std::vector<int64_t>());
}

// Where each dimension of the result comes from; -1: nowhere.
std::vector<int64_t> Sources(const CudaQuery& query) {
  const int rank = query.outs[0].rank();
  std::vector<int64_t> from(rank, 0);
  if (query.name == "transpose") {
    return Ints(query, "perm");
  }
  for (int64_t d : Ints(query, "dimensions")) {  // of a broadcast
    from[d] = -1;
  }
  int64_t next = 0;
  for (int64_t& d : from) {
    d = d < 0 ? -1 : next++;
  }
  return from;
}

// The dimension of the result that the source's last one becomes.
int64_t RowOf(const std::vector<int64_t>& from) {
  return std::find(from.begin(), from.end(), static_cast<int64_t>(from.size()) - 1) - from.begin();
}

std::vector<CudaPlan> PlanPermuted(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (why = Packed(query.ins[0].dtype); !why.empty()) {
    return {};
  }
  const std::vector<int64_t> from = Sources(query);
  const int rank = query.outs[0].rank();
  const bool stays = rank > 0 && from.back() == query.ins[0].rank() - 1 && from.back() >= 0;
  std::vector<CudaPlan> plans = {
      WalkPlan(query, gpu, stays ? Lanes(Width(query.outs[0], rank - 1), query.ins[0].dtype) : 1)};
  if (query.name == "transpose" && !stays && rank > 1) {
    // What lies in squares beyond the result costs as much as what lies within.
    const auto used = [](const CudaDim& dim) {
      const double size = static_cast<double>(std::max<int64_t>(1, dim.expected()));
      return size / (std::ceil(size / kSquare) * kSquare);
    };
    const double share = 0.9 * used(query.outs[0].dims.back()) * used(query.outs[0].dims[RowOf(from)]);
    plans.push_back({.name = "squares", .us = CopyUs(query, gpu, share)});
  }
  return plans;
}

CudaKernel EmitPermuted(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const std::vector<int64_t> from = Sources(query);
  if (!plan.numbers.empty()) {
    return Move(query, gpu, plan, Permuted(from));
  }
  const int rank = query.outs[0].rank();
  const int64_t row = RowOf(from), bits = BitWidth(query.ins[0].dtype), side = bits == 64 ? kSquare / 2 : kSquare;
  const std::string body = absl::StrFormat("sl::transpose_squares<%d, %d, %s, %s>(step, x0, y0);", row, from.back(),
                                           Permuted(from), CudaBitsType(query.ins[0].dtype));
  CudaKernel kernel = OperandKernel(query, absl::StrCat("transpose_b", bits), kHeader, body, kBlock);
  const std::string others = absl::StrFormat("%s * %s", ProductText("y0", 0, static_cast<int>(row)),
                                             ProductText("y0", static_cast<int>(row) + 1, rank - 1));
  kernel.grid[0] =
      BlocksText(absl::StrFormat("%s * ceildiv(y0_%d, %d) * ceildiv(y0_%d, %d)", others, row, side, rank - 1, side), 1,
                 gpu.sms * 32);
  kernel.strided_ins = kernel.strided_outs = 1;
  return kernel;
}

CudaKernel EmitReverse(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const int rank = query.ins[0].rank();
  unsigned axes = 0;
  for (int64_t axis : Ints(query, "axes")) {
    axes |= 1u << (axis < 0 ? axis + rank : axis);
  }
  return Move(query, gpu, plan, absl::StrFormat("sl::Reversed<%d, %u>", rank, axes));
}

CudaKernel EmitTile(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  return Move(query, gpu, plan, absl::StrFormat("sl::Tiled<%d>", query.ins[0].rank()));
}

int64_t GatherAxis(const CudaQuery& query) {
  const int64_t axis = query.attrs.Int("axis", 0).value_or(0);
  return axis < 0 ? axis + query.ins[0].rank() : axis;
}

std::vector<CudaPlan> PlanGather(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType type = query.ins[0].dtype, index = query.ins[1].dtype;
  why = index != DType::kI64 && index != DType::kI32 ? std::string(Name(index)) + " indices" : Packed(type);
  if (!why.empty()) {
    return {};
  }
  CudaPlan plan = WalkPlan(query, gpu, Lanes(Width(query.ins[0], static_cast<int>(GatherAxis(query)) + 1), type));
  // Of the data only what is chosen is read: as much as is written.
  const CudaQuery moved{.ins = query.outs, .outs = query.outs};
  plan.us = CopyUs(moved, gpu, plan.numbers[0] > 1 ? 0.9 : 0.4);
  return {plan};
}

CudaKernel EmitGather(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const std::string body =
      absl::StrFormat("sl::gather<%d, %d, %s, %s>(blocks, step, x0, x1, y0);", plan.numbers[0], GatherAxis(query),
                      CudaBitsType(query.ins[0].dtype), CudaType(query.ins[1].dtype));
  CudaKernel kernel =
      ShareableKernel(query, absl::StrCat("gather_b", BitWidth(query.ins[0].dtype)), kHeader, body, kBlock);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), kBlock * plan.numbers[0], gpu.sms * 16);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaCopy, kCudaTranspose, kCudaBroadcast, kCudaReverse, kCudaTile, kCudaGather;
const CudaFamily kCudaCopy = {.name = "copy", .plans = PlanPermuted, .emit = EmitPermuted};
const CudaFamily kCudaTranspose = {.name = "transpose", .plans = PlanPermuted, .emit = EmitPermuted};
const CudaFamily kCudaBroadcast = {.name = "broadcast", .plans = PlanPermuted, .emit = EmitPermuted};
const CudaFamily kCudaReverse = {.name = "reverse", .plans = PlanWalk, .emit = EmitReverse};
const CudaFamily kCudaTile = {.name = "tile", .plans = PlanWalk, .emit = EmitTile};
const CudaFamily kCudaGather = {.name = "gather", .plans = PlanGather, .emit = EmitGather};

}  // namespace sluice::kernels
