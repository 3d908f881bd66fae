// nn.quantize: saturate(round(x / scale) + zero_point), halves to even.  x f32, f16, bf16 or i32; the result i8, ui8,
// i16, ui16, i32 or packed i4, ui4.  A NaN becomes the zero point.
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/common/vec.h"
#include "kernels/quant/quant_runs.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kChunk = 256;  // elements converted at a time, a multiple of the vector's

struct Range {
  int64_t low, high;
};

Range RangeOf(DType t) {
  switch (t) {
    case DType::kI8:
      return {-128, 127};
    case DType::kU8:
      return {0, 255};
    case DType::kI16:
      return {-32768, 32767};
    case DType::kU16:
      return {0, 65535};
    case DType::kI4:
      return {-8, 7};
    case DType::kU4:
      return {0, 15};
    case DType::kI32:
      return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    default:
      return {0, -1};
  }
}

// codes[i] for i < kChunk: x, scale and zero are padded to it.
struct QuantizeChunk {
  SLUICE_INLINE static void Run(const float* x, const float* scale, const int32_t* zero, int32_t low, int32_t high,
                                int32_t* codes) {
    const F32x16 magic = F32x16{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, halves to even
    const F32x16 limit = F32x16{} + 131072.0f;    // beyond every 16-bit code, whatever the zero point
    for (int64_t i = 0; i < kChunk; i += 16) {
      F32x16 v, s;
      I32x16 z;
      Load(x + i, v);
      Load(scale + i, s);
      std::memcpy(&z, zero + i, sizeof z);
      v /= s;
      v = v > limit ? limit : v < -limit ? -limit : v != v ? F32x16{} : v;
      v = (v + magic) - magic;
      I32x16 c = __builtin_convertvector(v, I32x16) + z;
      c = c < low ? I32x16{} + low : c > high ? I32x16{} + high : c;
      std::memcpy(codes + i, &c, sizeof c);
    }
  }
};

// 32-bit codes: in f64, where they are exact.
void QuantizeWide(const float* x, const float* scale, const int32_t* zero, Range range, int64_t n, int32_t* codes) {
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i] != x[i] ? 0 : std::nearbyint(static_cast<double>(x[i] / scale[i])) + zero[i];
    codes[i] = static_cast<int32_t>(std::clamp(v, static_cast<double>(range.low), static_cast<double>(range.high)));
  }
}

void Write(const int32_t* codes, int64_t n, const Tensor& out, int64_t at) {
  switch (out.dtype) {
    case DType::kI8:
    case DType::kU8:
      return static_cast<void>(std::copy_n(codes, n, out.as<uint8_t>() + at));
    case DType::kI16:
    case DType::kU16:
      return static_cast<void>(std::copy_n(codes, n, out.as<uint16_t>() + at));
    case DType::kI32:
      return static_cast<void>(std::copy_n(codes, n, out.as<int32_t>() + at));
    default:
      for (int64_t i = 0; i < n; ++i) {
        uint8_t& byte = out.as<uint8_t>()[(at + i) >> 1];
        const int shift = static_cast<int>((at + i) & 1) * 4;
        byte = static_cast<uint8_t>((byte & ~(15 << shift)) | (codes[i] & 15) << shift);
      }
  }
}

absl::Status QuantizeRun(const LaunchArgs& args, const QuantRun& run, bool scale_each, Range range) {
  const Tensor* zero_point = Optional(args.ins, 2);
  const Tensor& out = args.outs[0];
  float x[kChunk], scale[kChunk];
  int32_t zero[kChunk] = {}, codes[kChunk];
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
    if (n < kChunk) {
      std::fill(x + n, x + kChunk, 0.0f);
    }
    RETURN_IF_ERROR(ReadFloats(args.ins[0], run.at + i, n, x));
    if (scale_each) {
      std::fill(scale + n, scale + kChunk, 1.0f);
      RETURN_IF_ERROR(ReadFloats(args.ins[1], run.scale + i, n, scale));
      if (zero_point != nullptr) {
        ReadInts(*zero_point, run.scale + i, n, zero);
      }
    }
    if (out.dtype == DType::kI32) {
      QuantizeWide(x, scale, zero, range, n, codes);
    } else {
      AtLevel<QuantizeChunk>(x, scale, zero, static_cast<int32_t>(range.low), static_cast<int32_t>(range.high), codes);
    }
    Write(codes, n, out, run.at + i);
  }
  return absl::OkStatus();
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& out = args.outs[0];
  const Range range = RangeOf(out.dtype);
  if (range.high < range.low) {
    return absl::InvalidArgumentError(absl::StrCat("quantize: no codes of element type ", Name(out.dtype)));
  }
  float probe;
  for (int i = 0; i < 2 && args.ins[i].elements() > 0; ++i) {
    RETURN_IF_ERROR(ReadFloats(args.ins[i], 0, 1, &probe));
  }
  ASSIGN_OR_RETURN(const QuantRuns runs,
                   QuantRuns::Of(args.ins[0], args.ins[1], *static_cast<const QuantConfig*>(args.config)));
  // Two runs that share a byte must not be on two threads.
  const bool split = BitWidth(out.dtype) >= 8 || runs.whole_bytes();
  const int64_t grain = split ? Grain(runs.length() * 2) : std::max<int64_t>(1, runs.count());
  args.pool->ParallelFor(runs.count(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      // Types were checked above.
      static_cast<void>(QuantizeRun(args, runs[r], runs.scale_each(), range));
    }
  });
  return absl::OkStatus();
}

}  // namespace

extern const CpuKernel kQuantize;
const CpuKernel kQuantize = {.name = "quantize", .prepare = PrepareQuant, .run = Run};

}  // namespace sluice::kernels
