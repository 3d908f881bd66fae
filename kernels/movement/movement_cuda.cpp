// CUDA families that move elements: copy, transpose, broadcast, reverse, tile, gather (movement.cuh).
#include "absl/strings/str_join.h"
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int kBlock = 256;
constexpr char kHeader[] = "kernels/movement/movement.cuh";

std::vector<CudaPlan> OnePlan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType dtype = query.ins[0].dtype;
  if (*CudaBitsType(dtype) == '\0') {
    why = std::string(Name(dtype)) + " elements";
    return {};
  }
  return {{.name = "walk", .us = CopyUs(query, gpu, 0.4)}};
}

// `from`: the functor of movement.cuh that says where an element comes from.
CudaKernel Move(const CudaQuery& query, const Gpu& gpu, const std::string& from) {
  const char* type = CudaBitsType(query.ins[0].dtype);
  CudaKernel kernel = OperandKernel(query, absl::StrCat(query.name, "_b", BitWidth(query.ins[0].dtype)), kHeader,
                                    absl::StrFormat("sl::move<%s, %s>(step, x0, y0);", from, type), kBlock);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), kBlock, gpu.sms * 16);
  kernel.strided_ins = kernel.strided_outs = 1;
  return kernel;
}

std::string Permuted(const std::vector<int64_t>& from) {
  return absl::StrFormat("sl::Permuted<%s>", absl::StrJoin(from, ", "));
}

std::vector<int64_t> Ints(const CudaQuery& query, const char* name) {
  return query.attrs.Ints(name, {}).value_or(std::vector<int64_t>());
}

CudaKernel EmitCopy(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  std::vector<int64_t> from(query.outs[0].dims.size());
  for (size_t d = 0; d < from.size(); ++d) {
    from[d] = static_cast<int64_t>(d);
  }
  return Move(query, gpu, Permuted(from));
}

CudaKernel EmitTranspose(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  return Move(query, gpu, Permuted(Ints(query, "perm")));
}

CudaKernel EmitBroadcast(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  std::vector<int64_t> from(query.outs[0].dims.size(), 0);
  for (int64_t d : Ints(query, "dimensions")) {
    from[d] = -1;
  }
  int64_t next = 0;
  for (int64_t& d : from) {
    d = d < 0 ? -1 : next++;
  }
  return Move(query, gpu, Permuted(from));
}

CudaKernel EmitReverse(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const int rank = query.ins[0].rank();
  unsigned axes = 0;
  for (int64_t axis : Ints(query, "axes")) {
    axes |= 1u << (axis < 0 ? axis + rank : axis);
  }
  return Move(query, gpu, absl::StrFormat("sl::Reversed<%d, %u>", rank, axes));
}

CudaKernel EmitTile(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  return Move(query, gpu, absl::StrFormat("sl::Tiled<%d>", query.ins[0].rank()));
}

std::vector<CudaPlan> PlanGather(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType index = query.ins[1].dtype;
  if (index != DType::kI64 && index != DType::kI32) {
    why = std::string(Name(index)) + " indices";
    return {};
  }
  return OnePlan(query, gpu, why);
}

CudaKernel EmitGather(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  int64_t axis = query.attrs.Int("axis", 0).value_or(0);
  axis += axis < 0 ? query.ins[0].rank() : 0;
  const std::string body = absl::StrFormat("sl::gather<%d, %s, %s>(step, x0, x1, y0);", axis,
                                           CudaBitsType(query.ins[0].dtype), CudaType(query.ins[1].dtype));
  CudaKernel kernel =
      OperandKernel(query, absl::StrCat("gather_b", BitWidth(query.ins[0].dtype)), kHeader, body, kBlock);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), kBlock, gpu.sms * 16);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaCopy, kCudaTranspose, kCudaBroadcast, kCudaReverse, kCudaTile, kCudaGather;
const CudaFamily kCudaCopy = {.name = "copy", .plans = OnePlan, .emit = EmitCopy};
const CudaFamily kCudaTranspose = {.name = "transpose", .plans = OnePlan, .emit = EmitTranspose};
const CudaFamily kCudaBroadcast = {.name = "broadcast", .plans = OnePlan, .emit = EmitBroadcast};
const CudaFamily kCudaReverse = {.name = "reverse", .plans = OnePlan, .emit = EmitReverse};
const CudaFamily kCudaTile = {.name = "tile", .plans = OnePlan, .emit = EmitTile};
const CudaFamily kCudaGather = {.name = "gather", .plans = PlanGather, .emit = EmitGather};

}  // namespace sluice::kernels
