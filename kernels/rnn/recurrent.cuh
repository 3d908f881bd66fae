// LSTM and GRU in one launch: x · Wᵀ of all steps, then step by step h · Rᵀ and the cell, with a barrier of the grid
// between steps.  A block owns hidden units of one direction for the whole sequence; its rows of R stay in its L1.
#pragma once
#include "kernels/device/block_reduce.cuh"
#include "kernels/device/grid.cuh"
#include "kernels/device/index.cuh"
#include "kernels/gemm/plain_tile.cuh"

namespace sl {

inline constexpr int kRecurrentThreads = 256;

// Length: the element type of seq_lens; kStates: buffers of [b, h] a direction; kReverse: a single direction that runs
// backwards; kFlag: LSTM's input_forget, GRU's linear_before_reset.
template <typename T_, typename Length_, int kGates_, int kStates_, bool kReverse_, bool kFlag_>
struct RecurrentHow {
  using T = T_;
  using Length = Length_;
  static constexpr int kGates = kGates_, kStates = kStates_;
  static constexpr bool kReverse = kReverse_, kFlag = kFlag_;
};

template <class How>
struct Recurrent {
  using T = typename How::T;
  using M = wide<T>;
  static constexpr int kGates = How::kGates;

  const T *x, *w, *r, *bias;            // [t, b, i], [dir, width, i], [dir, width, h], [dir, 2 width] or null
  const typename How::Length* lengths;  // [b] or null
  int64_t steps, batch, input, hidden, directions;
  M* workspace;  // per direction: x · Wᵀ [t, b, width], then kStates of [b, h]
  M clip;        // of what the activations get; 0: none

  __device__ __forceinline__ int64_t width() const { return kGates * hidden; }
  __device__ __forceinline__ int64_t blocks() const { return gridDim.x / directions; }  // of a direction
  __device__ __forceinline__ int64_t direction() const { return blockIdx.x / blocks(); }
  __device__ __forceinline__ M* projected() const {
    return workspace + direction() * (steps * batch * width() + How::kStates * batch * hidden);
  }
  __device__ __forceinline__ M* state(int n) const {
    return projected() + steps * batch * width() + n * batch * hidden;
  }
  // The recurrent weights of unit `unit` in gate 0; kGates rows `hidden · hidden` apart.
  __device__ __forceinline__ const T* weights(int64_t unit) const {
    return r + (direction() * width() + unit) * hidden;
  }

  // projected = x · Wᵀ, by the blocks of the direction.
  __device__ __forceinline__ void project() const {
    const int64_t rows = steps * batch, columns = (width() + 63) / 64, tiles = (rows + 63) / 64 * columns;
    for (int64_t tile = blockIdx.x % blocks(); tile < tiles; tile += blocks()) {
      plain_tile<M>(PlainMatrix<T>{x, input, 1}, true, PlainMatrix<T>{w + direction() * width() * input, 1, input}, true, rows,
                    width(), input, tile / columns, tile % columns,
                    [&](int64_t i, int64_t j, M sum) { projected()[i * width() + j] = sum; });
    }
  }
  // state n = an initial state [dir, b, h], zeros without.
  __device__ __forceinline__ void begin(int n, const T* initial) const {
    const int64_t count = batch * hidden;
    for (int64_t i = blockIdx.x % blocks() * kRecurrentThreads + threadIdx.x; i < count;
         i += blocks() * kRecurrentThreads) {
      state(n)[i] = initial == nullptr ? M(0) : widen(initial[direction() * count + i]);
    }
  }
  __device__ __forceinline__ void end(int n, T* to) const {
    const int64_t count = batch * hidden;
    for (int64_t i = blockIdx.x % blocks() * kRecurrentThreads + threadIdx.x; i < count;
         i += blocks() * kRecurrentThreads) {
      to[direction() * count + i] = narrow<T>(__ldcg(state(n) + i));
    }
  }

