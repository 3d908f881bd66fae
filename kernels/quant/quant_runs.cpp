#include "kernels/quant/quant_runs.h"

#include <cstring>

#include "kernels/common/launch.h"
#include "runtime/base/half.h"

namespace sluice::kernels {

absl::StatusOr<std::unique_ptr<Config>> PrepareQuant(const Attrs& attrs) {
  auto config = std::make_unique<QuantConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", 0));
  ASSIGN_OR_RETURN(config->block, attrs.Int("block", 0));
  if (config->block < 0) {
    return absl::InvalidArgumentError(absl::StrCat("block: ", config->block, " is not a block size"));
  }
  return config;
}

absl::StatusOr<QuantRuns> QuantRuns::Of(const Tensor& x, const Tensor& scale, const QuantConfig& config) {
  QuantRuns runs;
  runs.total_ = x.elements();
  if (config.block == 0 && scale.elements() == 1) {
    runs.length_ = kRun;
    runs.count_ = (runs.total_ + kRun - 1) / kRun;
    return runs;
  }
  ASSIGN_OR_RETURN(const int axis, Axis(config.axis, x.rank));
  const int64_t n = x.sizes[axis];
  const int64_t outer = SizesProduct(x, 0, axis), inner = SizesProduct(x, axis + 1, x.rank);
  runs.n_ = n;
  if (config.block == 0) {
    if (scale.elements() != n) {
      return absl::InvalidArgumentError(
          absl::StrCat("scale: ", scale.elements(), " elements for axis ", axis, " of size ", n));
    }
    runs.form_ = Form::kAxis;
    runs.scale_each_ = inner == 1;
    runs.length_ = inner == 1 ? n : inner;
    runs.count_ = inner == 1 ? outer : outer * n;
    return runs;
  }
  runs.block_ = config.block;
  runs.blocks_ = (n + config.block - 1) / config.block;
  if (scale.elements() != outer * runs.blocks_ * inner) {
    return absl::InvalidArgumentError(absl::StrCat("scale: ", scale.elements(), " elements where blocks of ",
                                                   config.block, " on axis ", axis, " need ",
                                                   outer * runs.blocks_ * inner));
  }
  if (inner == 1) {
    runs.form_ = Form::kBlocks;
    runs.length_ = config.block;
    runs.count_ = outer * runs.blocks_;
    runs.ragged_ = n % config.block != 0 && n % 2 != 0;
  } else {
    runs.form_ = Form::kInnerBlocks;
    runs.scale_each_ = true;
    runs.length_ = inner;
    runs.count_ = outer * n;
  }
  return runs;
}

absl::Status ReadFloats(const Tensor& x, int64_t at, int64_t n, float* out) {
  switch (x.dtype) {
    case DType::kF32:
      std::memcpy(out, x.as<const float>() + at, n * sizeof(float));
      return absl::OkStatus();
    case DType::kF16:
      F16ToF32(x.as<const uint16_t>() + at, out, n);
      return absl::OkStatus();
    case DType::kBF16:
      BF16ToF32(x.as<const uint16_t>() + at, out, n);
      return absl::OkStatus();
    case DType::kI32:
      std::copy_n(x.as<const int32_t>() + at, n, out);
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(absl::StrCat("element type ", Name(x.dtype), ": not one that is quantised"));
  }
}

void ReadInts(const Tensor& x, int64_t at, int64_t n, int32_t* out) {
  switch (x.dtype) {
    case DType::kI8:
      std::copy_n(x.as<const int8_t>() + at, n, out);
      break;
    case DType::kU8:
      std::copy_n(x.as<const uint8_t>() + at, n, out);
      break;
    case DType::kI16:
      std::copy_n(x.as<const int16_t>() + at, n, out);
      break;
    case DType::kU16:
      std::copy_n(x.as<const uint16_t>() + at, n, out);
      break;
    case DType::kI32:
      std::copy_n(x.as<const int32_t>() + at, n, out);
      break;
    default: {
      const int flip = x.dtype == DType::kI4 ? 8 : 0;
      for (int64_t i = 0; i < n; ++i) {
        const int code = x.as<const uint8_t>()[(at + i) >> 1] >> ((at + i) & 1) * 4 & 15;
        out[i] = (code ^ flip) - flip;
      }
    }
  }
}

}  // namespace sluice::kernels
