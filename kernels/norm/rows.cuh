// Norms and softmax: each result row needs one input row, in f32 (f64 for f64).  A row lies dense in memory, in words
// of 16 bytes where its length allows; its threads hold it in registers where it fits, and read it again where not.
#pragma once
#include "kernels/device/block_reduce.cuh"
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"

namespace sl {

// kThreads: of a row, a power of two; below 256, several rows share a block.  kVector: elements of a word; the row's
// length is a multiple.  kWords: that a thread holds, enough for the row; 0: none.
template <int kThreads_, int kVector_, int kWords_>
struct RowHow {
  static constexpr int kThreads = kThreads_, kVector = kVector_, kWords = kWords_;
  static constexpr bool kHeld = kWords > 0;
  static constexpr int kBlock = kThreads > 256 ? kThreads : 256, kRows = kBlock / kThreads;
};

// One of a thread's words of a row, and its first element.
struct Word {
  int64_t number, first;
};

// This thread's words of one row: word w is the elements from (w · kThreads + thread) · kVector on.
template <class How, typename T>
struct Row {
  using M = wide<T>;
  static constexpr int kVector = How::kVector;

  const T* in;  // null: a row beyond the last
  int64_t size;
  M held[How::kHeld ? How::kWords : 1][kVector];

  __device__ __forceinline__ Row(const T* in, int64_t size) : in(in), size(in == nullptr ? 0 : size) {
    if constexpr (How::kHeld) {
#pragma unroll
      for (int w = 0; w < How::kWords; ++w) {
        if (at(w) < this->size) {
          fetch(at(w), held[w]);
        }
      }
    }
  }
  __device__ static __forceinline__ int64_t at(int64_t word) {
    return (word * How::kThreads + threadIdx.x % How::kThreads) * kVector;
  }
  __device__ __forceinline__ void fetch(int64_t i, M (&to)[kVector]) const {
    const Pack<T, kVector> pack = load<kVector>(in + i);
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      to[j] = widen(pack.at[j]);
    }
  }
  // body(word, values) for each word; changes to the values stay where they are held.
  template <typename Body>
  __device__ __forceinline__ void each(Body body) {
    if constexpr (How::kHeld) {
#pragma unroll
      for (int w = 0; w < How::kWords; ++w) {
        if (at(w) < size) {
          body(Word{w, at(w)}, held[w]);
        }
      }
    } else {
      for (int64_t w = 0; at(w) < size; ++w) {
        fetch(at(w), held[0]);
        body(Word{w, at(w)}, held[0]);
      }
    }
  }
  // The same, and stores the values.
  template <typename Body>
  __device__ __forceinline__ void finish(T* out, Body body) {
    each([&](Word word, M(&v)[kVector]) {
      body(word, v);
      Pack<T, kVector> pack;
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        pack.at[j] = narrow<T>(v[j]);
      }
      store(out + word.first, pack);
    });
  }
  // Over the row's threads; all of them get the result.
  template <typename Op>
  __device__ static __forceinline__ M reduce(M x, Op op) {
    if constexpr (How::kThreads > 32) {
      return row_reduce(x, op);
    } else {
#pragma unroll
      for (int lanes = How::kThreads / 2; lanes > 0; lanes /= 2) {
        x = op(x, __shfl_xor_sync(0xffffffffu, x, lanes));
      }
      return x;
    }
  }
  // Rows of several warps.
  template <typename Op>
  __device__ static __forceinline__ M row_reduce(M x, Op op) {
    constexpr int kWarps = How::kThreads / 32;
    __shared__ M parts[How::kBlock / 32];
    x = warp_reduce(x, op);
    __syncthreads();  // the parts of the reduction before are read
    if (threadIdx.x % 32 == 0) {
      parts[threadIdx.x / 32] = x;
    }
    __syncthreads();
    const M* const mine = parts + threadIdx.x / How::kThreads * kWarps;
    x = mine[0];
#pragma unroll
    for (int w = 1; w < kWarps; ++w) {
      x = op(x, mine[w]);
    }
    return x;
  }
};

// body(row of x, row of y) for the rows of x and y [rows, d], by the threads of each; all threads of a block together.
template <class How, typename T, typename Body>
__device__ __forceinline__ void for_rows(const T* x, T* y, int64_t rows, int64_t d, Body body) {
  for (int64_t first = int64_t(blockIdx.x) * How::kRows; first < rows; first += int64_t(gridDim.x) * How::kRows) {
    const int64_t row = first + threadIdx.x / How::kThreads;
    Row<How, T> in(row < rows ? x + row * d : nullptr, d);
    body(in, y + row * d);
  }
}

// What every row is multiplied by or gets added, [d] or absent, in the precision of sums.  kAhead: each thread holds
// its words, fetched when this is made: before the kernel's turn, where no kernel writes them.
template <class How, bool kAhead, typename W>
struct Weights {
  static constexpr int N = How::kVector;
  const W* w;
  Pack<W, N> held[kAhead ? How::kWords : 1];

  __device__ __forceinline__ Weights(const W* w, int64_t d) : w(w) {
    if constexpr (kAhead) {
#pragma unroll
      for (int i = 0; i < How::kWords; ++i) {
        const int64_t at = Row<How, W>::at(i);
        if (w != nullptr && at < d) {
          held[i] = load<N>(w + at);
        }
      }
    }
  }
  template <typename M>
  __device__ __forceinline__ void get(Word word, M missing, M (&to)[N]) const {
    if (w == nullptr) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        to[j] = missing;
      }
      return;
    }
    const Pack<W, N> pack = kAhead ? held[kAhead ? word.number : 0] : load<N>(w + word.first);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      to[j] = static_cast<M>(widen(pack.at[j]));
    }
  }
};

