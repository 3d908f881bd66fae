// nn.rms_norm: x [..., d], optional w [d] -> x / sqrt(mean(x^2) + eps) * w.
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/common/vec.h"

namespace sluice::kernels {
namespace {

struct RmsNormConfig : Config {
  double eps = 1e-5;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<RmsNormConfig>();
  ASSIGN_OR_RETURN(config->eps, attrs.Float("eps", 1e-5));
  return config;
}

template <typename T, typename W>
struct RmsNormRow {
  SLUICE_INLINE static void Run(const T* x, const W* w, T* y, int64_t d, double eps) {
    constexpr int kStep = kLanes<T>;
    Vec<T> sum{}, v, scale;
    for (int64_t i = 0; i < d; i += kStep) {
      LoadUpTo(x + i, d - i, v);
      sum += v * v;
    }
    const Math<T> inverse = 1 / std::sqrt(SumLanes(sum) / static_cast<Math<T>>(d) + static_cast<Math<T>>(eps));
    for (int64_t i = 0; i < d; i += kStep) {
      LoadUpTo(x + i, d - i, v);
      v *= inverse;
      if (w != nullptr) {
        LoadUpTo(w + i, d - i, scale);
        v *= scale;
      }
      StoreUpTo(y + i, d - i, v);
    }
  }
};

template <typename T, typename W>
void RunRows(const LaunchArgs& args, const Tensor* w) {
  const Tensor& x = args.ins[0];
  const int64_t d = x.size(-1);
  if (d == 0) {
    return;
  }
  const double eps = static_cast<const RmsNormConfig*>(args.config)->eps;
  const W* scale = w == nullptr ? nullptr : w->as<W>();
  args.pool->ParallelFor(x.elements() / d, Grain(d), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      AtLevel<RmsNormRow<T, W>>(x.as<const T>() + row * d, scale, args.outs[0].as<T>() + row * d, d, eps);
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor* w = Optional(args.ins, 1);
  if (args.ins[0].dtype == DType::kF64) {
    RunRows<double, double>(args, w);
    return absl::OkStatus();
  }
  absl::Status inner;
  RETURN_IF_ERROR(DispatchF32OrHalf(args.ins[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    inner = DispatchF32OrHalf(w == nullptr ? args.ins[0].dtype : w->dtype,
                              [&](auto w_tag) { RunRows<T, typename decltype(w_tag)::type>(args, w); });
  }));
  return inner;
}

}  // namespace

extern const CpuKernel kRmsNorm;
const CpuKernel kRmsNorm = {.name = "rms_norm", .prepare = Prepare, .run = Run, .in_place = true};

}  // namespace sluice::kernels
