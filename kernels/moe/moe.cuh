// y[t] = Σ_p weights[t, p] · down_e(act(gate_e x[t]) · up_e x[t]), e = indices[t, p], in one launch: few tokens cost
// what reading the weights of the chosen experts once costs.
//
//   sort     every block, in shared memory: the pairs (token, choice) by expert
//   hidden   pieces (expert, 16 rows of gate and up) → act · up, for all pairs of the expert
//   down     pieces (expert, 16 rows of down)
//   sum      each token's results, in the order of its choices
//
// Many pairs of an expert are computed as tiles of 128 of them instead (moe_tiles.cuh).
//
// A piece is computed by the 4 warps of a group, which split k and add up in a fixed order.  The weights are the 16
// rows of mma.sync, pairs its 8 columns; both come from global memory into registers, 16 bytes a thread: which k a
// register stands for is free, as long as both sides agree.
#pragma once
#include "kernels/device/grid.cuh"
#include "kernels/device/index.cuh"
#include "kernels/device/scalar.cuh"
#include "kernels/gemm/gemm_any.cuh"
#include "kernels/moe/moe_sort.cuh"
#include "kernels/moe/moe_tiles.cuh"

namespace sl {

enum class MoeActivation { kSilu, kGelu, kGeluTanh, kRelu };

// T: of x and all weights; Index, Weight: of the routing; kTokens8: pairs of an expert computed at once, in eights;
// or 0 for tiles; kVector: rows of d and of f are whole 16-byte words, aligned; kPairs: computed at once, at most.
template <typename T_, typename Index_, typename Weight_, MoeActivation kActivation_, bool kVector_, int kTokens8_,
          int kPairs_, int kExperts_>
struct MoeHow {
  using T = T_;
  using Index = Index_;
  using Weight = Weight_;
  static constexpr MoeActivation kActivation = kActivation_;
  static constexpr bool kVector = kVector_;
  static constexpr int kTokens8 = kTokens8_, kPairs = kPairs_, kExperts = kExperts_;
  static constexpr bool kTiles = kTokens8 == 0;
  static constexpr int kGroups = kTiles ? 1 : 4, kThreads = kTiles ? 256 : 512, kGroupThreads = kThreads / kGroups;
  static constexpr int kWarps = kGroupThreads / 32;
  static constexpr int kRows = 16, kColumns = 8 * kTokens8;  // of a piece
  static constexpr int kWord = 16 / sizeof(T);               // elements a thread loads at once
  static constexpr int kDepth = 4 * kWord;                   // of k that a warp multiplies at once
};

// What a block works in, besides its lists: the sums of its groups' pieces, or their tiles.
template <class How, bool kTiles = How::kTiles>
struct MoeScratch {
  float sums[How::kGroups][How::kWarps][2][How::kColumns][How::kRows + 4];  // banks of a warp differ
};
template <class How>
struct MoeScratch<How, true> {
  union {
    MoeTile tiles[How::kGroups];
    int places[How::kWarps * How::kExperts];  // while pairs are sorted
  };
};

template <class How>
struct MoeShared : MoeScratch<How>, MoeLists<How> {};

template <typename T>
struct MoeWord {
  uint32_t at[4];
};

// d += a · b over one word of k: a's rows g and g + 8, b's column g, g = lane / 4.
template <typename T>
SL_DEVICE void multiply_words(float (&d)[4], const MoeWord<T>& low, const MoeWord<T>& high, const MoeWord<T>& b) {
#pragma unroll
  for (int j = 0; j < 4; j += 2) {
    const uint32_t a[4] = {low.at[j], high.at[j], low.at[j + 1], high.at[j + 1]};
    if constexpr (sizeof(T) == 2) {
      mma_16x8x16<T>(d, a, b.at[j], b.at[j + 1]);
    } else {
      uint32_t a_high[4], a_low[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const SplitTf32 v(__uint_as_float(a[i]));
        a_high[i] = v.high, a_low[i] = v.low;
      }
      const SplitTf32 b0(__uint_as_float(b.at[j])), b1(__uint_as_float(b.at[j + 1]));
      mma_16x8x8_tf32(d, a_low, b0.high, b1.high);
      mma_16x8x8_tf32(d, a_high, b0.low, b1.low);
      mma_16x8x8_tf32(d, a_high, b0.high, b1.high);
    }
  }
}

template <class How>
struct Moe {
  using T = typename How::T;

  const T *x, *gate, *down, *up;             // [t, d], [e, f, d], [e, d, f], [e, f, d] or null
  const T *gate_bias, *up_bias, *down_bias;  // [e, f], [e, f], [e, d] or null
  const typename How::Index* indices;        // [t, p]
  const typename How::Weight* weights;       // [t, p]
  T* y;                                      // [t, d]
  int64_t tokens, choices, d, f;
  T* hidden;      // [pairs, f]
  float* result;  // [pairs, d]
  MoeShared<How>& sm;