  // body(row, unit) by the lanes of one warp, for each of the block's units and each row; always the same warp.
  template <typename Body>
  __device__ __forceinline__ void for_cells(Body body) const {
    const int64_t each = (hidden + blocks() - 1) / blocks(), first = blockIdx.x % blocks() * each;
    const int64_t units = first >= hidden ? 0 : hidden - first < each ? hidden - first : each;
    for (int64_t i = threadIdx.x / 32; i < units * batch; i += kRecurrentThreads / 32) {
      body(i % batch, first + i / batch);
    }
  }
  // sums[g] = from[row] · R of gate kFirst + g of the unit; `from` is a state that other blocks write.
  template <int kFirst, int kCount>
  __device__ __forceinline__ void recur(const M* from, int64_t row, int64_t unit, M (&sums)[kCount]) const {
    const T* const weight = weights(unit) + kFirst * hidden * hidden;
    const M* const h = from + row * hidden;
#pragma unroll
    for (int g = 0; g < kCount; ++g) {
      sums[g] = 0;
    }
    for (int64_t k = threadIdx.x % 32; k < hidden; k += 32) {
      const M value = __ldcg(h + k);
#pragma unroll
      for (int g = 0; g < kCount; ++g) {
        sums[g] += value * widen(weight[g * hidden * hidden + k]);
      }
    }
#pragma unroll
    for (int g = 0; g < kCount; ++g) {
      sums[g] = warp_reduce(sums[g], Add());
    }
  }

