// Filling views: slots → sizes, strides and addresses, every one checked against its buffer.
#include "runtime/exec/frame.h"

namespace sluice::exec {

using kernels::Tensor;

bool Frame::Fill(uint32_t begin, uint32_t end) {
  for (uint32_t v = begin; v < end; ++v) {
    if (!FillView(v)) {
      return false;
    }
  }
  return true;
}

bool Frame::FillView(uint32_t index) {
  const ViewDesc& view = function_.views[index];
  Tensor& t = tensors_[index];
  if (view.buffer < 0 || (view.fixed && t.data != nullptr)) {
    return true;
  }
  if (function_.buffers[view.buffer].kind == BufferKind::kState) {
    return FillState(view, t);
  }
  const int64_t* slots = engine_.sizes.slots().data();
  int64_t elements = 1;
  int64_t reach = 0;  // index of the last element, of a strided view
  bool fine = true;
  for (int d = view.rank - 1; d >= 0; --d) {
    const int64_t size = slots[view.sizes[d]];
    const int64_t stride = view.dense ? elements : slots[view.strides[d]];
    int64_t step = 0;
    fine = fine && size >= 0 && stride >= 0 && !__builtin_mul_overflow(size - 1, stride, &step) &&
           !__builtin_add_overflow(reach, step, &reach) && !__builtin_mul_overflow(elements, size, &elements);
    t.sizes[d] = size;
    t.strides[d] = stride;
  }
  const Memory& root = roots_[view.buffer];
  int64_t offset = view.offset < 0 ? 0 : slots[view.offset];
  constexpr int64_t kLimit = int64_t{1} << 56;
  fine = fine && elements < kLimit && reach < kLimit && offset >= 0 && offset < kLimit;
  if (!fine) {
    return false;
  }
  const int bits = BitWidth(view.dtype);
  int64_t base = 0;
  for (uint32_t a = view.alias_begin; a < view.alias_end; ++a) {
    const int64_t bytes = slots[function_.alias_offsets[a]];
    if (bytes < 0 || bytes > kLimit - base) {
      return false;
    }
    base += bytes;
  }
  if (elements == 0) {
    offset = 0;
    base = 0;  // an empty view has no place of its own
  } else {     // a packed weight has at least its logical elements
    const int64_t last = offset + (view.dense ? elements : reach + 1);
    if (base + (last * bits + 7) / 8 > root.bytes) {
      return false;
    }
  }
  t.data = root.data + base + offset * bits / 8;
  pointers_[index] = t.data;
  return true;
}

bool Frame::FillState(const ViewDesc& view, Tensor& t) {
  const int64_t* slots = engine_.sizes.slots().data();
  const int32_t index = function_.buffers[view.buffer].index;
  const StateBuffer& state = engine_.states[index];
  const int axis = engine_.program.states[index].axis;
  const int64_t start = view.start < 0 ? 0 : slots[view.start];
  for (int d = 0; d < view.rank; ++d) {
    t.sizes[d] = slots[view.sizes[d]];
    t.strides[d] = state.stride(d);
    const int64_t room = d == axis ? state.capacity() - start : state.shape().sizes[d];
    if (t.sizes[d] < 0 || t.sizes[d] > room) {
      return false;
    }
  }
  if (start < 0) {
    return false;
  }
  t.data = state.data() + start * state.stride(axis) * (BitWidth(t.dtype) / 8);
  pointers_[&t - tensors_.data()] = t.data;
  return true;
}

}  // namespace sluice::exec
