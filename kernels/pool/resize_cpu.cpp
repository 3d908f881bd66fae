// nn.resize: interpolation to other sizes, any rank: nearest (any element type), linear and cubic (floats, i8, ui8).
// Each dimension is a table of taps (resize_taps.h); an output element is their outer product.
#include <cstring>

#include "kernels/common/element.h"
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/pool/resize_taps.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kColumns = 64;

template <typename E>
struct Named {
  const char* name;
  E value;
};
constexpr Named<ResizeMode> kModes[] = {
    {"nearest", ResizeMode::kNearest}, {"linear", ResizeMode::kLinear}, {"cubic", ResizeMode::kCubic}};
constexpr Named<Coordinates> kCoordinates[] = {{"half_pixel", Coordinates::kHalfPixel},
                                               {"asymmetric", Coordinates::kAsymmetric},
                                               {"align_corners", Coordinates::kAlignCorners},
                                               {"pytorch_half_pixel", Coordinates::kPytorchHalfPixel},
                                               {"half_pixel_symmetric", Coordinates::kHalfPixelSymmetric}};
constexpr Named<NearestMode> kNearestModes[] = {{"round_prefer_floor", NearestMode::kRoundPreferFloor},
                                                {"round_prefer_ceil", NearestMode::kRoundPreferCeil},
                                                {"floor", NearestMode::kFloor},
                                                {"ceil", NearestMode::kCeil}};

template <typename E, size_t kCount>
absl::StatusOr<E> Choose(const Attrs& attrs, const char* name, const char* or_else, const Named<E> (&choices)[kCount]) {
  ASSIGN_OR_RETURN(const std::string text, attrs.String(name, or_else));
  for (const Named<E>& choice : choices) {
    if (text == choice.name) {
      return choice.value;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(name, ": \"", text, "\" is not one that resize has"));
}

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<ResizeConfig>();
  ASSIGN_OR_RETURN(config->mode, Choose(attrs, "mode", "nearest", kModes));
  ASSIGN_OR_RETURN(config->coordinates, Choose(attrs, "coordinate_mode", "half_pixel", kCoordinates));
  ASSIGN_OR_RETURN(config->nearest, Choose(attrs, "nearest_mode", "round_prefer_floor", kNearestModes));
  ASSIGN_OR_RETURN(const double a, attrs.Float("cubic_coeff_a", -0.75));
  ASSIGN_OR_RETURN(const int64_t exclude, attrs.Int("exclude_outside", 0));
  ASSIGN_OR_RETURN(const int64_t antialias, attrs.Int("antialias", 0));
  ASSIGN_OR_RETURN(config->scales, attrs.Floats("scales", {}));
  if (antialias != 0) {
    return absl::InvalidArgumentError("antialias: resize interpolates without");
  }
  config->cubic_a = static_cast<float>(a);
  config->exclude_outside = exclude != 0;
  return config;
}

// The tables of all dimensions: positions first, then weights.
int64_t TableElements(const ResizeConfig& config, const Tensor& out) {
  int64_t n = 0;
  for (int d = 0; d < out.rank; ++d) {
    n += out.sizes[d] * TapCount(config.mode);
  }
  return n;
}

int64_t Workspace(const Config* config, std::span<const Tensor>, std::span<const Tensor> outs, int) {
  return TableElements(*static_cast<const ResizeConfig*>(config), outs[0]) *
         static_cast<int64_t>(sizeof(int64_t) + sizeof(float));
}

// One combination of taps of all dimensions but the last, for one row of the result.
struct OuterTaps {
  const Tensor& x;
  const DimTaps* dims;
  int64_t at[kMaxRank];  // output position
  int64_t combinations;

  OuterTaps(const Tensor& x, const Tensor& y, const DimTaps* dims, int64_t row) : x(x), dims(dims), combinations(1) {
    for (int d = x.rank - 2; d >= 0; --d) {
      at[d] = row % y.sizes[d];
      row /= y.sizes[d];
      combinations *= dims[d].taps;
    }
  }
  // Offset of the input row, and its weight.
  int64_t Offset(int64_t combination, float* weight) const {
    int64_t offset = 0, stride = x.sizes[x.rank - 1];
    *weight = 1;
    for (int d = x.rank - 2; d >= 0; --d) {
      const int64_t tap = at[d] * dims[d].taps + combination % dims[d].taps;
      combination /= dims[d].taps;
      offset += dims[d].position[tap] * stride;
      *weight *= dims[d].weight[tap];
      stride *= x.sizes[d];
    }
    return offset;
  }
};

template <typename E>
void NearestRow(const Tensor& x, const OuterTaps& outer, const DimTaps& last, int64_t width, E* out) {
  float weight;
  const E* in = x.as<const E>() + outer.Offset(0, &weight);
  for (int64_t i = 0; i < width; ++i) {
    out[i] = in[last.position[i]];
  }
}

