// Kernels that move elements: each element of the result comes from one place, which its index gives.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"

namespace sl {

// out[i] = in[from(i)]: `From::at(in, index)` is the element's offset in `in`.  T: any type of the elements' width.
// Waits for its turn on its own.
template <typename From, typename T, int RI, int RO>
__device__ __forceinline__ void move(const Share& blocks, const Step* step, const Arg<RI>& x, const Arg<RO>& y) {
  const Known<const T, RI> in(step, x);
  const Known<T, RO> out(step, y);
  wait_for_previous();
  walk_packs<1, 2>(blocks, product(out, 0, RO), true, [&](auto at, auto) {
    using I = decltype(at);
    I rest = at;
    int64_t index[RO > 0 ? RO : 1];
    int64_t to = 0;
#pragma unroll
    for (int d = RO - 1; d >= 0; --d) {
      const I size = static_cast<I>(out.size(d));
      const I upper = rest / size;
      index[d] = static_cast<int64_t>(rest - upper * size);
      to += index[d] * out.stride(d);
      rest = upper;
    }
    const T held = in.data[From::at(in, index)];
    T* const into = out.data + to;
    return [=] { *into = held; };
  });
}

// Dimension d of the result walks dimension source(d) of the source (-1: none).
template <int... kFrom>
struct Permuted {
  __device__ static constexpr int source(int d) {
    const int sources[sizeof...(kFrom) + 1] = {kFrom..., -1};
    return sources[d];
  }
};

// The loops of a permutation: sizes, and how far a step of each goes in the source and in the result.
template <class From, int R>
struct Loops {
  static constexpr int kRank = R > 0 ? R : 1, kLast = kRank - 1;
  int64_t size[kRank], in[kRank], out[kRank];

  template <typename X, typename Y>
  __device__ __forceinline__ Loops(const X& x, const Y& y) : size{1}, in{0}, out{0} {
#pragma unroll
    for (int d = 0; d < R; ++d) {
      size[d] = y.size(d);
      out[d] = y.stride(d);
      in[d] = From::source(d) < 0 ? 0 : x.stride(From::source(d) < 0 ? 0 : From::source(d));
    }
  }
  // Where loops d - 1 and d walk as one, d does the work of both.
  __device__ __forceinline__ void join(int d) {
    if (size[d] == 1) {
      size[d] = size[d - 1], in[d] = in[d - 1], out[d] = out[d - 1];
    } else if (size[d - 1] == 1 || (in[d - 1] == in[d] * size[d] && out[d - 1] == out[d] * size[d])) {
      size[d] *= size[d - 1];
    } else {
      return;
    }
    size[d - 1] = 1;
  }
  // Adds where iteration `number` of all loops but kRow and the last is.
  template <int kRow>
  __device__ __forceinline__ void add_outer(uint32_t number, int64_t& from, int64_t& to) const {
#pragma unroll
    for (int d = kLast - 1; d >= 0; --d) {
      if (d != kRow && size[d] != 1) {
        const uint32_t upper = number / static_cast<uint32_t>(size[d]);
        const int64_t index = number - upper * static_cast<uint32_t>(size[d]);
        from += index * in[d], to += index * out[d];
        number = upper;
      }
    }
  }
};

// The same by loops; kLanes neighbours of the last dimension at a time, of which that is a multiple.  Waits for its
// turn on its own.
template <int kLanes, class From, typename T, int RI, int RO>
__device__ __forceinline__ void permute(const Share& blocks, const Step* step, const Arg<RI>& x, const Arg<RO>& y) {
  const Known<const T, RI> in(step, x);
  const Known<T, RO> out(step, y);
  wait_for_previous();
  Loops<From, RO> loops(in, out);
  constexpr int kLast = decltype(loops)::kLast;
  bool whole = loops.in[kLast] == 1 && loops.out[kLast] == 1 && aligned<kLanes>(in.data) && aligned<kLanes>(out.data);
#pragma unroll
  for (int d = 0; d < kLast; ++d) {
    whole &= loops.size[d] == 1 || (loops.in[d] % kLanes == 0 && loops.out[d] % kLanes == 0);
  }
#pragma unroll
  for (int d = 1; d <= kLast; ++d) {
    loops.join(d);
  }
  walk_packs<kLanes, 2>(blocks, product(out, 0, RO), whole, [&](auto at, auto lanes) {
    using I = decltype(at);
    I rest = at;
    int64_t from = 0, to = 0;
#pragma unroll
    for (int d = kLast; d >= 0; --d) {
      if (loops.size[d] != 1) {
        const I upper = d == 0 ? 0 : rest / static_cast<I>(loops.size[d]);
        const int64_t index = static_cast<int64_t>(rest - upper * static_cast<I>(loops.size[d]));
        from += index * loops.in[d];
        to += index * loops.out[d];
        rest = upper;
      }
    }
    constexpr int kCount = decltype(lanes)::value;
    const auto held = pack_at<kCount>(in.data + from);
    T* const into = out.data + to;
    return [=] { pack_at<kCount>(into) = held; };
  });
}

// Chunks of 16 bytes that a line of kSide elements touches, wherever it begins.
template <typename T, int kSide>
struct Line {
  static constexpr int kLanes = 16 / sizeof(T), kChunks = kSide / kLanes + 1;
  static constexpr int kBlock = 288, kEach = (kSide * kChunks + kBlock - 1) / kBlock;  // of a thread, for kSide lines

