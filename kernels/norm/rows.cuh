// Rows that threads share: a row lies dense in memory, in words of 16 bytes where its length allows; its threads hold
// it in registers where it fits, and read it again where not.
#pragma once
#include "kernels/device/barrier.cuh"
#include "kernels/device/block_reduce.cuh"
#include "kernels/device/index.cuh"
#include "kernels/device/math.cuh"
#include "kernels/device/pair.cuh"
#include "kernels/elementwise/walk.cuh"

namespace sl {

// kThreads: of a block that work on a row, a power of two; below 256, several rows share a block.  kVector: elements of
// a word; the row's length is a multiple.  kWords: that a thread holds, enough for the row; 0: none.  kCluster: blocks
// that share a row.  kAhead: the words of the next row are on their way while a row is worked on.  kLength: of the row;
// 0: not known.
template <int kThreads_, int kVector_, int kWords_, int kCluster_ = 1, bool kAhead_ = false, int kLength_ = 0>
struct RowHow {
  static constexpr int kThreads = kThreads_, kVector = kVector_, kWords = kWords_, kCluster = kCluster_;
  static constexpr int kLength = kLength_, kStep = kThreads * kVector * kCluster;  // elements of a word of each thread
  static constexpr bool kHeld = kWords > 0, kAhead = kAhead_;
  static constexpr int kBlock = kThreads > 256 ? kThreads : 256, kRows = kBlock / kThreads;
};

// A word as it is in memory: 16 bytes as registers, not as elements, which would have one each.
template <typename T, int N, bool kRegisters = sizeof(T) * N == 16>
struct InMemory {
  using type = Pack<T, N>;
};
template <typename T, int N>
struct InMemory<T, N, true> {
  using type = Pack<uint32_t, 4>;
};

// Reads for those after it, who find it near.
__device__ __forceinline__ void touch(const void* p) {
  uint32_t unused;
  asm volatile("ld.global.u8 %0, [%1];" : "=r"(unused) : "l"(p));
}

// One of a thread's words of a row, and its first element.
struct Word {
  int64_t number, first;
};

// A reduction in a few parts, so that no step waits for the one before it.
template <typename M, typename Op>
struct Chains {
  static constexpr int kChains = 4;
  M part[kChains];

  __device__ __forceinline__ explicit Chains(M first) : part{first, first, first, first} {}
  __device__ __forceinline__ void take(int number, M x) { part[number % kChains] = Op()(part[number % kChains], x); }
  __device__ __forceinline__ void scale(M by) {
#pragma unroll
    for (M& x : part) {
      x *= by;
    }
  }
  __device__ __forceinline__ M all() const { return Op()(Op()(part[0], part[1]), Op()(part[2], part[3])); }
};

// The largest of some values, and the sum of e^(value − top).
template <typename M>
struct Tail {
  M top, sum;

  // e^(x − top), 0 where both are −inf.  Of differences at most 0 a power of two is as good as exp: what the rounded
  // exponent is off grows more slowly than the result falls.
  __device__ static __forceinline__ M weight(M x, M top) {
    constexpr double kLog2e = 1.4426950408889634;
    return exp2_fast((x - (top == -bits_as<float>(0x7f800000u) ? M(0) : top)) * M(kLog2e));
  }
};

// Over N neighbouring lanes, a power of two; all of them get the result.
template <int N, typename M, typename Op>
__device__ __forceinline__ M over_lanes(M x, Op op) {
#pragma unroll
  for (int lanes = N / 2; lanes > 0; lanes /= 2) {
    x = op(x, __shfl_xor_sync(0xffffffffu, x, lanes));
  }
  return x;
}
template <int N, typename M>
__device__ __forceinline__ Tail<M> over_lanes(Tail<M> x) {
  const M top = over_lanes<N>(x.top, Largest());
  return {top, over_lanes<N>(x.sum * Tail<M>::weight(x.top, top), Add())};
}

// What the blocks that share a row tell each other, 16 bytes each.  A peer's words count on the barrier of who reads
// them, so that nobody waits for the rows' own reads and writes.  Two places in turn: who writes one again has, in
// between, heard from all who read it.
template <int kBlocks>
struct Board {
  struct Places {
    Pack<float, 4> said[2][kBlocks];
    uint64_t barriers[2];
  };
  Places& places;
  uint32_t turn = 0;

