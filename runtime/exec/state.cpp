#include "runtime/exec/state.h"

#include <algorithm>
#include <utility>

#include "runtime/exec/copy.h"
#include "runtime/exec/memory_plan.h"

namespace sluice::exec {

using kernels::Tensor;

bool StateBuffer::SameSizes(const std::array<int64_t, kernels::kMaxRank>& sizes) const {
  for (size_t d = 0; d < desc_.sizes.size(); ++d) {
    if (static_cast<int>(d) != desc_.axis && sizes[d] != shape_.sizes[d]) {
      return false;
    }
  }
  return true;
}

int64_t StateBuffer::Layout(int64_t capacity) {
  int64_t elements = 1;
  for (int d = static_cast<int>(desc_.sizes.size()) - 1; d >= 0; --d) {
    strides_[d] = elements;
    if (__builtin_mul_overflow(elements, d == desc_.axis ? capacity : shape_.sizes[d], &elements)) {
      return int64_t{1} << 60;  // Block refuses it
    }
  }
  return elements > (int64_t{1} << 56) ? elements : ByteSize(desc_.dtype, elements);
}

StateBuffer::Rows StateBuffer::layout() const {
  Rows layout{.rows = 1, .position = ByteSize(desc_.dtype, strides_[desc_.axis])};
  layout.pitch = layout.position * capacity_;
  for (int d = 0; d < desc_.axis; ++d) {
    layout.rows *= shape_.sizes[d];
  }
  return layout;
}

absl::Status StateBuffer::Reserve(const std::array<int64_t, kernels::kMaxRank>& sizes, int64_t positions, bool keep) {
  const bool same = shape_.shaped && SameSizes(sizes);
  if (same && positions <= capacity_) {
    return absl::OkStatus();
  }
  if (shape_.length > 0 && !same) {
    return absl::FailedPreconditionError(
        absl::StrFormat("state '%s' holds a sequence of another batch size (reset the states first)", desc_.name));
  }
  const Tensor old = View(shape_.length);
  const int64_t capacity = RoundUpSize(std::max<int64_t>(positions, 16));
  shape_.shaped = true;
  shape_.sizes = sizes;
  const int64_t bytes = Layout(capacity);
  capacity_ = capacity;
  Block grown = Block::Like(block_);
  keep = keep && shape_.length > 0;
  if (absl::Status status = keep ? grown.Reserve(bytes) : block_.Reserve(bytes); !status.ok()) {
    Reset();
    capacity_ = 0;
    return status;
  }
  if (!keep) {
    return absl::OkStatus();
  }
  std::swap(block_, grown);
  CopyTensor(old, View(shape_.length));
  return absl::OkStatus();
}

absl::Status StateBuffer::CopyIn(const Tensor& past, int64_t positions) {
  Reset();
  RETURN_IF_ERROR(Reserve(past.sizes, positions));
  shape_.length = past.sizes[desc_.axis];
  CopyTensor(past, View(shape_.length));
  return absl::OkStatus();
}

Tensor StateBuffer::View(int64_t length) const {
  Tensor t;
  t.data = block_.data();
  t.dtype = desc_.dtype;
  t.rank = static_cast<int>(desc_.sizes.size());
  for (int d = 0; d < t.rank; ++d) {
    t.sizes[d] = d == desc_.axis ? length : shape_.sizes[d];
    t.strides[d] = strides_[d];
  }
  return t;
}

void StateBuffer::Reset() {
  shape_.length = 0;
  shape_.shaped = false;
}

}  // namespace sluice::exec
