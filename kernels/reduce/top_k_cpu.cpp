// nn.top_k: the k largest (or smallest) elements along one axis in order, and their indices (i64).  Equal elements: the
// lower index first.  NaN counts as larger than every number.
#include "kernels/common/element.h"
#include "kernels/common/launch.h"

namespace sluice::kernels {
namespace {

struct TopKConfig : Config {
  int64_t axis = -1;
  bool largest = true;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<TopKConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", -1));
  ASSIGN_OR_RETURN(const int64_t largest, attrs.Int("largest", 1));
  config->largest = largest != 0;
  return config;
}

// 16 bytes whatever T is: the workspace does not depend on the element type.
template <typename T>
struct Entry {
  Math<T> value;
  int64_t index;
};
constexpr int64_t kEntryBytes = 16;

template <typename T, bool kLargest>
SLUICE_INLINE bool Precedes(const Entry<T>& a, const Entry<T>& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan || b_nan) {
    return a_nan == b_nan ? a.index < b.index : a_nan == kLargest;
  }
  if (a.value != b.value) {
    return kLargest ? a.value > b.value : a.value < b.value;
  }
  return a.index < b.index;
}

int64_t Workspace(const Config* config, std::span<const Tensor> ins, std::span<const Tensor> outs, int threads) {
  const int64_t axis = static_cast<const TopKConfig*>(config)->axis;
  const int rank = outs[0].rank;
  return threads * kEntryBytes * outs[0].sizes[axis < 0 ? axis + rank : axis];
}

// A heap of the k best so far, the worst of them on top; then sorted.  O(n log k), and most elements fail one
// comparison.
template <typename T, bool kLargest>
void Select(const T* x, int64_t n, int64_t stride, int64_t k, Entry<T>* heap, T* values, int64_t* indices) {
  const auto precedes = [](const Entry<T>& a, const Entry<T>& b) { return Precedes<T, kLargest>(a, b); };
  for (int64_t i = 0; i < k; ++i) {
    heap[i] = {ToMath(x[i * stride]), i};
  }
  std::make_heap(heap, heap + k, precedes);
  for (int64_t i = k; i < n; ++i) {
    const Entry<T> entry{ToMath(x[i * stride]), i};
    if (Precedes<T, kLargest>(entry, heap[0])) {
      std::pop_heap(heap, heap + k, precedes);
      heap[k - 1] = entry;
      std::push_heap(heap, heap + k, precedes);
    }
  }
  std::sort_heap(heap, heap + k, precedes);
  for (int64_t i = 0; i < k; ++i) {
    values[i * stride] = x[heap[i].index * stride];
    indices[i * stride] = heap[i].index;
  }
}

template <typename T>
void RunTyped(const LaunchArgs& args, int axis, bool largest) {
  static_assert(sizeof(Entry<T>) == kEntryBytes);
  const Tensor& x = args.ins[0];
  const int64_t n = x.size(axis), k = args.outs[0].size(axis);
  const int64_t inner = SizesProduct(x, axis + 1, x.rank);
  args.pool->ParallelForWithThread(SizesProduct(x, 0, axis) * inner, Grain(n * 4),
                                   [&](int64_t begin, int64_t end, int thread) {
                                     Entry<T>* heap = static_cast<Entry<T>*>(args.workspace) + thread * k;
                                     for (int64_t i = begin; i < end; ++i) {
                                       const T* from = x.as<const T>() + i / inner * n * inner + i % inner;
                                       const int64_t to = i / inner * k * inner + i % inner;
                                       T* values = args.outs[0].as<T>() + to;
                                       int64_t* indices = args.outs[1].as<int64_t>() + to;
                                       largest ? Select<T, true>(from, n, inner, k, heap, values, indices)
                                               : Select<T, false>(from, n, inner, k, heap, values, indices);
                                     }
                                   });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const TopKConfig*>(args.config);
  const Tensor& x = args.ins[0];
  ASSIGN_OR_RETURN(const int axis, Axis(config.axis, x.rank));
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  if (args.outs[0].size(axis) > x.size(axis)) {
    return absl::InvalidArgumentError(
        absl::StrCat("k: ", args.outs[0].size(axis), " elements are wanted of an axis of ", x.size(axis)));
  }
  return DispatchNumber(x.dtype, [&](auto tag) { RunTyped<typename decltype(tag)::type>(args, axis, config.largest); });
}

}  // namespace

extern const CpuKernel kTopK;
const CpuKernel kTopK = {.name = "top_k", .prepare = Prepare, .workspace = Workspace, .run = Run};

}  // namespace sluice::kernels
