// Kernels that are one strided copy: `copy`, `transpose`, `broadcast`, `reverse`, `tile`.  Any element type.
#include "kernels/common/launch.h"
#include "kernels/movement/strided_copy.h"

namespace sluice::kernels {
namespace {

struct DimsConfig : Config {
  std::vector<int64_t> dims;
};

// The integer list `kName`, which must be there.
template <const char* const& kName>
absl::StatusOr<std::unique_ptr<Config>> PrepareDims(const Attrs& attrs) {
  auto config = std::make_unique<DimsConfig>();
  ASSIGN_OR_RETURN(config->dims, attrs.Ints(kName, {}));
  return config;
}

const char* const kPerm = "perm";
const char* const kDimensions = "dimensions";
const char* const kAxes = "axes";

absl::Status Copy(const LaunchArgs& args) {
  const Tensor& in = args.ins[0];
  const Tensor& out = args.outs[0];
  CopyLoops loops;
  for (int d = 0; d < in.rank; ++d) {
    loops.Add(in.sizes[d], in.strides[d], out.strides[d]);
  }
  StridedCopy(loops, in.data, out.data, BitWidth(in.dtype), args.pool);
  return absl::OkStatus();
}

// out[i0, i1, ...] = in at i_d in dimension perm[d]; `perm` as in linalg.transpose and ONNX.
absl::Status Transpose(const LaunchArgs& args) {
  const Tensor& in = args.ins[0];
  const Tensor& out = args.outs[0];
  const auto& perm = static_cast<const DimsConfig*>(args.config)->dims;
  if (static_cast<int>(perm.size()) != in.rank) {
    return absl::InvalidArgumentError(
        absl::StrCat("perm: ", perm.size(), " dimensions for an operand of rank ", in.rank));
  }
  CopyLoops loops;
  for (int d = 0; d < in.rank; ++d) {
    ASSIGN_OR_RETURN(const int from, Axis(perm[d], in.rank));
    loops.Add(out.sizes[d], in.strides[from], out.strides[d]);
  }
  StridedCopy(loops, in.data, out.data, BitWidth(in.dtype), args.pool);
  return absl::OkStatus();
}

// `dimensions` are those of the result that the operand lacks; an operand's dimension of 1 is repeated as well.
absl::Status Broadcast(const LaunchArgs& args) {
  const Tensor& in = args.ins[0];
  const Tensor& out = args.outs[0];
  uint32_t added = 0;
  for (int64_t d : static_cast<const DimsConfig*>(args.config)->dims) {
    ASSIGN_OR_RETURN(const int axis, Axis(d, out.rank));
    added |= 1u << axis;
  }
  CopyLoops loops;
  int from = 0;
  for (int d = 0; d < out.rank; ++d) {
    const bool new_dim = (added >> d & 1) != 0;
    if (!new_dim && from == in.rank) {
      return absl::InvalidArgumentError("dimensions: too few for the ranks of operand and result");
    }
    loops.Add(out.sizes[d], new_dim || in.sizes[from] == 1 ? 0 : in.strides[from], out.strides[d]);
    from += new_dim ? 0 : 1;
  }
  StridedCopy(loops, in.data, out.data, BitWidth(in.dtype), args.pool);
  return absl::OkStatus();
}

absl::Status Reverse(const LaunchArgs& args) {
  const Tensor& in = args.ins[0];
  const Tensor& out = args.outs[0];
  uint32_t reversed = 0;
  for (int64_t d : static_cast<const DimsConfig*>(args.config)->dims) {
    ASSIGN_OR_RETURN(const int axis, Axis(d, in.rank));
    reversed |= 1u << axis;
  }
  CopyLoops loops;
  for (int d = 0; d < in.rank; ++d) {
    const bool backwards = (reversed >> d & 1) != 0;
    loops.Add(in.sizes[d], backwards ? -in.strides[d] : in.strides[d], out.strides[d]);
    loops.in_offset += backwards ? (in.sizes[d] - 1) * in.strides[d] : 0;
  }
  if (in.elements() != 0) {
    StridedCopy(loops, in.data, out.data, BitWidth(in.dtype), args.pool);
  }
  return absl::OkStatus();
}

// Each dimension repeated whole: how often follows from the sizes.
absl::Status Tile(const LaunchArgs& args) {
  const Tensor& in = args.ins[0];
  const Tensor& out = args.outs[0];
  CopyLoops loops;
  for (int d = 0; d < in.rank; ++d) {
    if (in.sizes[d] == 0) {
      return absl::OkStatus();
    }
    loops.Add(out.sizes[d] / in.sizes[d], 0, out.strides[d] * in.sizes[d]);
    loops.Add(in.sizes[d], in.strides[d], out.strides[d]);
  }
  StridedCopy(loops, in.data, out.data, BitWidth(in.dtype), args.pool);
  return absl::OkStatus();
}

}  // namespace

extern const CpuKernel kCopy;
const CpuKernel kCopy = {.name = "copy", .run = Copy, .strided_ins = 1, .strided_outs = 1};
extern const CpuKernel kTranspose;
const CpuKernel kTranspose = {
    .name = "transpose", .prepare = PrepareDims<kPerm>, .run = Transpose, .strided_ins = 1, .strided_outs = 1};
extern const CpuKernel kBroadcast;
const CpuKernel kBroadcast = {
    .name = "broadcast", .prepare = PrepareDims<kDimensions>, .run = Broadcast, .strided_ins = 1, .strided_outs = 1};
extern const CpuKernel kReverse;
const CpuKernel kReverse = {
    .name = "reverse", .prepare = PrepareDims<kAxes>, .run = Reverse, .strided_ins = 1, .strided_outs = 1};
extern const CpuKernel kTileRepeat;
const CpuKernel kTileRepeat = {.name = "tile", .run = Tile, .strided_ins = 1, .strided_outs = 1};

}  // namespace sluice::kernels
