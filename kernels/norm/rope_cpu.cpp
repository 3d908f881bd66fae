// nn.rope: x [b, h, s, d]; cos, sin [b or 1, s, r/2]: rotates the first r of d, copies the rest.  x and the result may
// have any strides.
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/common/vec.h"

namespace sluice::kernels {
namespace {

struct RopeConfig : Config {
  bool interleaved = false;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<RopeConfig>();
  ASSIGN_OR_RETURN(const int64_t interleaved, attrs.Int("interleaved", 0));
  config->interleaved = interleaved != 0;
  return config;
}

// Pairs (i, i + half) of a dense row.
template <typename T, typename C>
struct RotateHalves {
  SLUICE_INLINE static void Run(const T* x, const C* cos, const C* sin, T* y, int64_t half) {
    Vec<T> a, b, c, s;
    for (int64_t i = 0; i < half; i += kLanes<T>) {
      const int64_t n = half - i;
      LoadUpTo(x + i, n, a);
      LoadUpTo(x + half + i, n, b);
      LoadUpTo(cos + i, n, c);
      LoadUpTo(sin + i, n, s);
      StoreUpTo<T>(y + i, n, a * c - b * s);
      StoreUpTo<T>(y + half + i, n, b * c + a * s);
    }
  }
};

template <typename T, typename C>
void RotateStrided(const T* x, int64_t x_stride, const C* cos, const C* sin, T* y, int64_t y_stride, int64_t half,
                   bool interleaved) {
  for (int64_t i = 0; i < half; ++i) {
    const int64_t first = interleaved ? 2 * i : i;
    const int64_t second = interleaved ? 2 * i + 1 : i + half;
    const Math<T> a = ToMath(x[first * x_stride]), b = ToMath(x[second * x_stride]);
    const Math<T> c = ToMath(cos[i]), s = ToMath(sin[i]);
    y[first * y_stride] = FromMath<T>(a * c - b * s);
    y[second * y_stride] = FromMath<T>(b * c + a * s);
  }
}

template <typename T, typename C>
void RunTyped(const LaunchArgs& args) {
  const Tensor& x = args.ins[0];
  const Tensor& cos = args.ins[1];
  const Tensor& y = args.outs[0];
  const bool interleaved = static_cast<const RopeConfig*>(args.config)->interleaved;
  const int64_t heads = x.size(1), length = x.size(2), d = x.size(3), half = cos.size(-1);
  const int64_t angles_batch = cos.rank == 3 && cos.size(0) > 1 ? length * half : 0;
  const bool dense = x.stride(3) == 1 && y.stride(3) == 1;
  args.pool->ParallelFor(x.size(0) * heads * length, Grain(d * 4), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t s = row % length, h = row / length % heads, b = row / length / heads;
      const T* in = x.as<const T>() + b * x.stride(0) + h * x.stride(1) + s * x.stride(2);
      T* out = y.as<T>() + b * y.stride(0) + h * y.stride(1) + s * y.stride(2);
      const int64_t angle = b * angles_batch + s * half;
      const C* c = cos.as<const C>() + angle;
      const C* sn = args.ins[2].as<const C>() + angle;
      if (dense && !interleaved) {
        AtLevel<RotateHalves<T, C>>(in, c, sn, out, half);
      } else {
        RotateStrided(in, x.stride(3), c, sn, out, y.stride(3), half, interleaved);
      }
      if (in != out) {
        for (int64_t i = 2 * half; i < d; ++i) {
          out[i * y.stride(3)] = in[i * x.stride(3)];
        }
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& x = args.ins[0];
  if (x.rank != 4 || args.ins[1].size(-1) * 2 > x.size(3)) {
    return absl::InvalidArgumentError("rope: x must be [b, h, s, d] and cos, sin at most d / 2 wide");
  }
  if (x.dtype == DType::kF64 && args.ins[1].dtype == DType::kF64) {
    RunTyped<double, double>(args);
    return absl::OkStatus();
  }
  absl::Status inner;
  RETURN_IF_ERROR(DispatchF32OrHalf(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    inner =
        DispatchF32OrHalf(args.ins[1].dtype, [&](auto c_tag) { RunTyped<T, typename decltype(c_tag)::type>(args); });
  }));
  return inner;
}

}  // namespace

extern const CpuKernel kRope;
const CpuKernel kRope = {
    .name = "rope", .prepare = Prepare, .run = Run, .in_place = true, .strided_ins = 1, .strided_outs = 1};

}  // namespace sluice::kernels
