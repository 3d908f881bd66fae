#include "kernels/rnn/recurrent.h"

#include "kernels/common/element.h"
#include "kernels/gemm/gemm_ops.h"

namespace sluice::kernels {

absl::StatusOr<std::unique_ptr<Config>> PrepareRecurrent(const Attrs& attrs, const std::string& flag) {
  auto config = std::make_unique<RecurrentConfig>();
  ASSIGN_OR_RETURN(const std::string direction, attrs.String("direction", "forward"));
  ASSIGN_OR_RETURN(config->clip, attrs.Float("clip", 0));
  ASSIGN_OR_RETURN(const int64_t set, attrs.Int(flag, 0));
  ASSIGN_OR_RETURN(const int64_t layout, attrs.Int("layout", 0));
  if (layout != 0) {
    return absl::InvalidArgumentError("layout: only 0 (time first)");
  }
  config->flag = set != 0;
  if (direction == "reverse") {
    config->direction = Direction::kReverse;
  } else if (direction == "bidirectional") {
    config->direction = Direction::kBidirectional;
  } else if (direction != "forward") {
    return absl::InvalidArgumentError(absl::StrCat("direction: \"", direction, "\" is not one"));
  }
  return config;
}

RecurrentShape ShapeOf(std::span<const Tensor> ins, int64_t gates) {
  return {.steps = ins[0].sizes[0],
          .batch = ins[0].sizes[1],
          .input = ins[0].sizes[2],
          .hidden = ins[2].sizes[2],
          .directions = ins[2].sizes[0],
          .gates = gates};
}

int64_t RecurrentWorkspace(const RecurrentShape& s, int states, int threads) {
  return AlignUp(s.rows() * s.width() * 8) + AlignUp(s.batch * s.width() * 8) +
         AlignUp(states * s.batch * s.hidden * 8) + GemmWorkspace(1, s.rows(), s.input, threads);
}

absl::Status CheckLengths(const Tensor* lengths, int64_t steps) {
  for (int64_t row = 0; lengths != nullptr && row < lengths->elements(); ++row) {
    const int64_t n =
        lengths->dtype == DType::kI32 ? lengths->as<const int32_t>()[row] : lengths->as<const int64_t>()[row];
    if (n < 0 || n > steps) {
      return absl::OutOfRangeError(absl::StrCat("seq_lens[", row, "] = ", n, " for a sequence of ", steps, " steps"));
    }
  }
  return absl::OkStatus();
}

void ProjectInput(const RecurrentShape& s, const Tensor& x, const Tensor& w, int64_t direction, void* gemm,
                  ThreadPool* pool, float* projected) {
  GemmProblem p;
  p.m = s.rows();
  p.n = s.width();
  p.k = s.input;
  p.x = {.data = x.data, .type = x.dtype, .row = p.k, .col = 1};
  p.w = {
      .data = w.as<const uint8_t>() + ByteSize(w.dtype, direction * p.n * p.k), .type = w.dtype, .row = p.k, .col = 1};
  p.out = projected;
  p.out_type = DType::kF32;
  GemmRun(p, gemm, pool);
}

void ProjectInput(const RecurrentShape& s, const Tensor& x, const Tensor& w, int64_t direction, void*, ThreadPool* pool,
                  double* projected) {
  const double* weights = w.as<const double>() + direction * s.width() * s.input;
  pool->ParallelFor(s.rows(), Grain(s.width() * s.input), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t n = 0; n < s.width(); ++n) {
        double sum = 0;
        for (int64_t k = 0; k < s.input; ++k) {
          sum += x.as<const double>()[row * s.input + k] * weights[n * s.input + k];
        }
        projected[row * s.width() + n] = sum;
      }
    }
  });
}

void ProjectState(const RecurrentShape& s, const float* h, const Tensor& r, int64_t direction, int64_t first, int64_t n,
                  float* out) {
  const int64_t at = (direction * s.width() + first) * s.hidden;
  const DotArgs args = {.x = h,
                        .x_row = s.hidden,
                        .w = r.as<const uint8_t>() + ByteSize(r.dtype, at),
                        .w_row = s.hidden,
                        .k = s.hidden,
                        .out = out + first,
                        .out_row = s.width()};
  Gemm().dot(WTypeOf(r.dtype), static_cast<int>(s.batch), static_cast<int>(n), args);
}

void ProjectState(const RecurrentShape& s, const double* h, const Tensor& r, int64_t direction, int64_t first,
                  int64_t n, double* out) {
  const double* weights = r.as<const double>() + direction * s.width() * s.hidden;
  for (int64_t row = 0; row < s.batch; ++row) {
    for (int64_t i = first; i < first + n; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < s.hidden; ++k) {
        sum += h[row * s.hidden + k] * weights[i * s.hidden + k];
      }
      out[row * s.width() + i] = sum;
    }
  }
}

void ReadState(const Tensor* from, int64_t at, int64_t n, float* to) {
  if (from == nullptr) {
    std::fill_n(to, n, 0.0f);
  } else {
    ToF32(from->as<const uint8_t>() + ByteSize(from->dtype, at), from->dtype, 1, n, to);
  }
}

void ReadState(const Tensor* from, int64_t at, int64_t n, double* to) {
  for (int64_t i = 0; i < n; ++i) {
    to[i] = from == nullptr ? 0 : from->as<const double>()[at + i];
  }
}

template <>
float ElementAt<float>(const Tensor& t, int64_t at) {
  return t.dtype == DType::kF16    ? F16ToF32(t.as<const uint16_t>()[at])
         : t.dtype == DType::kBF16 ? BF16ToF32(t.as<const uint16_t>()[at])
                                   : t.as<const float>()[at];
}
template <>
double ElementAt<double>(const Tensor& t, int64_t at) {
  return t.as<const double>()[at];
}

void WriteElement(const Tensor& to, int64_t at, double value) {
  switch (to.dtype) {
    case DType::kF64:
      to.as<double>()[at] = value;
      break;
    case DType::kF16:
      to.as<F16>()[at] = FromMath<F16>(value);
      break;
    case DType::kBF16:
      to.as<BF16>()[at] = FromMath<BF16>(value);
      break;
    default:
      to.as<float>()[at] = static_cast<float>(value);
  }
}

}  // namespace sluice::kernels
