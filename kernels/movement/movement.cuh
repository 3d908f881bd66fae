// Kernels that move elements: each element of the result comes from one place, which its index gives.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"

namespace sl {

// out[i] = in[from(i)]: `From::at(in, index)` is the element's offset in `in`.  T: any type of the elements' width.
template <typename From, typename T, int RI, int RO>
__device__ __forceinline__ void move(const Step* step, const Arg<RI>& x, const Arg<RO>& y) {
  const View<const T, RI> in(step, x);
  const View<T, RO> out(step, y);
  int64_t sizes[RO > 0 ? RO : 1], strides[RO > 0 ? RO : 1];
#pragma unroll
  for (int d = 0; d < RO; ++d) {
    sizes[d] = out.size(d);
    strides[d] = out.stride(d);
  }
  walk<1>(product(out, 0, RO), [&](auto at, auto) {
    using I = decltype(at);
    I rest = at;
    int64_t index[RO > 0 ? RO : 1];
    int64_t to = 0;
#pragma unroll
    for (int d = RO - 1; d >= 0; --d) {
      const I size = static_cast<I>(sizes[d]);
      const I upper = rest / size;
      index[d] = static_cast<int64_t>(rest - upper * size);
      to += index[d] * strides[d];
      rest = upper;
    }
    out.data[to] = in.data[From::at(in, index)];
  });
}

// Dimension d of the result walks dimension kFrom[d] of the source (-1: none).
template <int... kFrom>
struct Permuted {
  template <typename V>
  __device__ static __forceinline__ int64_t at(const V& in, const int64_t* index) {
    int64_t sum = 0;
    int d = 0;
    ((sum += kFrom < 0 ? 0 : index[d] * in.stride(kFrom < 0 ? 0 : kFrom), ++d), ...);
    return sum;
  }
};

// Dimension d is walked backwards where bit d is set.
template <int kRank, unsigned kAxes>
struct Reversed {
  template <typename V>
  __device__ static __forceinline__ int64_t at(const V& in, const int64_t* index) {
    int64_t sum = 0;
#pragma unroll
    for (int d = 0; d < kRank; ++d) {
      sum += ((kAxes >> d & 1) != 0 ? in.size(d) - 1 - index[d] : index[d]) * in.stride(d);
    }
    return sum;
  }
};

// Repeated along every dimension.
template <int kRank>
struct Tiled {
  template <typename V>
  __device__ static __forceinline__ int64_t at(const V& in, const int64_t* index) {
    int64_t sum = 0;
#pragma unroll
    for (int d = 0; d < kRank; ++d) {
      sum += index[d] % in.size(d) * in.stride(d);
    }
    return sum;
  }
};

// data [outer, n, inner] at indices [count] → [outer, count, inner], all dense.  An index outside [-n, n) reads the
// nearest end: a kernel has no way to refuse.
template <int kAxis, typename T, typename I, int RD, int RI, int RO>
__device__ __forceinline__ void gather(const Step* step, const Arg<RD>& d, const Arg<RI>& i, const Arg<RO>& y) {
  const View<const T, RD> data(step, d);
  const View<const I, RI> indices(step, i);
  const View<T, RO> out(step, y);
  const int64_t n = data.size(kAxis), inner = product(data, kAxis + 1, RD), count = product(indices, 0, RI);
  walk<1>(product(out, 0, RO), [&](auto at, auto) {
    using U = decltype(at);
    const U row = at / static_cast<U>(inner), column = at - row * static_cast<U>(inner);
    const U outer = row / static_cast<U>(count), number = row - outer * static_cast<U>(count);
    int64_t from = static_cast<int64_t>(indices.data[number]);
    from += from < 0 ? n : 0;
    from = from < 0 ? 0 : from >= n ? n - 1 : from;
    out.data[at] = data.data[(static_cast<int64_t>(outer) * n + from) * inner + column];
  });
}

}  // namespace sl