  SL_DEVICE int group() const { return threadIdx.x / How::kGroupThreads; }
  SL_DEVICE int thread() const { return threadIdx.x % How::kGroupThreads; }
  SL_DEVICE void sync() const { named_sync(1 + group(), How::kGroupThreads); }

  // ---- products

  // One word of a row of k elements, zeros beyond it.  What is read once stays out of L1.
  template <bool kOnce>
  SL_DEVICE static MoeWord<T> load(const T* row, int64_t k, int64_t at) {
    if constexpr (How::kVector) {
      if (at >= k) {
        return {};
      }
      const uint4* const from = reinterpret_cast<const uint4*>(row + at);
      const uint4 v = kOnce ? __ldcg(from) : *from;
      return {v.x, v.y, v.z, v.w};
    } else {
      Pack<T, How::kWord> v = {};
#pragma unroll
      for (int i = 0; i < How::kWord; ++i) {
        if (at + i < k) {
          v.at[i] = row[at + i];
        }
      }
      return bits_as<MoeWord<T>>(v);
    }
  }

  // The group's sums: 16 rows of each matrix [·, k], from their first on, times the vectors column(i), i < columns.
  template <int kMatrices, typename Column>
  SL_DEVICE void multiply(const T* const (&matrix)[kMatrices], int rows, int64_t k, int columns, Column column) const {
    const int warp = thread() / 32, lane = thread() % 32, g = lane / 4, q = lane % 4;
    const int64_t low = int64_t(g < rows ? g : 0) * k, high = int64_t(g + 8 < rows ? g + 8 : 0) * k;
    const T* from[How::kTokens8];
#pragma unroll
    for (int j = 0; j < How::kTokens8; ++j) {
      from[j] = column(8 * j + g < columns ? 8 * j + g : 0);
    }
    float acc[kMatrices][How::kTokens8][4] = {};
#pragma unroll(How::kTokens8 == 4 ? 1 : 2)
    for (int64_t k0 = warp * How::kDepth; k0 < k; k0 += How::kWarps * How::kDepth) {
      const int64_t at = k0 + q * How::kWord;
      MoeWord<T> lows[kMatrices], highs[kMatrices];
#pragma unroll
      for (int m = 0; m < kMatrices; ++m) {
        lows[m] = load<true>(matrix[m] + low, k, at);
        highs[m] = load<true>(matrix[m] + high, k, at);
      }
#pragma unroll
      for (int j = 0; j < How::kTokens8; ++j) {
        if (8 * j < columns) {
          const MoeWord<T> b = load<false>(from[j], k, at);
#pragma unroll
          for (int m = 0; m < kMatrices; ++m) {
            multiply_words(acc[m][j], lows[m], highs[m], b);
          }
        }
      }
    }
    sync();  // the sums of the piece before are read
#pragma unroll
    for (int m = 0; m < kMatrices; ++m) {
#pragma unroll
      for (int j = 0; j < How::kTokens8; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          sm.sums[group()][warp][m][8 * j + q * 2 + i % 2][g + i / 2 * 8] = acc[m][j][i];
        }
      }
    }
    sync();
  }
  SL_DEVICE float sum(int m, int column, int row) const {
    float total = 0;
#pragma unroll
    for (int w = 0; w < How::kWarps; ++w) {
      total += sm.sums[group()][w][m][column][row];
    }
    return total;
  }
  SL_DEVICE static float activated(float v) {
    if constexpr (How::kActivation == MoeActivation::kSilu) {
      return v / (1 + exp_(-v));
    } else if constexpr (How::kActivation == MoeActivation::kGelu) {
      return v / 2 * (1 + erf_(v * 0.70710678f));
    } else if constexpr (How::kActivation == MoeActivation::kGeluTanh) {
      return v / 2 * (1 + tanh_(0.7978845608f * (v + 0.044715f * v * v * v)));
    } else {
      return v > 0 ? v : v != v ? v : 0;
    }
  }

