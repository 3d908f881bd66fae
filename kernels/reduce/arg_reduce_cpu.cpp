// nn.arg_reduce: index (i64) of the largest or smallest element along one axis, which is removed.  Equal elements: the
// first, or the last with select_last_index.
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/common/vec.h"

namespace sluice::kernels {
namespace {

struct ArgReduceConfig : Config {
  int64_t axis = 0;
  bool max = true;
  bool last = false;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<ArgReduceConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", 0));
  ASSIGN_OR_RETURN(const int64_t last, attrs.Int("select_last_index", 0));
  ASSIGN_OR_RETURN(const std::string kind, attrs.String("kind", "max"));
  if (kind != "max" && kind != "min") {
    return absl::InvalidArgumentError(absl::StrCat("arg_reduce: unknown kind \"", kind, "\""));
  }
  config->last = last != 0;
  config->max = kind == "max";
  return config;
}

template <typename T, bool kMax>
int64_t ArgStrided(const T* x, int64_t n, int64_t stride, bool last) {
  int64_t best = 0;
  Math<T> value = ToMath(x[0]);
  for (int64_t i = 1; i < n; ++i) {
    const Math<T> v = ToMath(x[i * stride]);
    if ((kMax ? v > value : v < value) || (last && v == value)) {
      value = v;
      best = i;
    }
  }
  return best;
}

// A long row of floats (a vocabulary): the extreme by vectors, then where it is.
template <typename T, bool kMax>
struct ExtremeOfRow {
  SLUICE_INLINE static void Run(const T* x, int64_t n, Math<T>* extreme) {
    Vec<T> highest, v;
    Load(x, highest);
    highest = kMax ? highest : -highest;
    for (int64_t i = kLanes<T>; i + kLanes<T> <= n; i += kLanes<T>) {
      Load(x + i, v);
      v = kMax ? v : -v;
      Max(v, highest);
    }
    Load(x + n - kLanes<T>, v);
    v = kMax ? v : -v;
    Max(v, highest);
    *extreme = kMax ? MaxLanes(highest) : -MaxLanes(highest);
  }
};

template <typename T, bool kMax>
int64_t ArgRow(const T* x, int64_t n, bool last) {
  if constexpr (kIsFloat<T>) {
    if (n >= 64) {
      Math<T> extreme;
      AtLevel<ExtremeOfRow<T, kMax>>(x, n, &extreme);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = last ? n - 1 - i : i;
        if (ToMath(x[at]) == extreme) {
          return at;
        }
      }
      // Only NaNs: as the plain loop has it.
    }
  }
  return ArgStrided<T, kMax>(x, n, 1, last);
}

template <typename T, bool kMax>
void RunTyped(const LaunchArgs& args, int axis, bool last) {
  const Tensor& x = args.ins[0];
  const int64_t n = x.size(axis);
  const int64_t inner = SizesProduct(x, axis + 1, x.rank);
  int64_t* out = args.outs[0].as<int64_t>();
  args.pool->ParallelFor(SizesProduct(x, 0, axis) * inner, Grain(n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* from = x.as<const T>() + i / inner * n * inner + i % inner;
      out[i] = inner == 1 ? ArgRow<T, kMax>(from, n, last) : ArgStrided<T, kMax>(from, n, inner, last);
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const ArgReduceConfig*>(args.config);
  const Tensor& x = args.ins[0];
  ASSIGN_OR_RETURN(const int axis, Axis(config.axis, x.rank));
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  if (x.size(axis) == 0) {
    return absl::InvalidArgumentError(absl::StrCat("arg_reduce: axis ", axis, " of the operand has no element"));
  }
  return DispatchNumber(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    config.max ? RunTyped<T, true>(args, axis, config.last) : RunTyped<T, false>(args, axis, config.last);
  });
}

}  // namespace

extern const CpuKernel kArgReduce;
const CpuKernel kArgReduce = {.name = "arg_reduce", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
