#include "runtime/exec/copy.h"

#include <cstring>

namespace sluice::exec {

using kernels::Tensor;

bool IsDense(const Tensor& t) {
  int64_t stride = 1;
  for (int d = t.rank - 1; d >= 0; --d) {
    if (t.sizes[d] != 1 && t.strides[d] != stride) {
      return false;
    }
    stride *= t.sizes[d];
  }
  return true;
}

void SetDenseStrides(Tensor& t) {
  int64_t stride = 1;
  for (int d = t.rank - 1; d >= 0; --d) {
    t.strides[d] = stride;
    stride *= t.sizes[d];
  }
}

namespace {

// Dimensions [d, rank), of which those from `dense` on are one run of `run` bytes in both.
void CopyFrom(const uint8_t* src, uint8_t* dst, const Tensor& s, const Tensor& t, int d, int dense, size_t run,
              int64_t width) {
  if (d == dense) {
    std::memcpy(dst, src, run);
    return;
  }
  for (int64_t i = 0; i < s.sizes[d]; ++i) {
    CopyFrom(src + i * s.strides[d] * width, dst + i * t.strides[d] * width, s, t, d + 1, dense, run, width);
  }
}

}  // namespace

void CopyTensor(const Tensor& src, const Tensor& dst) {
  if (src.data == dst.data || src.elements() == 0) {
    return;
  }
  const int width = BitWidth(src.dtype) / 8;
  if (width == 0) {
    std::memcpy(dst.data, src.data, static_cast<size_t>(DenseBytes(src)));
    return;
  }
  int dense = src.rank;
  int64_t run = 1;
  while (dense > 0 && (src.sizes[dense - 1] == 1 || (src.strides[dense - 1] == run && dst.strides[dense - 1] == run))) {
    --dense;
    run *= src.sizes[dense];
  }
  CopyFrom(src.as<uint8_t>(), dst.as<uint8_t>(), src, dst, 0, dense, static_cast<size_t>(run * width), width);
}

}  // namespace sluice::exec
