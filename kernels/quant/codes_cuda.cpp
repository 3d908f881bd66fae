// CUDA families quantize and dequantize, and the plain form of linear_q4 and linear_q8 (codes.cuh).
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/common/cuda_text.h"
#include "kernels/quant/plain_linear_cuda.h"

namespace sluice::kernels {
namespace {

constexpr char kHeader[] = "kernels/quant/codes.cuh";

const char* CodeType(DType dtype) {
  switch (dtype) {
    case DType::kU4:
      return "sl::u4";
    case DType::kI4:
      return "sl::i4";
    case DType::kI8:
    case DType::kU8:
    case DType::kI16:
    case DType::kU16:
    case DType::kI32:
      return CudaType(dtype);
    default:
      return "";
  }
}

bool IsSmallFloat(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16; }

// "kAxis, kBlock" of Scales: no axis when one scale is for all.
std::string AxisAndBlock(const CudaQuery& query) {
  const int64_t block = query.attrs.Int("block", 0).value_or(0);
  const std::vector<CudaDim>& scales = query.ins[1].dims;
  if (block == 0 && std::all_of(scales.begin(), scales.end(),
                                [](const CudaDim& dim) { return dim.constant() && dim.value() == 1; })) {
    return "-1, 0";
  }
  const int64_t axis = query.attrs.Int("axis", 0).value_or(0);
  return absl::StrFormat("%d, %d", axis < 0 ? axis + query.ins[0].rank() : axis, block);
}

std::vector<CudaPlan> PlanCodes(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const bool to_codes = query.name == "quantize";
  const DType real = (to_codes ? query.ins[0] : query.outs[0]).dtype,
              codes = (to_codes ? query.outs[0] : query.ins[0]).dtype;
  if (!IsSmallFloat(real) || *CodeType(codes) == '\0' || (to_codes && BitWidth(codes) < 8)) {
    why = absl::StrFormat("%s and %s", Name(real), Name(codes));
  } else if (!IsSmallFloat(query.ins[1].dtype)) {
    why = absl::StrFormat("scales of %s", Name(query.ins[1].dtype));
  }
  return why.empty() ? std::vector<CudaPlan>{{.name = "a thread an element", .us = CopyUs(query, gpu, 0.5)}}
                     : std::vector<CudaPlan>();
}

std::string RangeOf(DType codes) {
  const int bits = BitWidth(codes);
  const bool is_signed = codes == DType::kI8 || codes == DType::kI16 || codes == DType::kI32;
  const int64_t low = is_signed ? -(int64_t{1} << (bits - 1)) : 0;
  const int64_t high = (int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
  return absl::StrFormat("%d, %d", low, high);
}

CudaKernel EmitCodes(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const bool to_codes = query.name == "quantize";
  const std::string types =
      to_codes ? absl::StrFormat("%s, %s, %s, %s", RangeOf(query.outs[0].dtype), CudaType(query.ins[0].dtype),
                                 CudaType(query.ins[1].dtype), CodeType(query.outs[0].dtype))
               : absl::StrFormat("%s, %s, %s", CodeType(query.ins[0].dtype), CudaType(query.ins[1].dtype),
                                 CudaType(query.outs[0].dtype));
  const std::string body =
      absl::StrFormat("sl::%s<%s, %s>(step, x0, x1, x2, y0);", query.name, AxisAndBlock(query), types);
  CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, 256, {0, 0, query.ins[1].rank()});
  kernel.grid[0] = BlocksText(ProductText("x0", 0, query.ins[0].rank()), 256, gpu.sms * 16);
  return kernel;
}

// The zero point's functor (codes.cuh), over operand x3.
std::string ZeroText(const CudaQuery& query) {
  const DType codes = query.ins[1].dtype;
  if (query.ins.size() < 4 || !query.ins[3].present()) {
    const bool is_unsigned = codes == DType::kU4 || codes == DType::kU8;
    return absl::StrFormat("sl::ImpliedZero{%d}", is_unsigned ? 1 << (BitWidth(codes) - 1) : 0);
  }
  const CudaOperand& zero = query.ins[3];
  const int64_t block = query.attrs.Int("block", 0).value_or(0);
  const std::string blocks = block == 0 ? "1"
                                        : absl::StrFormat("((sl::value(step, x0.sizes[%d]) + %d) / %d)",
                                                          query.ins[0].rank() - 1, block - 1, block);
  const bool coded = !IsFloat(zero.dtype);
  const std::string type = coded ? CodeType(zero.dtype) : CudaType(zero.dtype);
  // Rows of 4-bit zero points are whole bytes.
  const std::string row = coded && BitWidth(zero.dtype) == 4 ? absl::StrFormat("(%s + 1) / 2 * 2", blocks) : blocks;
  return absl::StrFormat("sl::%s<%s>{sl::View<const %s, %d>(step, x3).data, %s}", coded ? "CodedZero" : "GivenZero",
                         type, type, zero.rank(), row);
}

}  // namespace

std::vector<CudaPlan> PlainCodedLinearPlans(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (!IsSmallFloat(query.ins[0].dtype) || !IsSmallFloat(query.ins[2].dtype)) {
    why = absl::StrFormat("%s and scales of %s", Name(query.ins[0].dtype), Name(query.ins[2].dtype));
    return {};
  }
  const double rows = static_cast<double>(ExpectedRows(query));
  // Tiles of 64 rows, however few there are.
  const double flops = 2 * std::ceil(rows / 64) * 64 * static_cast<double>(query.outs[0].dims.back().expected()) *
                       static_cast<double>(query.ins[0].dims.back().expected());
  return {{.name = "plain 64x64", .us = std::max(flops / (gpu.f32_tflops * 0.1 * 1e6), CopyUs(query, gpu, 0.3))}};
}

CudaKernel EmitPlainCodedLinear(const CudaQuery& query) {
  const std::string body = absl::StrFormat("sl::plain_coded_linear<%d, %s, %s, %s>(step, x0, x1, x2, y0, %s);",
                                           query.attrs.Int("block", 0).value_or(0), CudaType(query.ins[0].dtype),
                                           CodeType(query.ins[1].dtype), CudaType(query.ins[2].dtype), ZeroText(query));
  CudaKernel kernel = OperandKernel(query, query.name, kHeader, body, 256);
  const int rank = query.outs[0].rank();
  kernel.grid[0] = absl::StrFormat("ceildiv(%s, 64) * ceildiv(y0_%d, 64)", ProductText("x0", 0, rank - 1), rank - 1);
  return kernel;
}

extern const CudaFamily kCudaQuantize, kCudaDequantize;
const CudaFamily kCudaQuantize = {.name = "quantize", .plans = PlanCodes, .emit = EmitCodes};
const CudaFamily kCudaDequantize = {.name = "dequantize", .plans = PlanCodes, .emit = EmitCodes};

}  // namespace sluice::kernels