  // body(number, line, its first element, the element a chunk begins with) for this thread's chunks of `lines` lines.
  template <typename P, typename Body>
  __device__ static __forceinline__ void each(P* first, int64_t pitch, int64_t step, int lines, Body body) {
#pragma unroll
    for (int e = 0; e < kEach; ++e) {
      const int n = threadIdx.x + e * kBlock, line = n / kChunks;
      if (line < lines) {
        P* const elements = first + line * pitch;
        body(e, line, elements, n % kChunks * kLanes + (step == 1 ? begin(elements) : 0));
      }
    }
  }
  // The element of the line that chunk number 0 begins with: at most 0.
  __device__ static __forceinline__ int begin(const T* line) {
    return -static_cast<int>((reinterpret_cast<uint64_t>(line) & 15) / sizeof(T));
  }
  // Chunk [i, i + kLanes) of the first `inside` elements, which lie `step` apart.  Reads what else is in its 16 bytes.
  __device__ static __forceinline__ Pack<T, kLanes> read(const T* line, int i, int64_t step, int inside) {
    if (step == 1) {
      return i < inside ? pack_at<kLanes>(line + i) : Pack<T, kLanes>();
    }
    Pack<T, kLanes> chunk = {};
#pragma unroll
    for (int j = 0; j < kLanes; ++j) {
      if (i + j >= 0 && i + j < inside) {
        chunk.at[j] = line[(i + j) * step];
      }
    }
    return chunk;
  }
  __device__ static __forceinline__ void write(T* line, int i, int64_t step, int inside, const Pack<T, kLanes>& chunk) {
    if (step == 1 && i >= 0 && i + kLanes <= inside) {
      pack_at<kLanes>(line + i) = chunk;
      return;
    }
#pragma unroll
    for (int j = 0; j < kLanes; ++j) {
      if (i + j >= 0 && i + j < inside) {
        line[(i + j) * step] = chunk.at[j];
      }
    }
  }
};

// Squares of kSide elements a side, of the plane that dimension kRow of the result (the source's last) and its own last
// one span.
template <int kSide, int kRow, class From, int R>
struct Squares {
  Loops<From, R> loops;
  int64_t rows, columns, in_line, in_step, out_line, out_step, across, down, count;