// x [..., d], w [d] or absent → x / sqrt(mean(x²) + eps) · w.
template <class How, bool kAhead, typename T, typename W, int R>
__device__ __forceinline__ void rms_norm(const Step* step, const Arg<R>& xa, const Arg<1>& wa, const Arg<R>& ya,
                                         double eps) {
  using M = wide<T>;
  constexpr int N = How::kVector;
  const Known<const T, R> x(step, xa);
  const Known<T, R> y(step, ya);
  const int64_t d = x.size(R - 1), rows = product(x, 0, R - 1);
  const Weights<How, kAhead, W> w(View<const W, 1>(step, wa).data, d);
  if constexpr (kAhead) {
    take_turns();
  }
  for_rows<How>(x.data, y.data, rows, d, [&](Row<How, T>& row, T* out) {
    M squares = 0;
    row.each([&](Word, const M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        squares += v[j] * v[j];
      }
    });
    const M mean = row.reduce(squares, Add()) / static_cast<M>(d), inverse = M(1) / sqrt_(mean + static_cast<M>(eps));
    row.finish(out, [&](Word word, M(&v)[N]) {
      M scale[N];
      w.get(word, M(1), scale);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        v[j] = v[j] * inverse * scale[j];
      }
    });
  });
}

// x [..., d], w [d], b [d] or absent → (x − mean) / sqrt(var + eps) · w + b.
template <class How, bool kAhead, typename T, typename W, int R>
__device__ __forceinline__ void layer_norm(const Step* step, const Arg<R>& xa, const Arg<1>& wa, const Arg<1>& ba,
                                           const Arg<R>& ya, double eps) {
  using M = wide<T>;
  constexpr int N = How::kVector;
  const Known<const T, R> x(step, xa);
  const Known<T, R> y(step, ya);
  const int64_t d = x.size(R - 1), rows = product(x, 0, R - 1);
  const Weights<How, kAhead, W> w(View<const W, 1>(step, wa).data, d), b(View<const W, 1>(step, ba).data, d);
  if constexpr (kAhead) {
    take_turns();
  }
  for_rows<How>(x.data, y.data, rows, d, [&](Row<How, T>& row, T* out) {
    M sum = 0, squares = 0;
    row.each([&](Word, const M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        sum += v[j];
      }
    });
    const M mean = row.reduce(sum, Add()) / static_cast<M>(d);
    row.each([&](Word, const M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        squares += (v[j] - mean) * (v[j] - mean);
      }
    });
    const M variance = row.reduce(squares, Add()) / static_cast<M>(d);
    const M inverse = M(1) / sqrt_(variance + static_cast<M>(eps));
    row.finish(out, [&](Word word, M(&v)[N]) {
      M scale[N], shift[N];
      w.get(word, M(1), scale);
      b.get(word, M(0), shift);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        v[j] = (v[j] - mean) * inverse * scale[j] + shift[j];
      }
    });
  });
}

// e^(x − max) / sum along the last axis, or its logarithm.  A row of −inf gives NaN.
template <class How, bool kLog, typename T, int R>
__device__ __forceinline__ void softmax(const Step* step, const Arg<R>& xa, const Arg<R>& ya) {
  using M = wide<T>;
  constexpr int N = How::kVector;
  const View<const T, R> x(step, xa);
  for_rows<How>(x.data, View<T, R>(step, ya).data, product(x, 0, R - 1), x.size(R - 1), [&](Row<How, T>& row, T* out) {
    M top = -bits_as<float>(0x7f800000u), sum = 0;
    row.each([&](Word, const M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        top = maximum(top, v[j]);
      }
    });
    top = row.reduce(top, Largest());
    row.each([&](Word, M(&v)[N]) {  // what is held becomes the exponentials
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const M e = exp_(v[j] - top);
        sum += e;
        v[j] = kLog ? v[j] : e;
      }
    });
    sum = row.reduce(sum, Add());
    const M inverse = kLog ? log_(sum) : M(1) / sum;
    row.finish(out, [&](Word, M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        v[j] = kLog ? v[j] - top - inverse : (How::kHeld ? v[j] : exp_(v[j] - top)) * inverse;
      }
    });
  });
}

// The same along another axis: neighbouring threads take neighbouring columns.
template <int kAxis, bool kLog, typename T, int R>
__device__ __forceinline__ void softmax_columns(const Step* step, const Arg<R>& xa, const Arg<R>& ya) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  T* const y = View<T, R>(step, ya).data;
  const int64_t d = x.size(kAxis), inner = product(x, kAxis + 1, R), columns = product(x, 0, kAxis) * inner;
  walk<1>(columns, [&](auto column, auto) {
    const int64_t at = static_cast<int64_t>(column), base = at / inner * d * inner + at % inner;
    M top = -bits_as<float>(0x7f800000u), sum = 0;
    for (int64_t i = 0; i < d; ++i) {
      top = maximum(top, static_cast<M>(widen(x.data[base + i * inner])));
    }
    for (int64_t i = 0; i < d; ++i) {
      sum += exp_(static_cast<M>(widen(x.data[base + i * inner])) - top);
    }
    const M inverse = kLog ? log_(sum) : M(1) / sum;
    for (int64_t i = 0; i < d; ++i) {
      const M v = static_cast<M>(widen(x.data[base + i * inner])) - top;
      y[base + i * inner] = narrow<T>(kLog ? v - inverse : exp_(v) * inverse);
    }
  });
}

}  // namespace sl
