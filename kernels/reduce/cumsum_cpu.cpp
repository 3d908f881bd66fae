// nn.cumsum: running sum along one axis; exclusive (the element itself not counted) and reverse (from the end).
// Floats are summed in f64 and rounded once an element.
#include "kernels/common/element.h"
#include "kernels/common/launch.h"

namespace sluice::kernels {
namespace {

struct CumsumConfig : Config {
  int64_t axis = 0;
  bool exclusive = false;
  bool reverse = false;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<CumsumConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", 0));
  ASSIGN_OR_RETURN(const int64_t exclusive, attrs.Int("exclusive", 0));
  ASSIGN_OR_RETURN(const int64_t reverse, attrs.Int("reverse", 0));
  config->exclusive = exclusive != 0;
  config->reverse = reverse != 0;
  return config;
}

template <typename T>
void RunTyped(const LaunchArgs& args, int axis, const CumsumConfig& config) {
  // Unsigned arithmetic wraps; signed overflow would be undefined.
  using Sum = std::conditional_t<kIsFloat<T>, double, uint64_t>;
  const Tensor& x = args.ins[0];
  const int64_t n = x.size(axis);
  const int64_t inner = SizesProduct(x, axis + 1, x.rank);
  const int64_t step = config.reverse ? -inner : inner;
  args.pool->ParallelFor(SizesProduct(x, 0, axis) * inner, Grain(n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t at = i / inner * n * inner + i % inner + (config.reverse ? (n - 1) * inner : 0);
      Sum sum = 0;
      for (int64_t k = 0; k < n; ++k, at += step) {
        const Sum before = sum;
        sum += static_cast<Sum>(ToMath(x.as<const T>()[at]));
        args.outs[0].as<T>()[at] = FromMath<T>(config.exclusive ? before : sum);
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const CumsumConfig*>(args.config);
  ASSIGN_OR_RETURN(const int axis, Axis(config.axis, args.ins[0].rank));
  if (args.ins[0].elements() == 0) {
    return absl::OkStatus();
  }
  return DispatchNumber(args.ins[0].dtype,
                        [&](auto tag) { RunTyped<typename decltype(tag)::type>(args, axis, config); });
}

}  // namespace

extern const CpuKernel kCumsum;
const CpuKernel kCumsum = {.name = "cumsum", .prepare = Prepare, .run = Run, .in_place = true};

}  // namespace sluice::kernels
