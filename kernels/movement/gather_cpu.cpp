// nn.gather: slices of `data` along one axis.  Any element type; `data` may be a [n, k] weight in kNkTile16 for axis 0
// (an embedding that shares its weight with the output head).
#include <cstring>

#include "kernels/common/element.h"
#include "kernels/movement/indices.h"
#include "kernels/movement/strided_copy.h"

namespace sluice::kernels {
namespace {

struct GatherConfig : Config {
  int64_t axis = 0;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<GatherConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", 0));
  return config;
}

// data is [outer][n][inner bytes].
void GatherRows(const LaunchArgs& args, int64_t outer, int64_t n, int64_t inner) {
  const Tensor& indices = args.ins[1];
  const int64_t count = indices.elements();
  const uint8_t* in = args.ins[0].as<const uint8_t>();
  uint8_t* out = args.outs[0].as<uint8_t>();
  if (outer * count == 1) {
    return ParallelMemcpy(in + IndexAt(indices, 0, n) * inner, out, inner, args.pool);
  }
  args.pool->ParallelFor(outer * count, Grain(inner), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(out + i * inner, in + (i / count * n + IndexAt(indices, i % count, n)) * inner, inner);
    }
  });
}

// Rows of odd length of a packed 4-bit tensor begin in the middle of a byte.
void GatherNibbles(const LaunchArgs& args, int64_t outer, int64_t n, int64_t inner) {
  const int64_t count = args.ins[1].elements();
  for (int64_t i = 0; i < outer * count; ++i) {
    CopyLoops loops;
    loops.Add(inner, 1, 1);
    loops.in_offset = (i / count * n + IndexAt(args.ins[1], i % count, n)) * inner;
    loops.out_offset = i * inner;
    StridedCopy(loops, args.ins[0].data, args.outs[0].data, 4, args.pool);
  }
}

// Row r of [ceil(n / 16)][k][16].
template <typename E>
void GatherTiled(const LaunchArgs& args, int64_t n, int64_t k) {
  const Tensor& indices = args.ins[1];
  args.pool->ParallelFor(indices.elements(), Grain(k * 16), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = IndexAt(indices, i, n);
      const E* in = args.ins[0].as<const E>() + row / 16 * k * 16 + row % 16;
      E* out = args.outs[0].as<E>() + i * k;
      for (int64_t c = 0; c < k; ++c) {
        out[c] = in[c * 16];
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& data = args.ins[0];
  ASSIGN_OR_RETURN(const int axis, Axis(static_cast<const GatherConfig*>(args.config)->axis, data.rank));
  const int64_t n = data.size(axis);
  RETURN_IF_ERROR(CheckIndices(args.ins[1], n, args.pool));
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  if (data.layout == Layout::kNkTile16) {
    if (axis != 0 || data.rank != 2) {
      return absl::InvalidArgumentError("gather: a packed weight is gathered along axis 0 only");
    }
    return DispatchSize(data.dtype,
                        [&](auto tag) { GatherTiled<typename decltype(tag)::type>(args, n, data.size(1)); });
  }
  const int64_t outer = SizesProduct(data, 0, axis);
  const int64_t inner = SizesProduct(data, axis + 1, data.rank);
  if (BitWidth(data.dtype) == 4 && inner % 2 != 0) {
    GatherNibbles(args, outer, n, inner);
  } else {
    GatherRows(args, outer, n, ByteSize(data.dtype, inner));
  }
  return absl::OkStatus();
}

constexpr CpuKernel::OperandLayout kLayouts[] = {{0, Layout::kNkTile16}};

}  // namespace

extern const CpuKernel kGather;
const CpuKernel kGather = {.name = "gather", .prepare = Prepare, .run = Run, .layouts = kLayouts};

}  // namespace sluice::kernels
