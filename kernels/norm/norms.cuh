// Norms and softmax: each result row needs one input row, in f32 (f64 for f64).
#pragma once
#include "kernels/norm/rows.cuh"

namespace sl {

// x [..., d], w [d] or absent → x / sqrt(mean(x²) + eps) · w.  kAhead: no kernel writes the weights, so they are read
// before this one's turn.
template <class How, bool kAhead, bool kHold, typename T, typename W, int R>
__device__ __forceinline__ void rms_norm(const Step* step, const Arg<R>& xa, const Arg<1>& wa, const Arg<R>& ya,
                                         double eps) {
  using M = wide<T>;
  const Known<const T, R> x(step, xa);
  const Known<T, R> y(step, ya);
  const int64_t d = x.size(R - 1), rows = product(x, 0, R - 1);
  const Weights<How, kHold, W> w(View<const W, 1>(step, wa).data, d);
  const bool whole = w.whole();
  const M share = M(1) / static_cast<M>(d);
  if constexpr (kAhead) {
    take_turns();
  }
  for_rows<How>(x.data, y.data, rows, d, whole, [&](auto how, auto& row, T* out) {
    constexpr int N = decltype(how)::kVector;
    Chains<M, Add> squares(0);
    row.each([&](Word, const M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        squares.take(j, v[j] * v[j]);
      }
    });
    const M inverse = inverse_root(row.reduce(squares.all(), Add()) * share + static_cast<M>(eps));
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
template <class How, bool kAhead, bool kHold, typename T, typename W, int R>
__device__ __forceinline__ void layer_norm(const Step* step, const Arg<R>& xa, const Arg<1>& wa, const Arg<1>& ba,
                                           const Arg<R>& ya, double eps) {
  using M = wide<T>;
  const Known<const T, R> x(step, xa);
  const Known<T, R> y(step, ya);
  const int64_t d = x.size(R - 1), rows = product(x, 0, R - 1);
  const Weights<How, kHold, W> w(View<const W, 1>(step, wa).data, d), b(View<const W, 1>(step, ba).data, d);
  const bool whole = w.whole() && b.whole();
  const M share = M(1) / static_cast<M>(d);
  if constexpr (kAhead) {
    take_turns();
  }
  for_rows<How>(x.data, y.data, rows, d, whole, [&](auto how, auto& row, T* out) {
    constexpr int N = decltype(how)::kVector;
    Chains<M, Add> sum(0), squares(0);
    row.each([&](Word, const M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        sum.take(j, v[j]);
      }
    });
    const M mean = row.reduce(sum.all(), Add()) * share;
    row.each([&](Word, const M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        squares.take(j, (v[j] - mean) * (v[j] - mean));
      }
    });
    const M inverse = inverse_root(row.reduce(squares.all(), Add()) * share + static_cast<M>(eps));
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

// e^(x − max) / sum along the last axis, or its logarithm.  A row of −inf gives NaN.  Each thread's exponentials are
// those of its own largest value until all threads' are known.
template <class How, bool kLog, typename T, int R>
__device__ __forceinline__ void softmax(const Step* step, const Arg<R>& xa, const Arg<R>& ya) {
  using M = wide<T>;
  using Tail = sl::Tail<M>;
  const View<const T, R> x(step, xa);
  const int64_t rows = product(x, 0, R - 1);
  for_rows<How>(x.data, View<T, R>(step, ya).data, rows, x.size(R - 1), true, [&](auto how, auto& row, T* out) {
    constexpr int N = decltype(how)::kVector;
    constexpr bool kHeld = decltype(how)::kHeld;
    Tail own = {-bits_as<float>(0x7f800000u), M(0)};
    if constexpr (kHeld) {
      Chains<M, Largest> top(own.top);
      row.each([&](Word, const M(&v)[N]) {
#pragma unroll
        for (int j = 0; j < N; ++j) {
          top.take(j, v[j]);
        }
      });
      own.top = top.all();
    }
    Chains<M, Add> sum(0);
    row.each([&](Word, M(&v)[N]) {  // what is held becomes the exponentials
      if constexpr (!kHeld) {
        M top = own.top;
#pragma unroll
        for (int j = 0; j < N; ++j) {
          top = maximum(top, v[j]);
        }
        sum.scale(Tail::weight(own.top, top));
        own.top = top;
      }
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const M e = Tail::weight(v[j], own.top);
        sum.take(j, e);
        v[j] = kLog ? v[j] : e;
      }
    });
    own.sum = sum.all();
    const Tail all = row.reduce(own);
    const M top = all.top, shift = kLog ? log_(all.sum) : Tail::weight(own.top, top) / all.sum;
    const M scale = kLog || kHeld ? shift : M(1) / all.sum;
    row.finish(out, [&](Word, M(&v)[N]) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        v[j] = kLog ? v[j] - top - scale : (kHeld ? v[j] : Tail::weight(v[j], top)) * scale;
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