// sum[i] += weight * (the last dimension's taps of column i).
template <typename T, int kTaps>
struct AddTaps {
  using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
  SLUICE_INLINE static void Run(const T* in, const int64_t* position, const float* tap_weight, int64_t n, float weight,
                                Sum* sum) {
    for (int64_t i = 0; i < n; ++i) {
      Sum row = 0;
      for (int t = 0; t < kTaps; ++t) {
        row += static_cast<Sum>(tap_weight[i * kTaps + t]) * static_cast<Sum>(ToMath(in[position[i * kTaps + t]]));
      }
      sum[i] += static_cast<Sum>(weight) * row;
    }
  }
};

template <typename T>
void WeightedRow(const Tensor& x, const OuterTaps& outer, const DimTaps& last, int64_t width, T* out) {
  using Sum = typename AddTaps<T, 1>::Sum;
  for (int64_t first = 0; first < width; first += kColumns) {
    const int64_t n = std::min(kColumns, width - first);
    Sum sum[kColumns] = {};
    for (int64_t c = 0; c < outer.combinations; ++c) {
      float weight;
      const T* in = x.as<const T>() + outer.Offset(c, &weight);
      const int64_t* position = last.position + first * last.taps;
      const float* tap_weight = last.weight + first * last.taps;
      if (weight == 0) {
        continue;
      }
      last.taps == 1   ? AtLevel<AddTaps<T, 1>>(in, position, tap_weight, n, weight, &sum[0])
      : last.taps == 2 ? AtLevel<AddTaps<T, 2>>(in, position, tap_weight, n, weight, &sum[0])
                       : AtLevel<AddTaps<T, 4>>(in, position, tap_weight, n, weight, &sum[0]);
    }
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (kIsFloat<T>) {
        out[first + i] = FromMath<T>(sum[i]);
      } else {  // cubic overshoots
        using Limits = std::numeric_limits<T>;
        out[first + i] = static_cast<T>(
            std::clamp<Sum>(sum[i], static_cast<Sum>(Limits::lowest()), static_cast<Sum>(Limits::max())));
      }
    }
  }
}

template <typename E, bool kNearest>
void RunRows(const LaunchArgs& args, const DimTaps* dims) {
  const Tensor& x = args.ins[0];
  const Tensor& y = args.outs[0];
  const DimTaps& last = dims[x.rank - 1];
  const int64_t width = y.size(-1);
  args.pool->ParallelFor(y.elements() / width, Grain(width * (kNearest ? 2 : 16)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const OuterTaps outer(x, y, dims, row);
      if constexpr (kNearest) {
        NearestRow(x, outer, last, width, y.as<E>() + row * width);
      } else {
        WeightedRow(x, outer, last, width, y.as<E>() + row * width);
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const ResizeConfig*>(args.config);
  const Tensor& x = args.ins[0];
  const Tensor& y = args.outs[0];
  if (!config.scales.empty() && config.scales.size() != static_cast<size_t>(x.rank)) {
    return absl::InvalidArgumentError(
        absl::StrCat("scales: ", config.scales.size(), " for an operand of rank ", x.rank));
  }
  if (y.elements() == 0) {
    return absl::OkStatus();
  }
  if (x.elements() == 0) {
    return absl::InvalidArgumentError("resize: an operand without elements has nothing to interpolate");
  }
  if (x.rank == 0) {
    std::memcpy(y.data, x.data, ByteSize(x.dtype, 1));
    return absl::OkStatus();
  }
  DimTaps dims[kMaxRank];
  int64_t* positions = static_cast<int64_t*>(args.workspace);
  float* weights = reinterpret_cast<float*>(positions + TableElements(config, y));
  for (int d = 0; d < x.rank; ++d) {
    const float scale = config.scales.empty() ? static_cast<float>(y.sizes[d]) / static_cast<float>(x.sizes[d])
                                              : static_cast<float>(config.scales[d]);
    dims[d].position = positions;
    dims[d].weight = weights;
    ComputeTaps(config, x.sizes[d], y.sizes[d], scale, &dims[d]);
    positions += y.sizes[d] * dims[d].taps;
    weights += y.sizes[d] * dims[d].taps;
  }
  if (config.mode == ResizeMode::kNearest) {
    return DispatchSize(x.dtype, [&](auto tag) { RunRows<typename decltype(tag)::type, true>(args, dims); });
  }
  if (x.dtype == DType::kU8) {
    RunRows<uint8_t, false>(args, dims);
    return absl::OkStatus();
  }
  if (x.dtype == DType::kI8) {
    RunRows<int8_t, false>(args, dims);
    return absl::OkStatus();
  }
  return DispatchFloat(x.dtype, [&](auto tag) { RunRows<typename decltype(tag)::type, false>(args, dims); });
}

}  // namespace

extern const CpuKernel kResize;
const CpuKernel kResize = {.name = "resize", .prepare = Prepare, .workspace = Workspace, .run = Run};

}  // namespace sluice::kernels