  // All blocks together.
  __device__ __forceinline__ explicit Board(Places& places) : places(places) {
    if constexpr (kBlocks > 1) {
      if (threadIdx.x == 0) {
        barrier_init(shared_address(&places.barriers[0]), 1);
        barrier_init(shared_address(&places.barriers[1]), 1);
        barrier_init_fence();
      }
      cluster_sync();
    }
  }
  // Tells all blocks `x`, which all threads of this one have; what they tell is at the result, by their rank.
  template <typename T>
  __device__ __forceinline__ const T* exchange(const T& x) {
    static_assert(sizeof(T) <= 16, "one store");
    union Said {
      Pack<float, 4> words;
      T value;
    };
    const uint32_t place = turn & 1, parity = turn >> 1 & 1, bar = shared_address(&places.barriers[place]);
    ++turn;
    if (threadIdx.x == 0) {
      barrier_expect(bar, 16 * kBlocks);
    }
    if (threadIdx.x < kBlocks) {
      Said said = {};
      said.value = x;
      const int peer = static_cast<int>(threadIdx.x);
      store_peer(peer_address(shared_address(&places.said[place][cluster_rank()]), peer), said.words.at[0],
                 said.words.at[1], said.words.at[2], said.words.at[3], peer_address(bar, peer));
    }
    barrier_wait(bar, parity);
    return reinterpret_cast<const T*>(places.said[place]);
  }
};

// This thread's words of one row: word w is the elements from (w · threads + thread) · kVector on.
template <class How, typename T>
struct Row {
  using M = wide<T>;
  static constexpr int kVector = How::kVector;
  using Bits = typename InMemory<T, kVector>::type;

  const T* in;  // null: a row beyond the last, whose values may be anything
  int64_t size;
  Board<How::kCluster>& board;
  M held[How::kHeld ? How::kWords : 1][kVector];

  __device__ __forceinline__ Row(const T* in, int64_t size, Board<How::kCluster>& board)
      : in(in), size(in == nullptr ? 0 : size), board(board) {}
  // Whether there is such a word; every thread's where that is clear from the length.
  __device__ static __forceinline__ bool inside(int64_t word, int64_t size) {
    return (word + 1) * How::kStep <= How::kLength || at(word) < size;
  }
  __device__ static __forceinline__ int64_t at(int64_t word) {
    const int rank = How::kCluster > 1 ? static_cast<int>(blockIdx.x % How::kCluster) : 0;
    return ((word * How::kCluster + rank) * How::kThreads + threadIdx.x % How::kThreads) * kVector;
  }
  __device__ static __forceinline__ Bits bits_at(const T* p) { return bits_as<Bits>(pack_at<kVector>(p)); }
  // All words of a row, and their values.
  __device__ static __forceinline__ void read(const T* in, int64_t size, Bits (&words)[How::kHeld ? How::kWords : 1]) {
    if (in == nullptr) {
      return;
    }
#pragma unroll
    for (int w = 0; w < How::kWords; ++w) {
      if (inside(w, size)) {
        words[w] = bits_at(in + at(w));
      }
    }
  }
  __device__ __forceinline__ void hold(const Bits (&words)[How::kHeld ? How::kWords : 1]) {
#pragma unroll
    for (int w = 0; w < How::kWords; ++w) {
      spread(words[w], held[w]);
    }
  }
  __device__ static __forceinline__ void spread(const Bits& word, M (&to)[kVector]) {
    const auto pack = bits_as<Pack<T, kVector>>(word);
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
        if (inside(w, size)) {
          body(Word{w, at(w)}, held[w]);
        }
      }
    } else {
      for (int64_t w = 0; at(w) < size; ++w) {
        spread(bits_at(in + at(w)), held[0]);
        body(Word{w, at(w)}, held[0]);
      }
    }
  }
  // The same, and stores the values.
  template <typename Body>
  __device__ __forceinline__ void finish(T* out, Body body) {
    if (in == nullptr) {
      return;
    }
    each([&](Word word, M(&v)[kVector]) {
      body(word, v);
      if constexpr (sizeof(T) == 2 && kVector % 2 == 0) {
        Pack<uint32_t, kVector / 2> pairs;
#pragma unroll
        for (int j = 0; j < kVector; j += 2) {
          pairs.at[j / 2] = pack<T>(v[j], v[j + 1]);
        }
        pack_at<kVector>(out + word.first) = bits_as<Pack<T, kVector>>(pairs);
      } else {
        Pack<T, kVector> rounded;
#pragma unroll
        for (int j = 0; j < kVector; ++j) {
          rounded.at[j] = narrow<T>(v[j]);
        }
        pack_at<kVector>(out + word.first) = rounded;
      }
    });
  }
  // Over the row's threads; all of them get the result.
  template <typename Op>
  __device__ __forceinline__ M reduce(M x, Op op) {
    x = over_lanes<kLanes>(x, op);
    if constexpr (kWarps > 1) {
      const M* const parts = of_warps(x);
      x = parts[0];
#pragma unroll
      for (int w = 1; w < kWarps; ++w) {
        x = op(x, parts[w]);
      }
    }
    if constexpr (How::kCluster > 1) {
      const Told<M>* const parts = board.exchange(Told<M>{x});
      x = parts[0].x;
#pragma unroll
      for (int rank = 1; rank < How::kCluster; ++rank) {
        x = op(x, parts[rank].x);
      }
    }
    return x;
  }
  __device__ __forceinline__ Tail<M> reduce(Tail<M> x) {
    x = over_lanes<kLanes>(x);
    if constexpr (kWarps > 1) {
      x = over_lanes<kWarps>(of_warps(x)[threadIdx.x % kWarps]);
    }
    if constexpr (How::kCluster > 1) {
      x = over_lanes<How::kCluster>(board.exchange(Told<Tail<M>>{x})[threadIdx.x % How::kCluster].x);
    }
    return x;
  }

 private:
  static constexpr int kLanes = How::kThreads < 32 ? How::kThreads : 32, kWarps = How::kThreads / kLanes;
  template <typename V>
  struct alignas(16) Told {
    V x;
  };
  // What each of the row's warps has.
  template <typename V>
  __device__ static __forceinline__ const V* of_warps(const V& x) {
    __shared__ V parts[How::kBlock / 32];
    __syncthreads();  // the parts of the reduction before are read
    if (threadIdx.x % 32 == 0) {
      parts[threadIdx.x / 32] = x;
    }
    __syncthreads();
    return parts + threadIdx.x / How::kThreads * kWarps;
  }
};

