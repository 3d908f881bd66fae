// Kernels that move elements: each element of the result comes from one place, which its index gives.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"

namespace sl {

// What a thread holds of one access: elements, and where they belong.
template <typename T, int N>
struct Moved {
  int64_t to;
  Pack<T, N> pack;
};

// out[i] = in[from(i)]: `From::at(in, index)` is the element's offset in `in`.  T: any type of the elements' width.
// kLanes: neighbours of the last dimension moved at a time; more than one where that dimension is a multiple and comes
// from neighbours.
template <int kLanes, typename From, typename T, int RI, int RO>
__device__ __forceinline__ void move(const Share& blocks, const Step* step, const Arg<RI>& x, const Arg<RO>& y) {
  constexpr int kAhead = 4;
  const Known<const T, RI> in(step, x);
  const Known<T, RO> out(step, y);
  wait_for_previous();
  const int64_t in_step = RI > 0 ? in.stride(RI > 0 ? RI - 1 : 0) : 1,
                step_out = RO > 0 ? out.stride(RO > 0 ? RO - 1 : 0) : 1;
  const auto read = [&](auto at, auto lanes) {
    using I = decltype(at);
    I rest = at;
    int64_t index[RO > 0 ? RO : 1];
    Moved<T, lanes.value> moved = {};
#pragma unroll
    for (int d = RO - 1; d >= 0; --d) {
      const I size = static_cast<I>(out.size(d));
      const I upper = rest / size;
      index[d] = static_cast<int64_t>(rest - upper * size);
      moved.to += index[d] * out.stride(d);
      rest = upper;
    }
    moved.pack = load<lanes.value>(in.data + From::at(in, index), in_step);
    return moved;
  };
  walk_ahead<kLanes, kAhead>(blocks, product(out, 0, RO), read,
                             [&](const auto& moved) { store(out.data + moved.to, step_out, moved.pack); });
}

// kLanes elements `step` apart, those from number `inside` on left alone: one access for whole neighbours.
template <int kLanes, typename T>
__device__ __forceinline__ Pack<T, kLanes> load_up_to(const T* from, int64_t step, int64_t inside) {
  if (step == 1 && inside >= kLanes) {
    return load<kLanes>(from);
  }
  Pack<T, kLanes> pack = {};
#pragma unroll
  for (int i = 0; i < kLanes; ++i) {
    if (i < inside) {
      pack.at[i] = from[i * step];
    }
  }
  return pack;
}
template <int kLanes, typename T>
__device__ __forceinline__ void store_up_to(T* to, int64_t step, int64_t inside, const Pack<T, kLanes>& pack) {
  if (step == 1 && inside >= kLanes) {
    store(to, pack);
    return;
  }
#pragma unroll
  for (int i = 0; i < kLanes; ++i) {
    if (i < inside) {
      to[i * step] = pack.at[i];
    }
  }
}

// The same where the last dimension of the result is dimension kColumn of the source, and the source's last is
// dimension kRow of the result: squares are read along one and written along the other, 4 neighbours a thread.
template <int kRow, int kColumn, typename From, typename T, int R>
__device__ __forceinline__ void transpose_squares(const Step* step, const Arg<R>& x, const Arg<R>& y) {
  constexpr int kSide = sizeof(T) == 8 ? 32 : 64, kLanes = 4, kAcross = kSide / kLanes, kDown = 256 / kAcross;
  __shared__ T square[kSide][kSide + 4 / sizeof(T) + (sizeof(T) > 4)];
  const View<const T, R> in(step, x);
  const View<T, R> out(step, y);
  const int64_t rows = out.size(kRow), columns = out.size(R - 1);
  const int across = static_cast<int>((columns + kSide - 1) / kSide),
            down = static_cast<int>((rows + kSide - 1) / kSide);
  int tiles = across * down;
#pragma unroll
  for (int d = 0; d < R - 1; ++d) {
    tiles *= d == kRow ? 1 : static_cast<int>(out.size(d));
  }
  const int lane = threadIdx.x % kAcross * kLanes, line = threadIdx.x / kAcross;
  const int64_t in_line = in.stride(kColumn), out_line = out.stride(kRow);
  const int64_t in_step = in.stride(R - 1), out_step = out.stride(R - 1);
  for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    int rest = tile / across;
    int64_t to = 0, index[R];
    const int64_t column0 = int64_t(tile - rest * across) * kSide, row0 = int64_t(rest % down) * kSide;
    rest /= down;
#pragma unroll
    for (int d = R - 2; d >= 0; --d) {
      const int size = d == kRow ? 1 : static_cast<int>(out.size(d)), upper = rest / size;
      index[d] = d == kRow ? row0 : rest - upper * size;
      rest = upper;
      to += index[d] * out.stride(d);
    }
    index[R - 1] = column0;
    const T* const from = in.data + From::at(in, index);
    T* const into = out.data + to + column0 * out_step;
    __syncthreads();  // the square before is read
#pragma unroll
    for (int i = line; i < kSide; i += kDown) {
      if (column0 + i < columns) {
        const auto pack = load_up_to<kLanes>(from + i * in_line + lane * in_step, in_step, rows - row0 - lane);
#pragma unroll
        for (int j = 0; j < kLanes; ++j) {
          square[i][lane + j] = pack.at[j];
        }
      }
    }
    __syncthreads();
#pragma unroll
    for (int i = line; i < kSide; i += kDown) {
      if (row0 + i < rows) {
        Pack<T, kLanes> pack;
#pragma unroll
        for (int j = 0; j < kLanes; ++j) {
          pack.at[j] = square[lane + j][i];
        }
        store_up_to(into + i * out_line + lane * out_step, out_step, columns - column0 - lane, pack);
      }
    }
  }
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

// data [outer, n, inner] at indices [count] → [outer, count, inner], all dense; kLanes neighbours of inner at a time.
// An index outside [-n, n) reads the nearest end: a kernel has no way to refuse.
template <int kLanes, int kAxis, typename T, typename I, int RD, int RI, int RO>
__device__ __forceinline__ void gather(const Share& blocks, const Step* step, const Arg<RD>& d, const Arg<RI>& i,
                                       const Arg<RO>& y) {
  const View<const T, RD> data(step, d);
  const View<const I, RI> indices(step, i);
  const View<T, RO> out(step, y);
  const int64_t n = data.size(kAxis), inner = product(data, kAxis + 1, RD), count = product(indices, 0, RI);
  walk<kLanes>(blocks, product(out, 0, RO), [&](auto at, auto lanes) {
    using U = decltype(at);
    const U row = at / static_cast<U>(inner), column = at - row * static_cast<U>(inner);
    const U outer = row / static_cast<U>(count), number = row - outer * static_cast<U>(count);
    int64_t from = static_cast<int64_t>(indices.data[number]);
    from += from < 0 ? n : 0;
    from = from < 0 ? 0 : from >= n ? n - 1 : from;
    const T* const source = data.data + (static_cast<int64_t>(outer) * n + from) * inner + column;
    store(out.data + at, load<lanes.value>(source));
  });
}

}  // namespace sl
