// nn.layer_norm: x [..., d], optional w [d], b [d] -> (x - mean) / sqrt(var + eps) * w + b over the last dimension.
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/common/vec.h"

namespace sluice::kernels {
namespace {

struct LayerNormConfig : Config {
  double eps = 1e-5;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<LayerNormConfig>();
  ASSIGN_OR_RETURN(config->eps, attrs.Float("eps", 1e-5));
  return config;
}

template <typename T, typename W>
struct LayerNormRow {
  SLUICE_INLINE static void Run(const T* x, const W* w, const W* b, T* y, int64_t d, double eps) {
    constexpr int kStep = kLanes<T>;
    using M = Math<T>;
    Vec<T> sum{}, squares{}, v, operand;
    for (int64_t i = 0; i < d; i += kStep) {
      LoadUpTo(x + i, d - i, v);
      sum += v;
    }
    const M mean = SumLanes(sum) / static_cast<M>(d);
    const int64_t whole = d / kStep * kStep;
    for (int64_t i = 0; i < whole; i += kStep) {
      Load(x + i, v);
      v -= mean;
      squares += v * v;
    }
    M rest = 0;  // lanes beyond the row must not count as (0 - mean)^2
    for (int64_t i = whole; i < d; ++i) {
      const M delta = ToMath(x[i]) - mean;
      rest += delta * delta;
    }
    const M variance = (SumLanes(squares) + rest) / static_cast<M>(d);
    const M inverse = 1 / std::sqrt(variance + static_cast<M>(eps));
    for (int64_t i = 0; i < d; i += kStep) {
      LoadUpTo(x + i, d - i, v);
      v = (v - mean) * inverse;
      if (w != nullptr) {
        LoadUpTo(w + i, d - i, operand);
        v *= operand;
      }
      if (b != nullptr) {
        LoadUpTo(b + i, d - i, operand);
        v += operand;
      }
      StoreUpTo(y + i, d - i, v);
    }
  }
};

template <typename T, typename W>
void RunRows(const LaunchArgs& args, const Tensor* w, const Tensor* b) {
  const Tensor& x = args.ins[0];
  const int64_t d = x.size(-1);
  if (d == 0) {
    return;
  }
  const double eps = static_cast<const LayerNormConfig*>(args.config)->eps;
  const W* scale = w == nullptr ? nullptr : w->as<W>();
  const W* shift = b == nullptr ? nullptr : b->as<W>();
  args.pool->ParallelFor(x.elements() / d, Grain(d), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      AtLevel<LayerNormRow<T, W>>(x.as<const T>() + row * d, scale, shift, args.outs[0].as<T>() + row * d, d, eps);
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor* w = Optional(args.ins, 1);
  const Tensor* b = Optional(args.ins, 2);
  if (w != nullptr && b != nullptr && w->dtype != b->dtype) {
    return absl::InvalidArgumentError("layer_norm: w and b differ in element type");
  }
  if (args.ins[0].dtype == DType::kF64) {
    RunRows<double, double>(args, w, b);
    return absl::OkStatus();
  }
  const DType weights = w != nullptr ? w->dtype : b != nullptr ? b->dtype : args.ins[0].dtype;
  absl::Status inner;
  RETURN_IF_ERROR(DispatchF32OrHalf(args.ins[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    inner = DispatchF32OrHalf(weights, [&](auto w_tag) { RunRows<T, typename decltype(w_tag)::type>(args, w, b); });
  }));
  return inner;
}

}  // namespace

extern const CpuKernel kLayerNorm;
const CpuKernel kLayerNorm = {.name = "layer_norm", .prepare = Prepare, .run = Run, .in_place = true};

}  // namespace sluice::kernels
