// nn.softmax: e^(x - max) / sum along one axis, or its logarithm.  A row of -inf gives NaN (as ONNX).
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/common/vec.h"

namespace sluice::kernels {
namespace {

struct SoftmaxConfig : Config {
  int64_t axis = -1;
  bool log = false;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<SoftmaxConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", -1));
  ASSIGN_OR_RETURN(const int64_t log, attrs.Int("log", 0));
  config->log = log != 0;
  return config;
}

// Elements are d apart by 1.
template <typename T>
struct SoftmaxRow {
  SLUICE_INLINE static void Run(const T* x, T* y, int64_t d, bool log) {
    constexpr int kStep = kLanes<T>;
    using M = Math<T>;
    const int64_t whole = d / kStep * kStep;
    Vec<T> highest = Vec<T>{} - std::numeric_limits<M>::infinity(), v;
    for (int64_t i = 0; i < whole; i += kStep) {
      Load(x + i, v);
      Max(v, highest);
    }
    M max = MaxLanes(highest);
    for (int64_t i = whole; i < d; ++i) {
      max = ToMath(x[i]) > max ? ToMath(x[i]) : max;
    }
    Vec<T> sum{};
    for (int64_t i = 0; i < d; i += kStep) {
      Exponential(x + i, d - i, max, v);
      sum += v;
      if (!kIsHalf<T> && !log) {
        StoreUpTo(y + i, d - i, v);
      }
    }
    const M total = SumLanes(sum);
    const M inverse = 1 / total;
    const M log_total = log ? std::log(total) : M{0};
    for (int64_t i = 0; i < d; i += kStep) {
      if (log) {
        LoadUpTo(x + i, d - i, v);
        v = (v - max) - log_total;
      } else if (kIsHalf<T>) {  // a stored e^x would be rounded twice
        Exponential(x + i, d - i, max, v);
        v *= inverse;
      } else {
        LoadUpTo(y + i, d - i, v);
        v *= inverse;
      }
      StoreUpTo(y + i, d - i, v);
    }
  }

  // v = e^(x - max); 0 in the lanes beyond n.
  SLUICE_INLINE static void Exponential(const T* x, int64_t n, Math<T> max, Vec<T>& v) {
    LoadUpTo(x, n, v);
    v -= max;
    Exp(v);
    for (int64_t i = n; i < kLanes<T>; ++i) {
      v[i] = 0;
    }
  }
};

// `columns` (at most a vector) neighbours, elements of one column `stride` apart.
template <typename T>
struct SoftmaxColumns {
  SLUICE_INLINE static void Run(const T* x, T* y, int64_t d, int64_t stride, int64_t columns, bool log) {
    using M = Math<T>;
    Vec<T> max = Vec<T>{} - std::numeric_limits<M>::infinity(), v;
    for (int64_t i = 0; i < d; ++i) {
      LoadUpTo(x + i * stride, columns, v);
      Max(v, max);
    }
    Vec<T> total{};
    for (int64_t block = 0; block < d; block += 64) {  // sums of sums: the error grows with the root of d
      Vec<T> sum{};
      for (int64_t i = block; i < d && i < block + 64; ++i) {
        LoadUpTo(x + i * stride, columns, v);
        v -= max;
        Exp(v);
        sum += v;
        if (!kIsHalf<T> && !log) {
          StoreUpTo(y + i * stride, columns, v);
        }
      }
      total += sum;
    }
    const Vec<T> inverse = 1 / total;
    Vec<T> log_total{};
    for (int lane = 0; log && lane < kLanes<T>; ++lane) {
      log_total[lane] = std::log(total[lane]);
    }
    for (int64_t i = 0; i < d; ++i) {
      if (log) {
        LoadUpTo(x + i * stride, columns, v);
        v = (v - max) - log_total;
      } else if (kIsHalf<T>) {  // a stored e^x would be rounded twice
        LoadUpTo(x + i * stride, columns, v);
        v -= max;
        Exp(v);
        v *= inverse;
      } else {
        LoadUpTo(y + i * stride, columns, v);
        v *= inverse;
      }
      StoreUpTo(y + i * stride, columns, v);
    }
  }
};

template <typename T>
void RunTyped(const LaunchArgs& args, int axis, bool log) {
  const Tensor& x = args.ins[0];
  const int64_t d = x.size(axis);
  const int64_t inner = SizesProduct(x, axis + 1, x.rank);
  const int64_t outer = SizesProduct(x, 0, axis);
  if (d == 0 || inner == 0) {
    return;
  }
  const T* in = x.as<const T>();
  T* out = args.outs[0].as<T>();
  if (inner == 1) {
    args.pool->ParallelFor(outer, Grain(d * 4), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        AtLevel<SoftmaxRow<T>>(in + row * d, out + row * d, d, log);
      }
    });
    return;
  }
  const int64_t groups = (inner + kLanes<T> - 1) / kLanes<T>;
  args.pool->ParallelFor(outer * groups, Grain(d * 4 * kLanes<T>), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t column = item % groups * kLanes<T>;
      const int64_t at = item / groups * d * inner + column;
      AtLevel<SoftmaxColumns<T>>(in + at, out + at, d, inner, std::min<int64_t>(kLanes<T>, inner - column), log);
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const SoftmaxConfig*>(args.config);
  ASSIGN_OR_RETURN(const int axis, Axis(config.axis, args.ins[0].rank));
  return DispatchFloat(args.ins[0].dtype,
                       [&](auto tag) { RunTyped<typename decltype(tag)::type>(args, axis, config.log); });
}

}  // namespace

extern const CpuKernel kSoftmax;
const CpuKernel kSoftmax = {.name = "softmax", .prepare = Prepare, .run = Run, .in_place = true};

}  // namespace sluice::kernels