  // body(column, row) for each element of a piece, by the threads of the group.
  template <typename Body>
  SL_DEVICE void for_piece(int columns, int rows, Body body) const {
    for (int i = thread(); i < columns * How::kRows; i += How::kGroupThreads) {
      if (i % How::kRows < rows) {
        body(i / How::kRows, i % How::kRows);
      }
    }
  }
  // body(expert, first row, rows) for the pieces of `height` rows of each active expert that are this group's: many
  // pairs make neighbours, whose columns are the same; few make an equal share of each SM.
  template <typename Body>
  SL_DEVICE void for_pieces(int64_t height, Body body) const {
    const int64_t tiles = (height + How::kRows - 1) / How::kRows, count = sm.actives * tiles;
    const int64_t groups = int64_t(gridDim.x) * How::kGroups, me = blockIdx.x + int64_t(gridDim.x) * group();
    constexpr bool kNeighbours = How::kTokens8 > 2;
    const int64_t step = kNeighbours ? 1 : groups, end = kNeighbours ? count * (me + 1) / groups : count;
    for (int64_t i = kNeighbours ? count * me / groups : me; i < end; i += step) {
      const int64_t row = i % tiles * How::kRows;
      body(sm.active[i / tiles], row, static_cast<int>(height - row < How::kRows ? height - row : How::kRows));
    }
  }

  // First of the pairs is number `first` of all.
  SL_DEVICE void make_hidden(int64_t first, int pairs) const {
    for_pieces(f, [&](int e, int64_t row, int rows) {
      const int64_t at = e * f + row;
      for (int n = sm.begin[e]; n < sm.end(e, pairs); n += How::kColumns) {
        const int columns = smaller(How::kColumns, sm.end(e, pairs) - n);
        const auto token = [&](int i) { return x + (first + sm.pairs[n + i]) / choices * d; };
        if (up != nullptr) {
          multiply<2>({gate + at * d, up + at * d}, rows, d, columns, token);
        } else {
          multiply<1>({gate + at * d}, rows, d, columns, token);
        }
        for_piece(columns, rows, [&](int column, int i) {
          float v = activated(sum(0, column, i) + (gate_bias == nullptr ? 0.0f : widen(gate_bias[at + i])));
          if (up != nullptr) {
            v *= sum(1, column, i) + (up_bias == nullptr ? 0.0f : widen(up_bias[at + i]));
          }
          hidden[sm.pairs[n + column] * f + row + i] = narrow<T>(v);
        });
      }
    });
  }
  SL_DEVICE void make_down(int pairs) const {
    for_pieces(d, [&](int e, int64_t row, int rows) {
      const int64_t at = e * d + row;
      for (int n = sm.begin[e]; n < sm.end(e, pairs); n += How::kColumns) {
        const int columns = smaller(How::kColumns, sm.end(e, pairs) - n);
        multiply<1>({down + at * f}, rows, f, columns, [&](int i) { return hidden + sm.pairs[n + i] * f; });
        for_piece(columns, rows, [&](int column, int i) {
          const float bias = down_bias == nullptr ? 0.0f : widen(down_bias[at + i]);
          result[sm.pairs[n + column] * d + row + i] = sum(0, column, i) + bias;
        });
      }
    });
  }
  // A token's results are added in the order of its choices.
  SL_DEVICE void add_up(int64_t first, int pairs) const {
    const int64_t count = pairs / choices * d;
    for (int64_t i = blockIdx.x * int64_t(How::kThreads) + threadIdx.x; i < count;
         i += int64_t(gridDim.x) * How::kThreads) {
      const int64_t token = i / d, column = i - token * d;
      float total = 0;
      for (int64_t p = token * choices; p < (token + 1) * choices; ++p) {
        total += widen(weights[first + p]) * __ldcg(result + p * d + column);
      }
      y[first / choices * d + i] = narrow<T>(total);
    }
  }

  // ---- tiles

