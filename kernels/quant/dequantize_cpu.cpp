// nn.dequantize: (q - zero_point) * scale, as f32, f16 or bf16.  q: i8, ui8, i16, ui16, i32 or packed i4, ui4.
#include <cstring>

#include "kernels/common/element.h"
#include "kernels/common/launch.h"
#include "kernels/quant/quant_runs.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kChunk = 256;

void Write(const float* y, int64_t n, const Tensor& out, int64_t at) {
  switch (out.dtype) {
    case DType::kF16:
      return F32ToF16(y, out.as<uint16_t>() + at, n);
    case DType::kBF16:
      return F32ToBF16(y, out.as<uint16_t>() + at, n);
    default:
      std::memcpy(out.as<float>() + at, y, n * sizeof(float));
  }
}

absl::Status DequantizeRun(const LaunchArgs& args, const QuantRun& run, bool scale_each) {
  const Tensor* zero_point = Optional(args.ins, 2);
  int32_t q[kChunk], zero[kChunk] = {};
  float scale[kChunk];
  if (!scale_each) {
    RETURN_IF_ERROR(ReadFloats(args.ins[1], run.scale, 1, scale));
    std::fill_n(scale, kChunk, scale[0]);
    if (zero_point != nullptr) {
      ReadInts(*zero_point, run.scale, 1, zero);
      std::fill_n(zero, kChunk, zero[0]);
    }
  }
  for (int64_t i = 0; i < run.length; i += kChunk) {
    const int64_t n = std::min(kChunk, run.length - i);
    ReadInts(args.ins[0], run.at + i, n, q);
    if (scale_each) {
      RETURN_IF_ERROR(ReadFloats(args.ins[1], run.scale + i, n, scale));
      if (zero_point != nullptr) {
        ReadInts(*zero_point, run.scale + i, n, zero);
      }
    }
    float y[kChunk];
    for (int64_t k = 0; k < n; ++k) {
      // Unsigned: the difference of two 32-bit codes may wrap.
      y[k] = static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(q[k]) - static_cast<uint32_t>(zero[k]))) *
             scale[k];
    }
    Write(y, n, args.outs[0], run.at + i);
  }
  return absl::OkStatus();
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& q = args.ins[0];
  const DType out = args.outs[0].dtype;
  if (IsFloat(q.dtype) || BitWidth(q.dtype) > 32 || q.dtype == DType::kU32 || q.dtype == DType::kBool) {
    return NoSuchType(q.dtype);
  }
  if (out != DType::kF32 && out != DType::kF16 && out != DType::kBF16) {
    return NoSuchType(out);
  }
  if (args.ins[1].dtype != DType::kF32 && args.ins[1].dtype != DType::kF16 && args.ins[1].dtype != DType::kBF16) {
    return NoSuchType(args.ins[1].dtype);
  }
  ASSIGN_OR_RETURN(const QuantRuns runs, QuantRuns::Of(q, args.ins[1], *static_cast<const QuantConfig*>(args.config)));
  args.pool->ParallelFor(runs.count(), Grain(runs.length() * 2), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      // Types were checked above.
      static_cast<void>(DequantizeRun(args, runs[r], runs.scale_each()));
    }
  });
  return absl::OkStatus();
}

}  // namespace

extern const CpuKernel kDequantize;
const CpuKernel kDequantize = {.name = "dequantize", .prepare = PrepareQuant, .run = Run};

}  // namespace sluice::kernels