  // Where in time step `step` of a row lies: a row that is shorter than the longest ends earlier, and what lies behind
  // its end is zero.
  struct Time {
    int64_t at;
    bool live;
  };
  __device__ __forceinline__ Time time(int64_t step, int64_t row) const {
    const int64_t length = lengths == nullptr ? steps : static_cast<int64_t>(lengths[row]);
    const bool reverse = How::kReverse || direction() == 1;
    return {step < length && reverse ? length - 1 - step : step, step < length};
  }
  __device__ __forceinline__ M input_of(int64_t time, int64_t row, int gate, int64_t unit) const {
    return __ldcg(projected() + (time * batch + row) * width() + gate * hidden + unit);
  }
  // Of x's half (0) or h's (1) of the bias.
  __device__ __forceinline__ M bias_of(int half, int gate, int64_t unit) const {
    return bias == nullptr ? M(0) : widen(bias[(direction() * 2 + half) * width() + gate * hidden + unit]);
  }
  __device__ __forceinline__ int64_t result(int64_t time, int64_t row, int64_t unit) const {
    return ((time * directions + direction()) * batch + row) * hidden + unit;
  }
  // state n, by the warp that writes it or after a barrier.
  __device__ __forceinline__ M held(int n, int64_t row, int64_t unit) const {
    return __ldcg(state(n) + row * hidden + unit);
  }
  __device__ __forceinline__ void hold(int n, int64_t row, int64_t unit, M value) const {
    state(n)[row * hidden + unit] = value;
  }
  __device__ __forceinline__ M clipped(M x) const { return clip > 0 ? (x > clip ? clip : x < -clip ? -clip : x) : x; }
  __device__ __forceinline__ M gate(M x) const { return M(1) / (M(1) + exp_(-clipped(x))); }
};

template <class How, int RB>
__device__ __forceinline__ Recurrent<How> recurrent_of(const Step* step, const Arg<3>& xa, const Arg<3>& wa,
                                                       const Arg<3>& ra, const Arg<RB>& ba, const Arg<1>& la,
                                                       void* workspace, double clip) {
  using T = typename How::T;
  const View<const T, 3> x(step, xa), r(step, ra);
  return {x.data,
          View<const T, 3>(step, wa).data,
          r.data,
          View<const T, RB>(step, ba).data,
          View<const typename How::Length, 1>(step, la).data,
          x.size(0),
          x.size(1),
          x.size(2),
          r.size(2),
          r.size(0),
          static_cast<wide<T>*>(workspace),
          static_cast<wide<T>>(clip)};
}

// Gates i, o, f, c; states h, the next h, c.
template <class How>
__device__ __forceinline__ void lstm(const Step* step, const Arg<3>& xa, const Arg<3>& wa, const Arg<3>& ra,
                                     const Arg<2>& ba, const Arg<1>& la, const Arg<3>& ha, const Arg<3>& ca,
                                     const Arg<2>& pa, const Arg<4>& ya, const Arg<3>& yha, const Arg<3>& yca,
                                     double clip, void* workspace, uint32_t* counters) {
  using T = typename How::T;
  using M = wide<T>;
  const Recurrent<How> net = recurrent_of<How>(step, xa, wa, ra, ba, la, workspace, clip);
  const T* const peepholes = View<const T, 2>(step, pa).data;  // [dir, 3 h]
  T* const y = View<T, 4>(step, ya).data;
  GridBarrier barrier(counters + 2 * net.direction(), static_cast<int>(net.blocks()));
  net.project();
  net.begin(0, View<const T, 3>(step, ha).data);
  net.begin(2, View<const T, 3>(step, ca).data);
  barrier.sync();
  const auto peep = [&](int n, int64_t unit, M c) {
    return peepholes == nullptr ? M(0) : c * widen(peepholes[(net.direction() * 3 + n) * net.hidden + unit]);
  };
  int now = 0;
  for (int64_t s = 0; s < net.steps; ++s, now = 1 - now) {
    net.for_cells([&](int64_t row, int64_t unit) {
      M sums[4];
      net.template recur<0>(net.state(now), row, unit, sums);
      if (threadIdx.x % 32 != 0) {
        return;
      }
      const auto time = net.time(s, row);
      if (!time.live) {
        net.hold(1 - now, row, unit, net.held(now, row, unit));
        y[net.result(time.at, row, unit)] = narrow<T>(M(0));
        return;
      }
      const auto before = [&](int g) {
        return sums[g] + net.input_of(time.at, row, g, unit) + net.bias_of(0, g, unit) + net.bias_of(1, g, unit);
      };
      const M c = net.held(2, row, unit);
      const M i = net.gate(before(0) + peep(0, unit, c)), f = net.gate(before(2) + peep(2, unit, c));
      const M next = (How::kFlag ? M(1) - i : f) * c + i * tanh_(net.clipped(before(3)));
      const M h = net.gate(before(1) + peep(1, unit, next)) * tanh_(next);
      net.hold(2, row, unit, next);
      net.hold(1 - now, row, unit, h);
      y[net.result(time.at, row, unit)] = narrow<T>(h);
    });
    barrier.sync();
  }
  net.end(now, View<T, 3>(step, yha).data);
  net.end(2, View<T, 3>(step, yca).data);
  barrier.leave();
}

// Gates z, r, h; states h, the next h, z, r h.
template <class How>
__device__ __forceinline__ void gru(const Step* step, const Arg<3>& xa, const Arg<3>& wa, const Arg<3>& ra,
                                    const Arg<2>& ba, const Arg<1>& la, const Arg<3>& ha, const Arg<4>& ya,
                                    const Arg<3>& yha, double clip, void* workspace, uint32_t* counters) {
  using T = typename How::T;
  using M = wide<T>;
  const Recurrent<How> net = recurrent_of<How>(step, xa, wa, ra, ba, la, workspace, clip);
  T* const y = View<T, 4>(step, ya).data;
  GridBarrier barrier(counters + 2 * net.direction(), static_cast<int>(net.blocks()));
  net.project();
  net.begin(0, View<const T, 3>(step, ha).data);
  barrier.sync();
  int now = 0;
  // The new state from z and the candidate's part that comes from the old one.
  const auto update = [&](int64_t s, int64_t row, int64_t unit, M z, M recurrent) {
    const auto time = net.time(s, row);
    const M h = net.held(now, row, unit);
    const M x = net.input_of(time.at, row, 2, unit) + net.bias_of(0, 2, unit);
    const M blended = (M(1) - z) * tanh_(net.clipped(x + recurrent)) + z * h;
    net.hold(1 - now, row, unit, time.live ? blended : h);
    y[net.result(time.at, row, unit)] = narrow<T>(time.live ? blended : M(0));
  };
  for (int64_t s = 0; s < net.steps; ++s, now = 1 - now) {
    net.for_cells([&](int64_t row, int64_t unit) {
      M sums[How::kFlag ? 3 : 2];
      net.template recur<0>(net.state(now), row, unit, sums);
      if (threadIdx.x % 32 != 0) {
        return;
      }
      const int64_t at = net.time(s, row).at;
      const auto gate = [&](int g) {
        return net.gate(sums[g] + net.input_of(at, row, g, unit) + net.bias_of(0, g, unit) + net.bias_of(1, g, unit));
      };
      const M z = gate(0), r = gate(1);
      if constexpr (How::kFlag) {
        update(s, row, unit, z, r * (sums[2] + net.bias_of(1, 2, unit)));
      } else {
        net.hold(2, row, unit, z);
        net.hold(3, row, unit, r * net.held(now, row, unit));
      }
    });
    barrier.sync();
    if constexpr (!How::kFlag) {
      net.for_cells([&](int64_t row, int64_t unit) {
        M sums[1];
        net.template recur<2>(net.state(3), row, unit, sums);
        if (threadIdx.x % 32 == 0) {
          update(s, row, unit, net.held(2, row, unit), sums[0] + net.bias_of(1, 2, unit));
        }
      });
      barrier.sync();
    }
  }
  net.end(now, View<T, 3>(step, yha).data);
  barrier.leave();
}

}  // namespace sl
