// `slice`: out[i] = in[start + i * step] in each dimension.  Starts come from the attribute or from an i64 operand; how
// many elements are taken follows from the sizes of the result.
#include "kernels/common/launch.h"
#include "kernels/movement/strided_copy.h"

namespace sluice::kernels {
namespace {

struct SliceConfig : Config {
  std::vector<int64_t> starts, steps;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<SliceConfig>();
  ASSIGN_OR_RETURN(config->starts, attrs.Ints("starts", {}));
  ASSIGN_OR_RETURN(config->steps, attrs.Ints("steps", {}));
  for (int64_t step : config->steps) {
    if (step == 0) {
      return absl::InvalidArgumentError("steps: 0 is not a step");
    }
  }
  return config;
}

// Dimension d's start and step.  As in ONNX: a negative start counts from the end, then it is clamped.
absl::Status Dimension(const LaunchArgs& args, int d, int64_t* start, int64_t* step) {
  const auto& config = *static_cast<const SliceConfig*>(args.config);
  const Tensor* operand = Optional(args.ins, 1);
  const size_t i = static_cast<size_t>(d);
  const int64_t size = args.ins[0].sizes[d], wanted = args.outs[0].sizes[d];
  *step = i < config.steps.size() ? config.steps[i] : 1;
  *start = operand != nullptr ? operand->as<const int64_t>()[d] : i < config.starts.size() ? config.starts[i] : 0;
  *start += *start < 0 ? size : 0;
  *start = std::clamp<int64_t>(*start, 0, *step > 0 ? size : std::max<int64_t>(0, size - 1));
  const int64_t last = *start + (wanted - 1) * *step;
  if (wanted > 0 && (*start >= size || last < 0 || last >= size)) {
    return absl::OutOfRangeError(absl::StrCat("starts: dimension ", d, " of size ", size, " has no ", wanted,
                                              " elements from ", *start, " in steps of ", *step));
  }
  return absl::OkStatus();
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& in = args.ins[0];
  const Tensor& out = args.outs[0];
  CopyLoops loops;
  for (int d = 0; d < in.rank; ++d) {
    int64_t start, step;
    RETURN_IF_ERROR(Dimension(args, d, &start, &step));
    loops.Add(out.sizes[d], in.strides[d] * step, out.strides[d]);
    loops.in_offset += start * in.strides[d];
  }
  StridedCopy(loops, in.data, out.data, BitWidth(in.dtype), args.pool);
  return absl::OkStatus();
}

}  // namespace

extern const CpuKernel kSlice;
const CpuKernel kSlice = {.name = "slice", .prepare = Prepare, .run = Run, .strided_ins = 1, .strided_outs = 1};

}  // namespace sluice::kernels
