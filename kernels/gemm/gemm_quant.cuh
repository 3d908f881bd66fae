// y[m, n] = epilogue(x[m, k] ((q[n, k] - zero) * scale)^T) for 4- and 8-bit codes: the time is that of reading q once.
//
// A CTA takes 16 rows of q and 8 * kTokens8 rows of x; its warps take chunks of 128 of k in turn and add up at the end,
// in a fixed order.  Tensor core shape m16n8k16 with the weights as its 16 rows: codes become exact 16-bit integers in
// registers, a product of at most 32 of k is summed in f32 and scaled there, so nothing is rounded but x (f32 x: in two
// terms, to 16 bits of mantissa).  The order of k inside a product is free as long as x follows it: a thread keeps what
// its loads give it.
//
//   4 bits: a thread's word is k 8t..8t+7; masking gives the pairs (0,4) (1,5) (2,6) (3,7)      8 bits: k 4t..4t+3
//
// How, printed by linear_quant_cuda.cpp: In, Out, Scale; kBits; kSigned; kZero (a zero point per scale); kBlock (of k
// that share a scale, a multiple of 32; 0: the whole row); kTokens8; kParts: of the epilogue; kWeights: no earlier
// kernel writes the codes
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/gemm/gemm_epilogue.cuh"

namespace sl {

// The tensor core's type: x's own, or bf16 for f32.
template <typename T>
struct ProductType {
  using type = bf16;
  static constexpr int kTerms = 2;
};
template <>
struct ProductType<bf16> {
  using type = bf16;
  static constexpr int kTerms = 1;
};
template <>
struct ProductType<f16> {
  using type = f16;
  static constexpr int kTerms = 1;
};

// Integers 0..15 in both halves of a word, offset by `kMagic`, minus `zero` (offset likewise).
template <typename T>
struct SmallInts;
template <>
struct SmallInts<bf16> {
  static constexpr uint32_t kMagic = 0x43004300u;  // 128, whose ulp is 1
  static constexpr float kOffset = 128;
  SL_DEVICE static uint32_t minus(uint32_t a, uint32_t b) {
    uint32_t r;
    asm("sub.rn.bf16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
  }
};
template <>
struct SmallInts<f16> {
  static constexpr uint32_t kMagic = 0x64006400u;  // 1024
  static constexpr float kOffset = 1024;
  SL_DEVICE static uint32_t minus(uint32_t a, uint32_t b) {
    uint32_t r;
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
  }
};

template <class How_>
struct QuantPlan : How_ {
  using How = How_;
  using Product = typename ProductType<typename How_::In>::type;
  static constexpr int kTerms = ProductType<typename How_::In>::kTerms;
  static constexpr int kRows = 16, kTokens8 = How_::kTokens8, kTokens = 8 * kTokens8, kWarps = 8,
                       kThreads = 32 * kWarps;
  static constexpr int kChunk = 128, kChunkBytes = kChunk * How_::kBits / 8;  // of k; of a row
  static constexpr int kLoads = kChunkBytes / 64, kPieces = 4 * kLoads;       // 16 bytes a thread; products
  static constexpr int kPieceDepth = kChunk / kPieces;                        // of k in a product: 32 or 16
  static constexpr int kStep = How_::kBits == 4 ? 8 : 4;                      // of k that a thread has of a piece
  static constexpr int kAhead = How_::kBits == 4 ? 4 : 2;                     // chunks a warp has in flight
  static constexpr float kImplied =
      How_::kBits == 4 ? 8 : 128;  // the zero point of codes that have none, signs flipped
  static_assert(How_::kBlock % 32 == 0);
};

// The operands of a launch: q [n, row_bytes], scale [n, blocks], zero [n, zero_bytes] in codes of q's width.
template <class How>
struct QuantOperands {
  const typename How::In* x;
  const uint8_t* q;
  const typename How::Scale* scale;
  const uint8_t* zero;
  int row_bytes, blocks, zero_bytes;
};

// What a thread holds of one chunk: rows lane / 4 and 8 further, 16-byte pieces lane % 4, and their scales.
template <class P>
struct QuantChunk {
  uint4 codes[2][P::kLoads];
  float scale[2], zero[2];  // of the 32 of k number lane % 4
};

// 4 x 4 transpose of words over the four threads of a row: thread i gives its 16 bytes and gets word i of each.
SL_DEVICE void transpose_words(uint32_t (&x)[4], int i) {
  const bool odd = i & 1, high = i & 2;
  const uint32_t a = __shfl_xor_sync(~0u, odd ? x[0] : x[1], 1), b = __shfl_xor_sync(~0u, odd ? x[2] : x[3], 1);
  x[0] = odd ? a : x[0], x[1] = odd ? x[1] : a, x[2] = odd ? b : x[2], x[3] = odd ? x[3] : b;
  const uint32_t c = __shfl_xor_sync(~0u, high ? x[0] : x[2], 2), d = __shfl_xor_sync(~0u, high ? x[1] : x[3], 2);
  x[0] = high ? c : x[0], x[2] = high ? x[2] : c, x[1] = high ? d : x[1], x[3] = high ? x[3] : d;
}

template <class P>
SL_DEVICE void load_chunk(QuantChunk<P>& to, const QuantOperands<typename P::How>& operands, int row0, int n, int k,
                          int chunk) {
  const int lane = threadIdx.x % 32, depth = chunk * P::kChunk + lane % 4 * 32;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = row0 + lane / 4 + 8 * r;
#pragma unroll
    for (int i = 0; i < P::kLoads; ++i) {
      const int at = chunk * P::kChunkBytes + i * 64 + lane % 4 * 16;
      const uint8_t* from = operands.q + int64_t(row) * operands.row_bytes + at;
      to.codes[r][i] =
          row < n && at < operands.row_bytes ? __ldcs(reinterpret_cast<const uint4*>(from)) : uint4{0, 0, 0, 0};
    }
    to.scale[r] = 0, to.zero[r] = P::kImplied;
    if (row < n && depth < k) {
      const int block = P::kBlock ? depth / P::kBlock : 0;
      to.scale[r] = to_float(operands.scale[int64_t(row) * operands.blocks + block]);
      if constexpr (P::kZero) {
        const uint8_t byte = operands.zero[int64_t(row) * operands.zero_bytes + (P::kBits == 4 ? block / 2 : block)];
        const int code = P::kBits == 4 ? byte >> (block % 2 * 4) & 15 : byte;
        to.zero[r] = code ^ (P::kSigned ? (P::kBits == 4 ? 8 : 128) : 0);
      }
    }
  }
}

// The B operands of one piece and 8 rows of x, in the order the codes come in: pairs (0,4) (1,5) (2,6) (3,7) of a
// thread's 8, or (0,1) (2,3) of its 4; f32 as the sum of two terms.  Zeros outside x.
template <class P>
struct XPiece {
  using In = typename P::In;
  static constexpr int kPairs = P::kStep / 2;
  uint32_t b[P::kTerms][kPairs];

