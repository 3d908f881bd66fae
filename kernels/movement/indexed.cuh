// Elements chosen by tuples or along an axis.  An index outside a dimension reads and writes the nearest end: a kernel
// has no way to refuse.
#pragma once
#include "kernels/device/grid.cuh"
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"
#include "kernels/reduce/reduce.cuh"

namespace sl {

__device__ __forceinline__ int64_t inside(int64_t index, int64_t n) {
  index += index < 0 ? n : 0;
  return index < 0 ? 0 : index >= n ? n - 1 : index;
}

// How an update joins what is there.
struct Replace {
  static constexpr bool kReplaces = true;
  template <typename T>
  __device__ __forceinline__ T operator()(T, T update) const {
    return update;
  }
};
template <Fold kFold>
struct Joined {
  static constexpr bool kReplaces = false;
  template <typename T>
  __device__ __forceinline__ T operator()(T old, T update) const {
    using M = typename Folded<T>::type;
    return Folded<T>::to(join<kFold>(Folded<T>::from(old), Folded<T>::from(update)));
  }
};

// indices [batch.., .., q] choose slices of data [batch.., ..].
template <int kBatch, int kTuple, typename T, typename I, int RD, int RI, int RO>
__device__ __forceinline__ void gather_nd(const Step* step, const Arg<RD>& da, const Arg<RI>& ia, const Arg<RO>& ya) {
  const View<const T, RD> data(step, da);
  const View<const I, RI> indices(step, ia);
  const View<T, RO> y(step, ya);
  const int64_t batches = product(data, 0, kBatch), tuples = product(indices, 0, RI - 1);
  const int64_t slice = product(data, kBatch + kTuple, RD), batch = product(data, kBatch, RD);
  const int64_t total = tuples * slice, each = batches == 0 ? 1 : tuples / batches;
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    const int64_t t = n / slice;
    int64_t at = 0;
#pragma unroll
    for (int i = 0; i < kTuple; ++i) {
      const int64_t size = data.size(kBatch + i);
      at = at * size + inside(static_cast<int64_t>(indices.data[t * kTuple + i]), size);
    }
    y.data[n] = data.data[t / each * batch + at * slice + n % slice];
  }
}

// out[.., i, ..] = data[.., indices[.., i, ..], ..].
template <int kAxis, typename T, typename I, int R>
__device__ __forceinline__ void gather_elements(const Step* step, const Arg<R>& da, const Arg<R>& ia,
                                                const Arg<R>& ya) {
  const View<const T, R> data(step, da);
  const View<const I, R> indices(step, ia);
  const View<T, R> y(step, ya);
  const int64_t total = product(indices, 0, R);
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    int64_t rest = n, at = 0, stride = 1;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      const int64_t size = data.size(d), own = rest % indices.size(d);
      at += (d == kAxis ? inside(static_cast<int64_t>(indices.data[n]), size) : own) * stride;
      rest /= indices.size(d);
      stride *= size;
    }
    y.data[n] = data.data[at];
  }
}

// Where result and data are not the same memory: the data, by all threads of the grid, which then meet.
template <typename T>
__device__ __forceinline__ void begin_scatter(const T* data, T* y, int64_t total, GridBarrier& barrier) {
  if (data != y) {
    walk<16 / sizeof(T)>(total, [&](auto at, auto lanes) { store(y + at, load<lanes.value>(data + at)); });
    barrier.sync();
  }
}

// y = data with the updates joined in.  Updates that replace never meet (ONNX); those that join are made in order, so
// that equal indices have one answer: a thread then owns the elements of one number in every slice.
template <int kTuple, typename T, typename I, int RD, int RI, int RU, typename Join>
__device__ __forceinline__ void scatter_nd(const Step* step, const Arg<RD>& da, const Arg<RI>& ia, const Arg<RU>& ua,
                                           const Arg<RD>& ya, Join join, uint32_t* counters) {
  const View<const T, RD> data(step, da);
  const View<const I, RI> indices(step, ia);
  const View<const T, RU> updates(step, ua);
  const View<T, RD> y(step, ya);
  const int64_t slice = product(data, kTuple, RD), tuples = product(indices, 0, RI - 1);
  GridBarrier barrier(counters, gridDim.x);
  begin_scatter(data.data, y.data, product(data, 0, RD), barrier);
  const auto update = [&](int64_t t, int64_t n) {
    int64_t at = 0;
#pragma unroll
    for (int i = 0; i < kTuple; ++i) {
      const int64_t size = data.size(i);
      at = at * size + inside(static_cast<int64_t>(indices.data[t * kTuple + i]), size);
    }
    T& to = y.data[at * slice + n];
    to = join(to, updates.data[t * slice + n]);
  };
  constexpr bool kFree = Join::kReplaces;
  const int64_t first = blockIdx.x * int64_t(blockDim.x) + threadIdx.x, threads = int64_t(gridDim.x) * blockDim.x;
  for (int64_t n = first; n < (kFree ? tuples * slice : slice); n += threads) {
    for (int64_t t = kFree ? n / slice : 0; t < (kFree ? n / slice + 1 : tuples); ++t) {
      update(t, kFree ? n % slice : n);
    }
  }
  barrier.leave();
}

// The same along an axis; updates that join in are made line by line, a thread each: lines never meet.
template <int kAxis, typename T, typename I, int R, typename Join>
__device__ __forceinline__ void scatter_elements(const Step* step, const Arg<R>& da, const Arg<R>& ia, const Arg<R>& ua,
                                                 const Arg<R>& ya, Join join, uint32_t* counters) {
  const View<const T, R> data(step, da);
  const View<const I, R> indices(step, ia);
  const View<const T, R> updates(step, ua);
  const View<T, R> y(step, ya);
  const int64_t length = indices.size(kAxis), all = product(indices, 0, R), lines = length == 0 ? 0 : all / length;
  const int64_t from_step = product(indices, kAxis + 1, R), to_step = product(data, kAxis + 1, R);
  GridBarrier barrier(counters, gridDim.x);
  begin_scatter(data.data, y.data, product(data, 0, R), barrier);
  constexpr bool kFree = Join::kReplaces;
  const int64_t first = blockIdx.x * int64_t(blockDim.x) + threadIdx.x, threads = int64_t(gridDim.x) * blockDim.x;
  for (int64_t n = first; n < (kFree ? all : lines); n += threads) {
    // Free: the axis is walked outermost, so that neighbouring threads stay in neighbouring lines.
    int64_t rest = kFree ? n % lines : n, from = 0, to = 0, from_stride = 1, to_stride = 1;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      if (d != kAxis) {
        const int64_t own = rest % indices.size(d);
        rest /= indices.size(d);
        from += own * from_stride;
        to += own * to_stride;
      }
      from_stride *= indices.size(d);
      to_stride *= data.size(d);
    }
    for (int64_t i = kFree ? n / lines : 0; i < (kFree ? n / lines + 1 : length); ++i) {
      const int64_t at = from + i * from_step;
      T& cell = y.data[to + inside(static_cast<int64_t>(indices.data[at]), data.size(kAxis)) * to_step];
      cell = join(cell, updates.data[at]);
    }
  }
  barrier.leave();
}

}  // namespace sl
