// Elements chosen by tuples or along an axis.  An index outside a dimension reads and writes the nearest end: a kernel
// has no way to refuse.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/reduce/reduce.cuh"

namespace sl {

__device__ __forceinline__ int64_t inside(int64_t index, int64_t n) {
  index += index < 0 ? n : 0;
  return index < 0 ? 0 : index >= n ? n - 1 : index;
}

// How an update joins what is there.
struct Replace {
  template <typename T>
  __device__ __forceinline__ T operator()(T, T update) const {
    return update;
  }
};
template <Fold kFold>
struct Joined {
  template <typename T>
  __device__ __forceinline__ T operator()(T old, T update) const {
    using M = typename Folded<T>::type;
    return unfolded<T>(join<kFold>(folded<M>(old), folded<M>(update)));
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

// One block: data copied, then the updates in order, so that equal indices have one answer.  Threads share a slice.
template <int kTuple, typename T, typename I, int RD, int RI, int RU, typename Join>
__device__ __forceinline__ void scatter_nd(const Step* step, const Arg<RD>& da, const Arg<RI>& ia, const Arg<RU>& ua,
                                           const Arg<RD>& ya, Join join) {
  const View<const T, RD> data(step, da);
  const View<const I, RI> indices(step, ia);
  const View<const T, RU> updates(step, ua);
  const View<T, RD> y(step, ya);
  const int64_t total = product(data, 0, RD), slice = product(data, kTuple, RD), tuples = product(indices, 0, RI - 1);
  for (int64_t n = threadIdx.x; n < total; n += blockDim.x) {
    y.data[n] = data.data[n];
  }
  __syncthreads();
  // A thread owns the elements of one number modulo the block in every slice: two updates of one element are its own.
  for (int64_t n = threadIdx.x; n < slice; n += blockDim.x) {
    for (int64_t t = 0; t < tuples; ++t) {
      int64_t at = 0;
#pragma unroll
      for (int i = 0; i < kTuple; ++i) {
        const int64_t size = data.size(i);
        at = at * size + inside(static_cast<int64_t>(indices.data[t * kTuple + i]), size);
      }
      T& to = y.data[at * slice + n];
      to = join(to, updates.data[t * slice + n]);
    }
  }
}

// One block: data copied, then updates; a thread owns lines along the axis, which never meet.
template <int kAxis, typename T, typename I, int R, typename Join>
__device__ __forceinline__ void scatter_elements(const Step* step, const Arg<R>& da, const Arg<R>& ia,
                                                 const Arg<R>& ua, const Arg<R>& ya, Join join) {
  const View<const T, R> data(step, da);
  const View<const I, R> indices(step, ia);
  const View<const T, R> updates(step, ua);
  const View<T, R> y(step, ya);
  const int64_t total = product(data, 0, R);
  for (int64_t n = threadIdx.x; n < total; n += blockDim.x) {
    y.data[n] = data.data[n];
  }
  __syncthreads();
  const int64_t length = indices.size(kAxis), lines = length == 0 ? 0 : product(indices, 0, R) / length;
  for (int64_t line = threadIdx.x; line < lines; line += blockDim.x) {
    int64_t rest = line, from = 0, to = 0, from_stride = 1, to_stride = 1, from_step = 0, to_step = 0;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      if (d == kAxis) {
        from_step = from_stride;
        to_step = to_stride;
      } else {
        const int64_t own = rest % indices.size(d);
        rest /= indices.size(d);
        from += own * from_stride;
        to += own * to_stride;
      }
      from_stride *= indices.size(d);
      to_stride *= data.size(d);
    }
    for (int64_t i = 0; i < length; ++i) {
      const int64_t n = from + i * from_step;
      T& cell = y.data[to + inside(static_cast<int64_t>(indices.data[n]), data.size(kAxis)) * to_step];
      cell = join(cell, updates.data[n]);
    }
  }
}

}  // namespace sl