  SL_DEVICE XPiece(const In* x, int token, int m, int depth, int k) {
    const In* from = x + int64_t(token) * k + depth;
    const bool whole = token < m && k % P::kStep == 0 && depth < k;
    if constexpr (P::kTerms == 1) {
      if (k % P::kStep == 0) {
        uint32_t words[kPairs] = {};
        if (whole) {
          const Pack<uint32_t, kPairs> loaded = *reinterpret_cast<const Pack<uint32_t, kPairs>*>(from);
#pragma unroll
          for (int i = 0; i < kPairs; ++i) {
            words[i] = loaded.at[i];
          }
        }
#pragma unroll
        for (int i = 0; i < kPairs; ++i) {
          b[0][i] = P::kBits == 4 ? __byte_perm(words[i / 2], words[i / 2 + 2], i % 2 ? 0x7632 : 0x5410) : words[i];
        }
        return;
      }
    }
    float v[P::kStep];
#pragma unroll
    for (int i = 0; i < P::kStep; ++i) {
      v[i] = token < m && depth + i < k ? to_float(from[i]) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      float low = v[P::kBits == 4 ? i : 2 * i], high = v[P::kBits == 4 ? i + P::kStep / 2 : 2 * i + 1];
#pragma unroll
      for (int term = 0; term < P::kTerms; ++term) {
        b[term][i] = pack<typename P::Product>(low, high);
        low -= __uint_as_float(b[term][i] << 16), high -= __uint_as_float(b[term][i] & 0xffff0000u);  // of bf16
      }
    }
  }
};

// The A operands of one piece: a[0] for its first 16 of k, a[1] (4 bits) for the others.
template <class P>
SL_DEVICE void decode_piece(uint32_t (&a)[P::kBits == 4 ? 2 : 1][4], uint32_t low, uint32_t high, float zero_low,
                            float zero_high) {
  using Ints = SmallInts<typename P::Product>;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const uint32_t word = (r ? high : low) ^ (P::kSigned ? (P::kBits == 4 ? 0x88888888u : 0x80808080u) : 0u);
    const float zero = r ? zero_high : zero_low;
    if constexpr (P::kBits == 4) {
      const uint32_t offset = pack<typename P::Product>(Ints::kOffset + zero, Ints::kOffset + zero);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        a[j / 2][j % 2 * 2 + r] = Ints::minus((word >> (4 * j) & 0x000f000fu) | Ints::kMagic, offset);
      }
    } else {
      float v[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        v[j] = __uint_as_float(0x4b000000u | (word >> (8 * j) & 255u)) - (8388608.0f + zero);
      }
      a[0][r] = pack<typename P::Product>(v[0], v[1]), a[0][2 + r] = pack<typename P::Product>(v[2], v[3]);
    }
  }
}

