#include "tools/common/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/half.h"
#include "runtime/base/status.h"

namespace sluice::tools {

using kernels::Tensor;

double ElementAt(const Tensor& t, int64_t i) {
  switch (t.dtype) {
    case DType::kF32:
      return t.as<float>()[i];
    case DType::kF64:
      return t.as<double>()[i];
    case DType::kF16:
      return F16ToF32(t.as<uint16_t>()[i]);
    case DType::kBF16:
      return BF16ToF32(t.as<uint16_t>()[i]);
    case DType::kF8E4M3FN:
      return F8E4M3FNToF32(t.as<uint8_t>()[i]);
    case DType::kF8E5M2:
      return F8E5M2ToF32(t.as<uint8_t>()[i]);
    case DType::kI64:
      return static_cast<double>(t.as<int64_t>()[i]);
    case DType::kU64:
      return static_cast<double>(t.as<uint64_t>()[i]);
    case DType::kI32:
      return t.as<int32_t>()[i];
    case DType::kU32:
      return t.as<uint32_t>()[i];
    case DType::kI16:
      return t.as<int16_t>()[i];
    case DType::kU16:
      return t.as<uint16_t>()[i];
    case DType::kI8:
      return t.as<int8_t>()[i];
    case DType::kU8:
    case DType::kBool:
      return t.as<uint8_t>()[i];
    case DType::kU4:
      return (t.as<uint8_t>()[i / 2] >> (i % 2 * 4)) & 15;
    case DType::kI4:
      return static_cast<int8_t>(t.as<uint8_t>()[i / 2] << (i % 2 == 0 ? 4 : 0)) >> 4;
    case DType::kUndefined:
      break;
  }
  return 0;
}

Difference Compare(const Tensor& result, const Tensor& expected, const Tolerance& tolerance) {
  Difference d;
  const auto text = [](const Tensor& t) {
    std::string s = std::string(Name(t.dtype)) + " [";
    for (int i = 0; i < t.rank; ++i) {
      absl::StrAppend(&s, i == 0 ? "" : ", ", t.sizes[i]);
    }
    return s + "]";
  };
  if (result.dtype != expected.dtype || result.rank != expected.rank ||
      !std::equal(result.sizes.begin(), result.sizes.begin() + result.rank, expected.sizes.begin())) {
    d.ok = false;
    d.why = text(result) + ", expected " + text(expected);
    return d;
  }
  for (int64_t i = 0; i < result.elements(); ++i) {
    const double a = ElementAt(result, i);
    const double b = ElementAt(expected, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      continue;
    }
    const double abs = std::isfinite(a) && std::isfinite(b) ? std::abs(a - b) : std::numeric_limits<double>::infinity();
    d.max_abs = std::max(d.max_abs, abs);
    d.max_rel = b == 0 ? d.max_rel : std::max(d.max_rel, abs / std::abs(b));
    d.ok = d.ok && abs <= tolerance.atol + tolerance.rtol * std::abs(b);
  }
  return d;
}

}  // namespace sluice::tools