// body(row of x, row of y) for the rows of x and y [rows, d], by the threads of each; all threads of a block together.
template <class How, typename T, typename Body>
__device__ __forceinline__ void each_row(const T* x, T* y, int64_t rows, int64_t d, Body body) {
  using Row = sl::Row<How, T>;
  const auto row_at = [&](int64_t row) { return row < rows ? x + row * d : nullptr; };
  const int64_t step = int64_t(gridDim.x / How::kCluster) * How::kRows;
  int64_t row = int64_t(blockIdx.x / How::kCluster) * How::kRows + threadIdx.x / How::kThreads;
  __shared__ typename Board<How::kCluster>::Places places;
  Board<How::kCluster> board(places);
  typename Row::Bits words[How::kHeld ? How::kWords : 1];
  if constexpr (How::kAhead) {
    Row::read(row_at(row), d, words);
  }
  for (int64_t left = rows - (row - threadIdx.x / How::kThreads); left > 0; left -= step, row += step) {
    Row in(row_at(row), d, board);
    if constexpr (How::kHeld && !How::kAhead) {
      Row::read(row_at(row), d, words);
    }
    if constexpr (How::kHeld) {
      in.hold(words);
    }
    if constexpr (How::kAhead) {
      Row::read(row_at(row + step), d, words);
    }
    body(How(), in, y + row * d);
  }
}

// The same, element by element where rows or weights do not begin at whole words.
template <class How, typename T, typename Body>
__device__ __forceinline__ void for_rows(const T* x, T* y, int64_t rows, int64_t d, bool whole, Body body) {
  if (How::kVector == 1 || (whole && aligned<How::kVector>(x) && aligned<How::kVector>(y))) {
    each_row<How>(x, y, rows, d, body);
  } else {
    each_row<RowHow<How::kThreads, 1, 0, How::kCluster>>(x, y, rows, d, body);
  }
}

// What every row is multiplied by or gets added, [d] or absent, in the precision of sums.  kHold: each thread holds its
// words for all rows.
template <class How, bool kHold, typename W>
struct Weights {
  static constexpr int kVector = How::kVector;
  const W* w;
  Pack<W, kVector> held[kHold ? How::kWords : 1];

  // Reads a thread's words, or brings them near.
  __device__ __forceinline__ Weights(const W* w, int64_t d) : w(w) {
    if (w == nullptr || !whole()) {
      return;
    }
#pragma unroll
    for (int i = 0; i < How::kWords; ++i) {
      const int64_t at = Row<How, W>::at(i);
      if (Row<How, W>::inside(i, d)) {
        if constexpr (kHold) {
          held[i] = pack_at<kVector>(w + at);
        } else {
          touch(w + at);
        }
      }
    }
  }
  // Whether they begin at a whole word.
  __device__ __forceinline__ bool whole() const { return aligned<kVector>(w); }
  // Of a word of N elements: of How, or of one where words are not whole.
  template <int N, typename M>
  __device__ __forceinline__ void get(Word word, M missing, M (&to)[N]) const {
    if (w == nullptr) {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        to[j] = missing;
      }
      return;
    }
    Pack<W, N> pack;
    if constexpr (kHold && N == kVector) {
      pack = held[word.number];
    } else {
      pack = pack_at<N>(w + word.first);
    }
#pragma unroll
    for (int j = 0; j < N; ++j) {
      to[j] = static_cast<M>(widen(pack.at[j]));
    }
  }
};

}  // namespace sl