template <class P>
SL_DEVICE void multiply_chunk(float (&sums)[P::kTokens8][4], const QuantChunk<P>& chunk, const typename P::In* x,
                              int token0, int m, int depth0, int k) {
  const int lane = threadIdx.x % 32, quad = lane % 4;
#pragma unroll
  for (int i = 0; i < P::kLoads; ++i) {
    uint32_t low[4] = {chunk.codes[0][i].x, chunk.codes[0][i].y, chunk.codes[0][i].z, chunk.codes[0][i].w};
    uint32_t high[4] = {chunk.codes[1][i].x, chunk.codes[1][i].y, chunk.codes[1][i].z, chunk.codes[1][i].w};
    transpose_words(low, quad), transpose_words(high, quad);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int piece = 4 * i + j, from = lane - quad + piece * P::kPieceDepth / 32;  // the thread that has its scales
      const float scale[2] = {__shfl_sync(~0u, chunk.scale[0], from), __shfl_sync(~0u, chunk.scale[1], from)};
      float zero[2] = {P::kImplied, P::kImplied};
      if constexpr (P::kZero) {
        zero[0] = __shfl_sync(~0u, chunk.zero[0], from), zero[1] = __shfl_sync(~0u, chunk.zero[1], from);
      }
      uint32_t a[P::kBits == 4 ? 2 : 1][4];
      decode_piece<P>(a, low[j], high[j], zero[0], zero[1]);
#pragma unroll
      for (int t = 0; t < P::kTokens8; ++t) {
        const XPiece<P> piece_x(x, token0 + t * 8 + lane / 4, m, depth0 + piece * P::kPieceDepth + quad * P::kStep, k);
        float part[4] = {};
#pragma unroll
        for (int term = 0; term < P::kTerms; ++term) {
#pragma unroll
          for (int half = 0; half < XPiece<P>::kPairs / 2; ++half) {
            mma_16x8x16<typename P::Product>(part, a[half], piece_x.b[term][2 * half], piece_x.b[term][2 * half + 1]);
          }
        }
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          sums[t][c] += part[c] * scale[c / 2];
        }
      }
    }
  }
}

// The kernel: a grid of ceil(n / 16) x ceil(m / kTokens), kThreads threads.
template <class P, class Epilogue>
SL_DEVICE void gemm_quant(const QuantOperands<typename P::How>& operands, typename P::Out* y, const GemmSizes& sizes,
                          const Epilogue& epilogue) {
  __shared__ float partial[P::kWarps][P::kTokens][P::kRows + 1];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row0 = blockIdx.x * P::kRows,
            token0 = blockIdx.y * P::kTokens;
  const int chunks = ceil_div(sizes.k, P::kChunk);
  let_next_begin();
  float sums[P::kTokens8][4] = {};
  QuantChunk<P> held[P::kAhead];
  if constexpr (!P::kWeights) {
    wait_for_previous();
  }
#pragma unroll
  for (int i = 0; i < P::kAhead; ++i) {
    load_chunk<P>(held[i], operands, row0, sizes.n, sizes.k, warp + i * P::kWarps);  // nothing beyond the rows' end
  }
  if constexpr (P::kWeights) {
    wait_for_previous();  // x alone depends on the kernel before
  }
  if (row0 >= sizes.n || token0 >= sizes.m) {
    return;
  }
  for (int base = warp; base < chunks; base += P::kAhead * P::kWarps) {
#pragma unroll
    for (int i = 0; i < P::kAhead; ++i) {
      const int chunk = base + i * P::kWarps;
      if (chunk < chunks) {
        multiply_chunk<P>(sums, held[i], operands.x, token0, sizes.m, chunk * P::kChunk, sizes.k);
        load_chunk<P>(held[i], operands, row0, sizes.n, sizes.k, chunk + P::kAhead * P::kWarps);
      }
    }
  }
#pragma unroll
  for (int t = 0; t < P::kTokens8; ++t)
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      partial[warp][t * 8 + lane % 4 * 2 + c % 2][lane / 4 + c / 2 * 8] = sums[t][c];
    }
  __syncthreads();
  auto total = [&](int token, int row) {
    float sum = 0;
#pragma unroll
    for (int w = 0; w < P::kWarps; ++w) {
      sum += partial[w][token][row];
    }
    return sum;
  };
  constexpr int kResults = P::kRows / P::kParts;
  const int width = sizes.n / P::kParts;
  for (int i = threadIdx.x; i < P::kTokens * kResults; i += P::kThreads) {
    const int local = i / kResults, token = token0 + local, col = row0 / P::kParts + i % kResults;
    if (token >= sizes.m || col >= width) {
      continue;
    }
    float v;
    if constexpr (P::kParts == 2) {
      v = epilogue(total(local, i % kResults), total(local, i % kResults + 8), token, col);
    } else {
      v = epilogue(total(local, i % kResults), token, col);
    }
    y[int64_t(token) * width + col] = narrow<typename P::Out>(v);
  }
}

}  // namespace sl
