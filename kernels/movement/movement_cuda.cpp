// CUDA families that move elements: copy, transpose, broadcast, reverse, tile, gather (movement.cuh).
#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int kBlock = 256;
constexpr int kSquareBlock = 288;  // transpose_squares
constexpr int kBlocksPerSm = 32;   // of walks: more find their sizes and strides too often
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

// `from`: the function of movement.cuh that walks the result, up to its element type.
CudaKernel Move(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan, const std::string& from) {
  const std::string body =
      absl::StrFormat("sl::%s, %s>(blocks, step, x0, y0);", from, CudaBitsType(query.ins[0].dtype));
  CudaKernel kernel =
      ShareableKernel(query, absl::StrCat(query.name, "_b", BitWidth(query.ins[0].dtype)), kHeader, body, kBlock, true);
  kernel.grid[0] =
      BlocksText(ProductText("y0", 0, query.outs[0].rank()), kBlock * plan.numbers[0], gpu.sms * kBlocksPerSm);
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

// Squares of elements, and the share of the copy bandwidth they reach: turned in blocks of registers, where lines begin
// and end at whole words of 16 bytes, or element by element.
struct SquareHow {
  int64_t side;
  bool blocks;
  double share;
};

std::vector<SquareHow> Squares(int bits) {
  switch (bits) {
    case 8:
      return {{128, true, 0.91}, {128, false, 0.31}};
    case 16:
      return {{128, true, 0.95}, {64, true, 0.91}, {64, false, 0.55}};
    case 32:
      return {{64, true, 0.96}, {32, true, 0.91}, {64, false, 0.85}, {32, false, 0.73}};
    default:
      return {{32, true, 0.96}, {32, false, 0.87}};
  }
}

// Dimension `d` of the result together with those before it that precede it in the source too: they are walked as one.
// What is expected of them, and a number that divides it.
struct Walked {
  double size = 1;
  int64_t multiple = 1;

  Walked(const CudaQuery& query, const std::vector<int64_t>& from, int64_t d) {
    for (bool first = true; first || (d >= 0 && from[d] + 1 == from[d + 1]); first = false, --d) {
      const CudaDim& dim = query.outs[0].dims[d];
      size *= static_cast<double>(std::max<int64_t>(1, dim.expected()));
      multiple *= dim.constant() ? std::max<int64_t>(1, dim.value()) : 1;
    }
  }
};

std::vector<CudaPlan> PlanPermuted(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType type = query.ins[0].dtype;
  if (why = Packed(type); !why.empty()) {
    return {};
  }
  const std::vector<int64_t> from = Sources(query);
  const int rank = query.outs[0].rank();
  const bool stays = rank > 0 && from.back() == query.ins[0].rank() - 1 && from.back() >= 0;
  std::vector<CudaPlan> plans = {WalkPlan(query, gpu, stays ? Lanes(Width(query.outs[0], rank - 1), type) : 1)};
  if (query.name == "transpose" && !stays) {
    plans[0].us = CopyUs(query, gpu, 0.1 * BitWidth(type) / 32);  // of each 32 bytes that are read an element is used
  }
  if (query.name == "transpose" && !stays && rank > 1) {
    const Walked columns(query, from, rank - 1), rows(query, from, RowOf(from));
    const int64_t word = 128 / BitWidth(type);
    const bool whole = columns.multiple % word == 0 && rows.multiple % word == 0;
    double planes = 1 / (columns.size * rows.size);
    for (const CudaDim& dim : query.outs[0].dims) {
      planes *= static_cast<double>(std::max<int64_t>(1, dim.expected()));
    }
    for (const SquareHow& how : Squares(BitWidth(type))) {
      // What lies in squares beyond the result costs as much as what lies within, and so does an SM without a square.
      const double side = static_cast<double>(how.side);
      const double of_columns = std::ceil(columns.size / side), of_rows = std::ceil(rows.size / side);
      const double used = columns.size / (of_columns * side) * rows.size / (of_rows * side);
      const double busy = std::min(1.0, of_columns * of_rows * planes / static_cast<double>(gpu.sms));
      if (whole || !how.blocks) {
        plans.push_back({.name = absl::StrFormat("squares of %d%s", how.side, how.blocks ? " in blocks" : ""),
                         .numbers = {how.side, how.blocks},
                         .us = CopyUs(query, gpu, how.share * used * busy)});
      }
    }
  }
  return plans;
}

// The first of the dimensions that are walked as one with `d`.
int FirstWalked(const std::vector<int64_t>& from, int d) {
  while (d > 0 && from[d - 1] + 1 == from[d]) {
    --d;
  }
  return d;
}

CudaKernel EmitPermuted(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const std::vector<int64_t> from = Sources(query);
  if (plan.numbers.size() == 1) {
    return Move(query, gpu, plan, absl::StrFormat("permute<%d, %s", plan.numbers[0], Permuted(from)));
  }
  const int rank = query.outs[0].rank(), row = static_cast<int>(RowOf(from));
  const int64_t bits = BitWidth(query.ins[0].dtype), side = plan.numbers[0], words = side * bits / 128;
  const bool blocks = plan.numbers[1] != 0;
  const std::string body =
      absl::StrFormat("sl::%s<%d, %d, %s, %s>(step, x0, y0);", blocks ? "transpose_blocks" : "transpose_squares", side,
                      row, Permuted(from), CudaBitsType(query.ins[0].dtype));
  CudaKernel kernel = OperandKernel(query, absl::StrCat("transpose_b", bits), kHeader, body,
                                    blocks ? static_cast<int>(words * words) : kSquareBlock);
  const int rows = FirstWalked(from, row), columns = FirstWalked(from, rank - 1);
  const std::string planes =
      absl::StrFormat("%s * %s", ProductText("y0", 0, rows), ProductText("y0", row + 1, columns));
  kernel.grid[0] =
      BlocksText(absl::StrFormat("%s * ceildiv(%s, %d) * ceildiv(%s, %d)", planes, ProductText("y0", rows, row + 1),
                                 side, ProductText("y0", columns, rank), side),
                 1, gpu.sms * (blocks ? 64 : 32));
  kernel.strided_ins = kernel.strided_outs = 1;
  return kernel;
}

CudaKernel EmitReverse(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const int rank = query.ins[0].rank();
  unsigned axes = 0;
  for (int64_t axis : Ints(query, "axes")) {
    axes |= 1u << (axis < 0 ? axis + rank : axis);
  }
  return Move(query, gpu, plan, absl::StrFormat("move<sl::Reversed<%d, %u>", rank, axes));
}

CudaKernel EmitTile(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  return Move(query, gpu, plan, absl::StrFormat("move<sl::Tiled<%d>", query.ins[0].rank()));
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
  kernel.grid[0] =
      BlocksText(ProductText("y0", 0, query.outs[0].rank()), kBlock * plan.numbers[0], gpu.sms * kBlocksPerSm);
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