  template <typename T>
  __device__ __forceinline__ Squares(const View<const T, R>& x, const View<T, R>& y) : loops(x, y) {
#pragma unroll
    for (int d = 1; d < R; ++d) {
      if (d - 1 != kRow) {
        loops.join(d);
      }
    }
    rows = loops.size[kRow], columns = loops.size[R - 1];
    in_line = loops.in[R - 1], in_step = loops.in[kRow];
    out_line = loops.out[kRow], out_step = loops.out[R - 1];
    across = (columns + kSide - 1) / kSide, down = (rows + kSide - 1) / kSide;
    count = across * down;
#pragma unroll
    for (int d = 0; d < R - 1; ++d) {
      count *= d == kRow ? 1 : loops.size[d];
    }
  }
  // Whether lines of both sides begin and end at whole words of N elements.
  template <int N, typename T>
  __device__ __forceinline__ bool whole(const T* in, const T* out) const {
    bool all = rows % N == 0 && columns % N == 0 && in_step == 1 && out_step == 1 && in_line % N == 0 &&
               out_line % N == 0 && aligned<N>(in) && aligned<N>(out);
#pragma unroll
    for (int d = 0; d < R - 1; ++d) {
      all &= d == kRow || loops.size[d] == 1 || (loops.in[d] % N == 0 && loops.out[d] % N == 0);
    }
    return all;
  }
  // body(where it begins in the source, and in the result, rows, columns) for this block's squares.
  template <typename Body>
  __device__ __forceinline__ void each(Body body) const {
    for (uint32_t square = blockIdx.x; square < count; square += gridDim.x) {
      const uint32_t upper = square / static_cast<uint32_t>(across);
      const int64_t column0 = int64_t(square - upper * static_cast<uint32_t>(across)) * kSide;
      const int64_t row0 = int64_t(upper % static_cast<uint32_t>(down)) * kSide;
      int64_t at = column0 * in_line + row0 * in_step, to = column0 * out_step + row0 * out_line;
      loops.template add_outer<kRow>(upper / static_cast<uint32_t>(down), at, to);
      body(at, to, static_cast<int>(rows - row0 < kSide ? rows - row0 : kSide),
           static_cast<int>(columns - column0 < kSide ? columns - column0 : kSide));
    }
  }
};

// The same by squares, through shared memory: read along the source's last dimension and written along the result's, by
// chunks of 16 bytes on both sides, of which a thread has all its own on their way at once.
template <int kSide, int kRow, class From, typename T, int R>
__device__ __forceinline__ void transpose_squares(const Step* step, const Arg<R>& x, const Arg<R>& y) {
  using Line = sl::Line<T, kSide>;
  constexpr int kLanes = Line::kLanes;
  // A line of an odd length: chunks that lie below each other, and those that lie beside each other, are in other
  // banks.
  __shared__ T square[kSide][kSide + 1];
  const View<const T, R> in(step, x);
  const View<T, R> out(step, y);
  const Squares<kSide, kRow, From, R> squares(in, out);
  squares.each([&](int64_t at, int64_t to, int high, int wide) {
    const T* const from = in.data + at;
    Pack<uint32_t, 4> held[Line::kEach];  // as words: elements of 1 or 2 bytes would have a register each
    Line::each(from, squares.in_line, squares.in_step, wide, [&](int e, int, const T* line, int i) {
      held[e] = bits_as<Pack<uint32_t, 4>>(Line::read(line, i, squares.in_step, high));
    });
    __syncthreads();  // the square before is written
    Line::each(from, squares.in_line, squares.in_step, wide, [&](int e, int line, const T*, int i) {
      const auto chunk = bits_as<Pack<T, kLanes>>(held[e]);
#pragma unroll
      for (int j = 0; j < kLanes; ++j) {
        if (static_cast<uint32_t>(i + j) < kSide) {
          square[line][i + j] = chunk.at[j];
        }
      }
    });
    __syncthreads();
    Line::each(out.data + to, squares.out_line, squares.out_step, high, [&](int, int line, T* elements, int i) {
      Pack<T, kLanes> chunk;
#pragma unroll
      for (int j = 0; j < kLanes; ++j) {
        chunk.at[j] = static_cast<uint32_t>(i + j) < kSide ? square[i + j][line] : T();
      }
      Line::write(elements, i, squares.out_step, wide, chunk);
    });
  });
}

// N words of N elements, side by side: what was element l of each is word l.
template <int N>
__device__ __forceinline__ void turn_words(uint32_t (&x)[N]) {
  if constexpr (N == 2) {
    const uint32_t low = __byte_perm(x[0], x[1], 0x5410), high = __byte_perm(x[0], x[1], 0x7632);
    x[0] = low, x[1] = high;
  } else if constexpr (N == 4) {
    const uint32_t low[2] = {__byte_perm(x[0], x[1], 0x5140), __byte_perm(x[2], x[3], 0x5140)};
    const uint32_t high[2] = {__byte_perm(x[0], x[1], 0x7362), __byte_perm(x[2], x[3], 0x7362)};
    x[0] = __byte_perm(low[0], low[1], 0x5410), x[1] = __byte_perm(low[0], low[1], 0x7632);
    x[2] = __byte_perm(high[0], high[1], 0x5410), x[3] = __byte_perm(high[0], high[1], 0x7632);
  }
}

// Lines of 16 bytes, as many as elements in each: line l becomes what was element l of each.
template <int L>
__device__ __forceinline__ void turn_lines(Pack<uint32_t, 4> (&lines)[L]) {
  constexpr int kEach = L > 4 ? L / 4 : 1, kWide = L < 4 ? 4 / L : 1;  // elements of a word, words of an element
  Pack<uint32_t, 4> turned[L];
#pragma unroll
  for (int group = 0; group < L / kEach; ++group) {
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      uint32_t words[kEach];
#pragma unroll
      for (int j = 0; j < kEach; ++j) {
        words[j] = lines[kEach * k / kWide + j].at[group * kWide + k % kWide];
      }
      turn_words(words);
#pragma unroll
      for (int j = 0; j < kEach; ++j) {
        turned[group * kEach + j].at[k] = words[j];
      }
    }
  }
#pragma unroll
  for (int l = 0; l < L; ++l) {
    lines[l] = turned[l];
  }
}

