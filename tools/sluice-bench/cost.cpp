#include "tools/sluice-bench/cost.h"

#include <algorithm>

namespace sluice::tools {

using kernels::Tensor;

int64_t Flops(const std::string& kernel, std::span<const Tensor> ins, std::span<const Tensor> outs) {
  int64_t elements = 0;
  for (const Tensor& out : outs) {
    elements = std::max(elements, out.elements());
  }
  if (ins.size() >= 2 && ins[0].rank >= 1 && ins[1].rank >= 1) {
    if (kernel.rfind("linear", 0) == 0 || kernel == "matmul") {
      return 2 * elements * ins[0].size(-1);
    }
    if (kernel == "conv" && ins[1].sizes[0] > 0) {
      return 2 * elements * (ins[1].elements() / ins[1].sizes[0]);  // the weight is [o, i, k…]
    }
    if (kernel == "conv_transpose" && ins[1].sizes[0] > 0) {
      return 2 * ins[0].elements() * (ins[1].elements() / ins[1].sizes[0]);  // [i, o, k…]
    }
    if (kernel == "attention" && ins.size() >= 3 && ins[0].rank == 4 && ins[2].rank == 4) {
      const Tensor& q = ins[0];
      return 2 * q.sizes[0] * q.sizes[1] * q.sizes[2] * ins[1].size(-2) * (q.sizes[3] + ins[2].size(-1));
    }
  }
  return elements;
}

int64_t Bytes(const std::string& kernel, std::span<const Tensor> ins, std::span<const Tensor> outs) {
  int64_t bytes = 0, results = 0;
  for (const Tensor& t : outs) {
    bytes += t.present() ? ByteSize(t.dtype, t.elements()) : 0;
    results += t.present() ? t.elements() : 0;
  }
  const bool gathers = kernel.rfind("gather", 0) == 0;
  for (const Tensor& t : ins) {
    const int64_t elements = t.present() ? t.elements() : 0;
    bytes += elements > 0 ? ByteSize(t.dtype, gathers ? std::min(elements, results) : elements) : 0;
  }
  return bytes;
}

double Roofline::flops_per_second(DType operands) const {
  switch (operands) {
    case DType::kF16:
    case DType::kBF16:
      return f16_flops;
    case DType::kI8:
    case DType::kU8:
      return int8_flops;
    default:
      return f32_flops;
  }
}

double Roofline::Seconds(int64_t flops, int64_t bytes, DType operands) const {
  return std::max(static_cast<double>(flops) / std::max(flops_per_second(operands), 1.0),
                  static_cast<double>(bytes) / std::max(bytes_per_second, 1.0));
}

}  // namespace sluice::tools
