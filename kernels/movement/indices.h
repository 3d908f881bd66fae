// Indices of gathers and scatters: i32 or i64, negative ones count from the end, all checked before anything is read.
#ifndef SLUICE_KERNELS_MOVEMENT_INDICES_H_
#define SLUICE_KERNELS_MOVEMENT_INDICES_H_

#include "kernels/common/launch.h"

namespace sluice::kernels {

// Element i as it stands in the operand.
inline int64_t RawIndex(const Tensor& indices, int64_t i) {
  return indices.dtype == DType::kI32 ? indices.as<const int32_t>()[i] : indices.as<const int64_t>()[i];
}
// Element i counted from the front of a dimension of that size.
inline int64_t IndexAt(const Tensor& indices, int64_t i, int64_t size) {
  const int64_t index = RawIndex(indices, i);
  return index < 0 ? index + size : index;
}

inline absl::Status BadIndex(const Tensor& indices, int64_t i, int64_t size) {
  return absl::OutOfRangeError(
      absl::StrCat("indices[", i, "] = ", RawIndex(indices, i), " is out of range for a dimension of size ", size));
}

// An error that names the first index outside [-size, size).
inline absl::Status CheckIndices(const Tensor& indices, int64_t size, ThreadPool* pool) {
  FirstFault fault;
  pool->ParallelFor(indices.elements(), 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = RawIndex(indices, i);
      if (index < -size || index >= size) {
        return fault.Record(i);
      }
    }
  });
  return fault.any() ? BadIndex(indices, fault.position(), size) : absl::OkStatus();
}

// The same for tuples of `width` indices into the dimensions of `data` from `first_dim` on.
inline absl::Status CheckTuples(const Tensor& indices, int64_t width, const Tensor& data, int first_dim) {
  const int64_t n = indices.elements();
  for (int64_t i = 0; i < n; ++i) {
    const int64_t size = data.sizes[first_dim + i % width], index = RawIndex(indices, i);
    if (index < -size || index >= size) {
      return BadIndex(indices, i, size);
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_MOVEMENT_INDICES_H_
