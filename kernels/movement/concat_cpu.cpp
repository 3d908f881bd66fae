// `concat`: operands one after another along an axis.  Any element type; operands may have any strides.
#include "kernels/common/launch.h"
#include "kernels/movement/strided_copy.h"

namespace sluice::kernels {
namespace {

struct ConcatConfig : Config {
  int64_t axis = 0;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<ConcatConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", 0));
  return config;
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& out = args.outs[0];
  ASSIGN_OR_RETURN(const int axis, Axis(static_cast<const ConcatConfig*>(args.config)->axis, out.rank));
  int64_t at = 0;
  for (const Tensor& in : args.ins) {
    CopyLoops loops;
    for (int d = 0; d < out.rank; ++d) {
      loops.Add(in.sizes[d], in.strides[d], out.strides[d]);
    }
    loops.out_offset = at * out.strides[axis];
    StridedCopy(loops, in.data, out.data, BitWidth(out.dtype), args.pool);
    at += in.sizes[axis];
  }
  return absl::OkStatus();
}

}  // namespace

extern const CpuKernel kConcat;
const CpuKernel kConcat = {.name = "concat", .prepare = Prepare, .run = Run, .strided_ins = ~0u, .strided_outs = 1};

}  // namespace sluice::kernels
