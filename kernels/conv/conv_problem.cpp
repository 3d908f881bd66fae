#include "kernels/conv/conv_problem.h"

#include <algorithm>
#include <type_traits>

namespace sluice::kernels {
namespace {

// Value d of the last `rank` of three; `missing` in front of them.
int64_t Of(const std::vector<int64_t>& values, int rank, int d, int64_t missing) {
  const int i = d - (3 - rank);
  return i < 0 || i >= static_cast<int>(values.size()) ? missing : values[i];
}

}  // namespace

absl::StatusOr<std::unique_ptr<Config>> PrepareConv(const Attrs& attrs) {
  auto config = std::make_unique<ConvConfig>();
  ASSIGN_OR_RETURN(config->strides, attrs.Ints("strides", {}));
  ASSIGN_OR_RETURN(config->pads, attrs.Ints("pads", {}));
  ASSIGN_OR_RETURN(config->dilations, attrs.Ints("dilations", {}));
  ASSIGN_OR_RETURN(config->groups, attrs.Int("groups", 1));
  ASSIGN_OR_RETURN(config->outside, attrs.Int("outside", 0));
  const auto positive = [](int64_t v) { return v > 0; };
  if (!std::all_of(config->strides.begin(), config->strides.end(), positive) ||
      !std::all_of(config->dilations.begin(), config->dilations.end(), positive) || config->groups < 1) {
    return absl::InvalidArgumentError("conv: strides, dilations and groups must be positive");
  }
  return config;
}

ConvProblem::ConvProblem(Kind kind, const ConvConfig& config, const Tensor& x, const Tensor& w, const Tensor& y) {
  const int rank = x.rank - 2;
  const bool transpose = kind == Kind::kTranspose;
  batch = x.size(0);
  groups = config.groups;
  channels = x.size(1) / groups;
  features = y.size(1) / groups;
  const Tensor& slid = transpose ? y : x;
  const Tensor& positions = transpose ? x : y;
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - rank) + 2;  // dimension of x, w and y
    in[d] = i < 2 ? 1 : slid.size(i);
    out[d] = i < 2 ? 1 : positions.size(i);
    kernel[d] = i < 2 ? 1 : w.size(i);
    stride[d] = Of(config.strides, rank, d, 1);
    pad[d] = Of(config.pads, rank, d, 0);
    dilation[d] = Of(config.dilations, rank, d, 1);
  }
  // A 1x1 window that neither skips nor pads does not see rows: all pixels are one.
  if (Taps() == 1 && stride == Size3{1, 1, 1} && pad == Size3{0, 0, 0} && in == out) {
    in = out = {1, 1, InPixels()};
  }
}

// Sums of integers wrap.
template <typename X, typename W, typename Y>
void ConvPlain(const ConvProblem& p, const X* x, const W* w, const Y* bias, Y* y, int64_t outside, ThreadPool* pool) {
  using Sum = std::conditional_t<std::is_integral_v<Y>, uint32_t, Y>;
  const int64_t pixels = p.OutPixels();
  pool->ParallelFor(p.batch * p.groups * p.features, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t feature = i % (p.groups * p.features);
      const int64_t group = i / p.features;  // counted over the batch too
      const W* wf = w + feature * p.channels * p.Taps();
      for (int64_t at = 0; at < pixels; ++at) {
        const Size3 o = {at / (p.out[1] * p.out[2]), at / p.out[2] % p.out[1], at % p.out[2]};
        Sum sum = bias != nullptr ? static_cast<Sum>(bias[feature]) : Sum{};
        for (int64_t c = 0; c < p.channels; ++c) {
          for (int64_t tap = 0; tap < p.Taps(); ++tap) {
            const Size3 k = {tap / (p.kernel[1] * p.kernel[2]), tap / p.kernel[2] % p.kernel[1], tap % p.kernel[2]};
            int64_t from = group * p.channels + c;
            bool inside = true;
            for (int d = 0; d < 3; ++d) {
              const int64_t at_d = o[d] * p.stride[d] - p.pad[d] + k[d] * p.dilation[d];
              inside = inside && at_d >= 0 && at_d < p.in[d];
              from = from * p.in[d] + at_d;
            }
            const Y value = inside ? static_cast<Y>(x[from]) : static_cast<Y>(outside);
            sum += static_cast<Sum>(value) * static_cast<Sum>(static_cast<Y>(wf[c * p.Taps() + tap]));
          }
        }
        y[i * pixels + at] = static_cast<Y>(sum);
      }
    }
  });
}

template void ConvPlain(const ConvProblem&, const double*, const double*, const double*, double*, int64_t, ThreadPool*);
template void ConvPlain(const ConvProblem&, const int32_t*, const int32_t*, const int32_t*, int32_t*, int64_t,
                        ThreadPool*);
template void ConvPlain(const ConvProblem&, const int8_t*, const int8_t*, const int32_t*, int32_t*, int64_t,
                        ThreadPool*);
template void ConvPlain(const ConvProblem&, const int8_t*, const uint8_t*, const int32_t*, int32_t*, int64_t,
                        ThreadPool*);
template void ConvPlain(const ConvProblem&, const uint8_t*, const int8_t*, const int32_t*, int32_t*, int64_t,
                        ThreadPool*);
template void ConvPlain(const ConvProblem&, const uint8_t*, const uint8_t*, const int32_t*, int32_t*, int64_t,
                        ThreadPool*);

void ConvTransposePlain(const ConvProblem& p, const double* x, const double* w, const double* bias, double* y,
                        ThreadPool* pool) {
  const int64_t pixels = p.InPixels();
  pool->ParallelFor(p.batch * p.groups * p.features, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t feature = i % (p.groups * p.features);
      const int64_t group = i / p.features;  // counted over the batch too
      double* yf = y + i * pixels;
      std::fill(yf, yf + pixels, bias != nullptr ? bias[feature] : 0);
      for (int64_t c = 0; c < p.channels; ++c) {
        const int64_t channel = feature / p.features * p.channels + c;
        const double* wc = w + (channel * p.features + feature % p.features) * p.Taps();
        const double* xc = x + (group * p.channels + c) * p.OutPixels();
        for (int64_t at = 0; at < p.OutPixels(); ++at) {
          const Size3 o = {at / (p.out[1] * p.out[2]), at / p.out[2] % p.out[1], at % p.out[2]};
          for (int64_t tap = 0; tap < p.Taps(); ++tap) {
            const Size3 k = {tap / (p.kernel[1] * p.kernel[2]), tap / p.kernel[2] % p.kernel[1], tap % p.kernel[2]};
            int64_t to = 0;
            bool inside = true;
            for (int d = 0; d < 3; ++d) {
              const int64_t at_d = o[d] * p.stride[d] - p.pad[d] + k[d] * p.dilation[d];
              inside = inside && at_d >= 0 && at_d < p.in[d];
              to = to * p.in[d] + at_d;
            }
            if (inside) {
              yf[to] += xc[at] * wc[tap];
            }
          }
        }
      }
    }
  });
}

}  // namespace sluice::kernels
