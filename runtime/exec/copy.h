// Copies between tensors of equal sizes and type, dense or strided.
#ifndef SLUICE_RUNTIME_EXEC_COPY_H_
#define SLUICE_RUNTIME_EXEC_COPY_H_

#include <span>

#include "kernels/desc.h"
#include "runtime/base/dtype.h"

namespace sluice::exec {

// True when the strides are those of row-major order (dimensions of size 1 may have any).
bool IsDense(const kernels::Tensor& t);

// Fills the strides of a dense row-major tensor from its sizes.
void SetDenseStrides(kernels::Tensor& t);

inline int64_t DenseBytes(const kernels::Tensor& t) { return ByteSize(t.dtype, t.elements()); }

// dst[i] = src[i].  The memory must not overlap, unless it is the same.  int4 tensors must be dense.
void CopyTensor(const kernels::Tensor& src, const kernels::Tensor& dst);

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_COPY_H_
