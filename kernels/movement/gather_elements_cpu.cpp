// nn.gather_elements: out[.., i, ..] = data[.., indices[.., i, ..], ..] along one axis, one index an element.
#include "kernels/common/element.h"
#include "kernels/movement/indices.h"

namespace sluice::kernels {
namespace {

struct GatherElementsConfig : Config {
  int64_t axis = 0;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<GatherElementsConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", 0));
  return config;
}

// Other dimensions of `indices` may be smaller than those of `data`.
template <typename E>
void RunTyped(const LaunchArgs& args, int axis) {
  const Tensor& data = args.ins[0];
  const Tensor& indices = args.ins[1];
  const E* in = data.as<const E>();
  E* out = args.outs[0].as<E>();
  const int last = indices.rank - 1;
  const int64_t width = indices.sizes[last], n = data.sizes[axis];
  int64_t strides[kMaxRank];
  int64_t stride = 1;
  for (int d = last; d >= 0; --d) {
    strides[d] = stride;
    stride *= data.sizes[d];
  }
  args.pool->ParallelFor(indices.elements() / width, Grain(width * 8), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t i = row, base = 0;
      for (int d = last - 1; d >= 0; --d) {
        base += d == axis ? 0 : i % indices.sizes[d] * strides[d];
        i /= indices.sizes[d];
      }
      for (int64_t c = 0; c < width; ++c) {
        const int64_t at = IndexAt(indices, row * width + c, n) * strides[axis];
        out[row * width + c] = in[base + at + (axis == last ? 0 : c)];
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  ASSIGN_OR_RETURN(const int axis, Axis(static_cast<const GatherElementsConfig*>(args.config)->axis, args.ins[0].rank));
  RETURN_IF_ERROR(CheckIndices(args.ins[1], args.ins[0].sizes[axis], args.pool));
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  return DispatchSize(args.ins[0].dtype, [&](auto tag) { RunTyped<typename decltype(tag)::type>(args, axis); });
}

}  // namespace

extern const CpuKernel kGatherElements;
const CpuKernel kGatherElements = {.name = "gather_elements", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