// The same by registers, where lines begin and end at whole words of 16 bytes: a thread turns a block of as many lines
// as a word has elements, and writes words of the result's lines side by side, which it gets from shared memory.
template <int kSide, int kRow, class From, typename T, int R>
__device__ __forceinline__ void transpose_blocks(const Step* step, const Arg<R>& x, const Arg<R>& y) {
  using Words = Pack<uint32_t, 4>;
  constexpr int L = 16 / sizeof(T), kWords = kSide / L;
  __shared__ Words turned[kSide][kWords];  // word w of line r is at w ^ (r / L) % 8: each eight lanes use all banks
  const View<const T, R> in(step, x);
  const View<T, R> out(step, y);
  const Squares<kSide, kRow, From, R> squares(in, out);
  const bool whole = squares.template whole<L>(in.data, out.data);
  const int across = threadIdx.x % kWords, down = threadIdx.x / kWords, i = across * L, j = down * L;
  squares.each([&](int64_t at, int64_t to, int high, int wide) {
    const T* const from = in.data + at + j * squares.in_line + i * squares.in_step;
    if (whole) {
      Words lines[L] = {};
      if (i < high && j < wide) {
#pragma unroll
        for (int l = 0; l < L; ++l) {
          lines[l] = *reinterpret_cast<const Words*>(from + l * squares.in_line);
        }
      }
      turn_lines(lines);
      __syncthreads();  // the square before is written
#pragma unroll
      for (int l = 0; l < L; ++l) {
        turned[i + l][down ^ across % 8] = lines[l];
      }
      __syncthreads();
#pragma unroll
      for (int k = 0; k < L; ++k) {
        const int line = k * kWords + down;
        if (line < high && i < wide) {
          *reinterpret_cast<Words*>(out.data + to + line * squares.out_line + i) = turned[line][across ^ line / L % 8];
        }
      }
      return;
    }
    T* const into = out.data + to + i * squares.out_line + j * squares.out_step;
#pragma unroll 1
    for (int n = 0; n < L * L; ++n) {
      const int k = n / L, l = n % L;
      if (i + k < high && j + l < wide) {
        into[k * squares.out_line + l * squares.out_step] = from[l * squares.in_line + k * squares.in_step];
      }
    }
  });
}

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
  const bool whole = aligned<kLanes>(data.data) && aligned<kLanes>(out.data);
  walk_packs<kLanes, 2>(blocks, product(out, 0, RO), whole, [&](auto at, auto lanes) {
    using U = decltype(at);
    const U row = at / static_cast<U>(inner), column = at - row * static_cast<U>(inner);
    const U outer = row / static_cast<U>(count), number = row - outer * static_cast<U>(count);
    int64_t from = static_cast<int64_t>(indices.data[number]);
    from += from < 0 ? n : 0;
    from = from < 0 ? 0 : from >= n ? n - 1 : from;
    constexpr int kCount = decltype(lanes)::value;
    const auto held = pack_at<kCount>(data.data + (static_cast<int64_t>(outer) * n + from) * inner + column);
    T* const into = out.data + at;
    return [=] { pack_at<kCount>(into) = held; };
  });
}

}  // namespace sl
