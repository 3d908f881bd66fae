// nn.scatter_nd and nn.scatter_elements: `data` with slices or elements replaced by `updates`, or combined with them
// (add, mul, max, min).  The result may be data's own memory.  Updates are applied in order, on one thread: equal
// indices then have one answer.
#include <cstring>

#include "kernels/common/element.h"
#include "kernels/movement/indices.h"
#include "kernels/movement/strided_copy.h"

namespace sluice::kernels {
namespace {

enum class Combine { kNone, kAdd, kMul, kMax, kMin };

struct ScatterConfig : Config {
  int64_t axis = 0;
  Combine combine = Combine::kNone;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<ScatterConfig>();
  ASSIGN_OR_RETURN(config->axis, attrs.Int("axis", 0));
  ASSIGN_OR_RETURN(const std::string reduction, attrs.String("reduction", "none"));
  static constexpr const char* kNames[] = {"none", "add", "mul", "max", "min"};
  for (int i = 0; i < 5; ++i) {
    if (reduction == kNames[i]) {
      config->combine = static_cast<Combine>(i);
      return config;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("reduction: \"", reduction, "\" is not one"));
}

// to[i] = to[i] combined with from[i]: a NaN on either side of max and min stays.
template <typename T>
void CombineRun(T* to, const T* from, int64_t n, Combine combine) {
  for (int64_t i = 0; i < n; ++i) {
    const Math<T> a = ToMath(to[i]), b = ToMath(from[i]);
    switch (combine) {
      case Combine::kNone:
        to[i] = from[i];
        break;
      case Combine::kAdd:
        to[i] = FromMath<T>(a + b);
        break;
      case Combine::kMul:
        to[i] = FromMath<T>(a * b);
        break;
      case Combine::kMax:
        to[i] = a > b || a != a ? to[i] : from[i];
        break;
      case Combine::kMin:
        to[i] = a < b || a != a ? to[i] : from[i];
        break;
    }
  }
}

template <typename T>
void ScatterNd(const LaunchArgs& args, Combine combine) {
  const Tensor& data = args.ins[0];
  const Tensor& indices = args.ins[1];
  const int64_t q = indices.size(-1);
  const int64_t tuples = SizesProduct(indices, 0, indices.rank - 1);
  const int64_t slice = SizesProduct(data, static_cast<int>(q), data.rank);
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t at = 0;
    for (int64_t i = 0; i < q; ++i) {
      at = at * data.sizes[i] + IndexAt(indices, t * q + i, data.sizes[i]);
    }
    T* to = args.outs[0].as<T>() + at * slice;
    const T* from = args.ins[2].as<const T>() + t * slice;
    if (combine == Combine::kNone) {
      std::memcpy(to, from, slice * sizeof(T));
    } else {
      CombineRun(to, from, slice, combine);
    }
  }
}

template <typename T>
void ScatterElements(const LaunchArgs& args, int axis, Combine combine) {
  const Tensor& data = args.ins[0];
  const Tensor& indices = args.ins[1];
  int64_t strides[kMaxRank];
  int64_t stride = 1;
  for (int d = data.rank - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= data.sizes[d];
  }
  const int64_t n = indices.elements();
  for (int64_t item = 0; item < n; ++item) {
    int64_t i = item, at = IndexAt(indices, item, data.sizes[axis]) * strides[axis];
    for (int d = indices.rank - 1; d >= 0; --d) {
      at += d == axis ? 0 : i % indices.sizes[d] * strides[d];
      i /= indices.sizes[d];
    }
    CombineRun(args.outs[0].as<T>() + at, args.ins[2].as<const T>() + item, 1, combine);
  }
}

// Without a combination only the size of an element matters; with one, its type.
template <typename Body>
absl::Status Dispatch(DType dtype, Combine combine, Body&& body) {
  return combine == Combine::kNone ? DispatchSize(dtype, body) : DispatchNumber(dtype, body);
}

void CopyData(const LaunchArgs& args) {
  const Tensor& data = args.ins[0];
  ParallelMemcpy(data.data, args.outs[0].data, ByteSize(data.dtype, data.elements()), args.pool);
}

absl::Status RunNd(const LaunchArgs& args) {
  const Combine combine = static_cast<const ScatterConfig*>(args.config)->combine;
  const Tensor& data = args.ins[0];
  const int64_t q = args.ins[1].size(-1);
  if (q > data.rank) {
    return absl::InvalidArgumentError(absl::StrCat("indices: ", q, " a tuple for data of rank ", data.rank));
  }
  RETURN_IF_ERROR(CheckTuples(args.ins[1], q, data, 0));
  CopyData(args);
  if (args.ins[2].elements() == 0) {
    return absl::OkStatus();
  }
  return Dispatch(data.dtype, combine, [&](auto tag) { ScatterNd<typename decltype(tag)::type>(args, combine); });
}

absl::Status RunElements(const LaunchArgs& args) {
  const auto& config = *static_cast<const ScatterConfig*>(args.config);
  const Tensor& data = args.ins[0];
  ASSIGN_OR_RETURN(const int axis, Axis(config.axis, data.rank));
  RETURN_IF_ERROR(CheckIndices(args.ins[1], data.sizes[axis], args.pool));
  CopyData(args);
  if (args.ins[1].elements() == 0) {
    return absl::OkStatus();
  }
  return Dispatch(data.dtype, config.combine,
                  [&](auto tag) { ScatterElements<typename decltype(tag)::type>(args, axis, config.combine); });
}

}  // namespace

extern const CpuKernel kScatterNd;
const CpuKernel kScatterNd = {.name = "scatter_nd", .prepare = Prepare, .run = RunNd, .in_place = true};
extern const CpuKernel kScatterElements;
const CpuKernel kScatterElements = {
    .name = "scatter_elements", .prepare = Prepare, .run = RunElements, .in_place = true};

}  // namespace sluice::kernels