  // body(expert, first pair, pairs, first row) for this group's tiles of `height` rows in steps of `step`: neighbours
  // differ in their pairs, so that an expert's rows come from memory once.
  template <typename Body>
  SL_DEVICE void for_tiles(int64_t height, int step, int pairs, Body body) const {
    const int64_t count = sm.tile_count * ((height + step - 1) / step);
    for (int64_t i = blockIdx.x + int64_t(gridDim.x) * group(); i < count; i += int64_t(gridDim.x) * How::kGroups) {
      const int tile = static_cast<int>(i % sm.tile_count), e = sm.tile_expert[tile];
      const int n = sm.begin[e] + sm.tile_number[tile] * MoeTile::kSide;
      body(e, n, smaller(MoeTile::kSide, sm.end(e, pairs) - n), i / sm.tile_count * step);
    }
  }
  // With `up`, 64 rows of each, 32 and 32 in turn: a thread's sums j and j + 4 are of one hidden value.  Else 128 of
  // gate.
  SL_DEVICE void tile_hidden(int64_t first, int pairs) const {
    const bool gated = up != nullptr;
    for_tiles(f, gated ? 64 : 128, pairs, [&](int e, int n, int count, int64_t row0) {
      const auto row_at = [&](int i) { return row0 + (gated ? i / 64 * 32 + i % 32 : i); };
      float acc[2][8][4] = {};
      sm.tiles[group()].template multiply<T>(
          acc, d, thread(), [&](int i) { return x + (first + sm.pairs[n + (i < count ? i : 0)]) / choices * d; },
          [&](int i) {
            const int64_t row = row_at(i) < f ? row_at(i) : f - 1;
            return (gated && i / 32 % 2 == 1 ? up : gate) + (e * f + row) * d;
          },
          [&] { sync(); });
      const auto put = [&](int i, int j, int pair, float other) {
        const int vector = MoeTile::vector_of(thread(), i, pair);
        const int64_t row = row_at(MoeTile::row_of(thread(), j, pair)), at = e * f + row;
        if (vector < count && row < f) {
          float v = activated(acc[i][j][pair] + (gate_bias == nullptr ? 0.0f : widen(gate_bias[at])));
          v *= gated ? other + (up_bias == nullptr ? 0.0f : widen(up_bias[at])) : 1.0f;
          hidden[sm.pairs[n + vector] * f + row] = narrow<T>(v);
        }
      };
#pragma unroll
      for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) {
#pragma unroll
          for (int pair = 0; pair < 4; ++pair) {
            if (j < 4 || !gated) {
              put(i, j, pair, acc[i][(j + 4) % 8][pair]);
            }
          }
        }
      }
    });
  }
  SL_DEVICE void tile_down(int pairs) const {
    for_tiles(d, 128, pairs, [&](int e, int n, int count, int64_t row0) {
      float acc[2][8][4] = {};
      sm.tiles[group()].template multiply<T>(
          acc, f, thread(), [&](int i) { return hidden + sm.pairs[n + (i < count ? i : 0)] * f; },
          [&](int i) { return down + (e * d + (row0 + i < d ? row0 + i : d - 1)) * f; }, [&] { sync(); });
#pragma unroll
      for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) {
#pragma unroll
          for (int pair = 0; pair < 4; ++pair) {
            const int vector = MoeTile::vector_of(thread(), i, pair);
            const int64_t row = row0 + MoeTile::row_of(thread(), j, pair);
            if (vector < count && row < d) {
              const float bias = down_bias == nullptr ? 0.0f : widen(down_bias[e * d + row]);
              result[sm.pairs[n + vector] * d + row] = acc[i][j][pair] + bias;
            }
          }
        }
      }
    });
  }

  SL_DEVICE void run(GridBarrier& barrier) const {
    const int64_t at_once = How::kPairs / choices * choices, all = tokens * choices;
    for (int64_t first = 0; first < all; first += at_once) {
      const int pairs = static_cast<int>(all - first < at_once ? all - first : at_once);
      if constexpr (How::kTiles) {
        sm.sort(indices + first, pairs, sm.places);
      } else {
        sm.sort(indices + first, pairs, nullptr);
      }
      if constexpr (How::kTiles) {
        tile_hidden(first, pairs);
        barrier.sync();
        tile_down(pairs);
      } else {
        make_hidden(first, pairs);
        barrier.sync();
        make_down(pairs);
      }
      barrier.sync();
      add_up(first, pairs);
      if (first + at_once < all) {
        barrier.sync();  // the next results take the place of these
      }
    }
  }
};

template <class How>
SL_DEVICE void moe(const Step* step, const Arg<2>& xa, const Arg<2>& ia, const Arg<2>& wa, const Arg<3>& ga,
                   const Arg<3>& da, const Arg<3>& ua, const Arg<2>& gba, const Arg<2>& uba, const Arg<2>& dba,
                   const Arg<2>& ya, void* workspace, uint32_t* counters) {
  using T = typename How::T;
  extern __shared__ __align__(16) uint8_t dynamic[];
  const View<const T, 2> x(step, xa);
  const View<const typename How::Index, 2> indices(step, ia);
  const View<const T, 3> gate(step, ga);
  const int64_t choices = indices.size(1), d = x.size(1), f = gate.size(1);
  const int64_t at_once = How::kPairs / choices * choices, all = x.size(0) * choices;
  float* const result = static_cast<float*>(workspace);
  const Moe<How> moe{x.data,
                     gate.data,
                     View<const T, 3>(step, da).data,
                     View<const T, 3>(step, ua).data,
                     View<const T, 2>(step, gba).data,
                     View<const T, 2>(step, uba).data,
                     View<const T, 2>(step, dba).data,
                     indices.data,
                     View<const typename How::Weight, 2>(step, wa).data,
                     View<T, 2>(step, ya).data,
                     x.size(0),
                     choices,
                     d,
                     f,
                     reinterpret_cast<T*>(result + (all < at_once ? all : at_once) * d),
                     result,
                     *reinterpret_cast<MoeShared<How>*>(dynamic)};
  GridBarrier barrier(counters, gridDim.x);
  moe.run(barrier);
  barrier.leave();
}

}  // namespace sl
