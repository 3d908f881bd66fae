#include "kernels/movement/strided_copy.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/common/launch.h"
#include "runtime/base/half.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kSerialBytes = 64 << 10;  // below that, waking a thread costs more than the copy

// Loops of one iteration dropped, outermost = largest out stride, neighbours that walk on merged.  False: nothing to
// do.
bool Normalise(CopyLoops& loops) {
  int rank = 0;
  for (int d = 0; d < loops.rank; ++d) {
    if (loops.sizes[d] == 0) {
      return false;
    }
    if (loops.sizes[d] > 1) {
      loops.sizes[rank] = loops.sizes[d];
      loops.in[rank] = loops.in[d];
      loops.out[rank++] = loops.out[d];
    }
  }
  for (int d = 1; d < rank; ++d) {
    for (int e = d; e > 0 && std::abs(loops.out[e]) > std::abs(loops.out[e - 1]); --e) {
      std::swap(loops.sizes[e], loops.sizes[e - 1]);
      std::swap(loops.in[e], loops.in[e - 1]);
      std::swap(loops.out[e], loops.out[e - 1]);
    }
  }
  int merged = 0;
  for (int d = 0; d < rank; ++d) {
    if (merged > 0 && loops.out[merged - 1] == loops.out[d] * loops.sizes[d] &&
        loops.in[merged - 1] == loops.in[d] * loops.sizes[d]) {
      loops.sizes[merged - 1] *= loops.sizes[d];
      loops.in[merged - 1] = loops.in[d];
      loops.out[merged - 1] = loops.out[d];
      continue;
    }
    loops.sizes[merged] = loops.sizes[d];
    loops.in[merged] = loops.in[d];
    loops.out[merged++] = loops.out[d];
  }
  loops.rank = merged;
  return true;
}

// The two innermost loops of a copy: `rows` x `cols`.
struct Block {
  int64_t rows, cols;
  int64_t in_row, in_col, out_row, out_col;
};

using U32x4 = uint32_t __attribute__((vector_size(16)));
using U16x8 = uint16_t __attribute__((vector_size(16)));

template <typename V, typename E>
SLUICE_INLINE void LoadRow(const E* p, V& v) {
  std::memcpy(&v, p, sizeof v);
}

// out[i][j] = in[j][i] for one square of registers.
SLUICE_INLINE void TransposeSquare(const uint32_t* in, int64_t in_stride, uint32_t* out, int64_t out_stride) {
  U32x4 r[4];
  for (int i = 0; i < 4; ++i) {
    LoadRow(in + i * in_stride, r[i]);
  }
  const U32x4 a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const U32x4 c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  const U32x4 t[4] = {__builtin_shufflevector(a, c, 0, 1, 4, 5), __builtin_shufflevector(a, c, 2, 3, 6, 7),
                      __builtin_shufflevector(b, d, 0, 1, 4, 5), __builtin_shufflevector(b, d, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i) {
    std::memcpy(out + i * out_stride, &t[i], sizeof t[i]);
  }
}
SLUICE_INLINE void TransposeSquare(const uint16_t* in, int64_t in_stride, uint16_t* out, int64_t out_stride) {
  U16x8 r[8], s[8];
  for (int i = 0; i < 8; ++i) {
    LoadRow(in + i * in_stride, r[i]);
  }
  // Three rounds of interleaving row i with row i + 4.
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) {
      s[2 * i] = __builtin_shufflevector(r[i], r[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
      s[2 * i + 1] = __builtin_shufflevector(r[i], r[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    std::memcpy(r, s, sizeof r);
  }
  for (int i = 0; i < 8; ++i) {
    std::memcpy(out + i * out_stride, &r[i], sizeof r[i]);
  }
}

// Rows are neighbours in `in`, columns in `out`: tiles that fit the first-level cache, squares of registers in them.
template <typename E>
void TransposeBlock(const E* in, E* out, const Block& b) {
  constexpr int64_t kTileSide = 32;
  constexpr int64_t kSquare = sizeof(E) == 4 ? 4 : sizeof(E) == 2 ? 8 : 1;
  for (int64_t row = 0; row < b.rows; row += kTileSide) {
    const int64_t row_end = std::min(b.rows, row + kTileSide);
    for (int64_t col = 0; col < b.cols; col += kTileSide) {
      const int64_t col_end = std::min(b.cols, col + kTileSide);
      int64_t r = row;
      if constexpr (kSquare > 1) {
        for (; r + kSquare <= row_end; r += kSquare) {
          int64_t c = col;
          for (; c + kSquare <= col_end; c += kSquare) {
            TransposeSquare(in + c * b.in_col + r, b.in_col, out + r * b.out_row + c, b.out_row);
          }
          for (; c < col_end; ++c) {
            for (int64_t i = r; i < r + kSquare; ++i) {
              out[i * b.out_row + c] = in[c * b.in_col + i];
            }
          }
        }
      }
      for (; r < row_end; ++r) {
        for (int64_t c = col; c < col_end; ++c) {
          out[r * b.out_row + c] = in[c * b.in_col + r];
        }
      }
    }
  }
}

template <typename E>
void CopyBlock(const E* in, E* out, const Block& b) {
  if (b.in_row == 1 && b.out_col == 1 && b.in_col != 1) {
    return TransposeBlock(in, out, b);
  }
  for (int64_t row = 0; row < b.rows; ++row, in += b.in_row, out += b.out_row) {
    if (b.out_col == 1 && b.in_col == 1) {
      std::memcpy(out, in, b.cols * sizeof(E));
    } else if (b.out_col == 1 && b.in_col == 0) {
      std::fill_n(out, b.cols, *in);
    } else {
      for (int64_t c = 0; c < b.cols; ++c) {
        out[c * b.out_col] = in[c * b.in_col];
      }
    }
  }
}

// What is left once the block's loops are taken out, iterated with its rows cut into chunks.
template <typename E>
void CopyTyped(CopyLoops loops, const E* in, E* out, ThreadPool* pool) {
  in += loops.in_offset;
  out += loops.out_offset;
  Block block{1, 1, 0, 0, 0, 0};
  int64_t total = 1;
  for (int d = 0; d < loops.rank; ++d) {
    total *= loops.sizes[d];
  }
  if (loops.rank > 0) {
    const int last = --loops.rank;
    block.cols = loops.sizes[last];
    block.in_col = loops.in[last];
    block.out_col = loops.out[last];
  }
  if (loops.rank > 0) {
    // The loop over rows: the one whose elements are neighbours in `in` if there is one, else the next one outwards.
    int rows = loops.rank - 1;
    for (int d = 0; d < loops.rank && block.in_col != 1; ++d) {
      rows = loops.in[d] == 1 ? d : rows;
    }
    block.rows = loops.sizes[rows];
    block.in_row = loops.in[rows];
    block.out_row = loops.out[rows];
    for (int d = rows; d + 1 < loops.rank; ++d) {
      loops.sizes[d] = loops.sizes[d + 1];
      loops.in[d] = loops.in[d + 1];
      loops.out[d] = loops.out[d + 1];
    }
    --loops.rank;
  }
  const int64_t bytes = total * static_cast<int64_t>(sizeof(E));
  const int64_t outer = total / (block.rows * block.cols);
  const int64_t wanted = bytes <= kSerialBytes ? 1 : std::max<int64_t>(1, 4 * pool->threads() / outer);
  const int64_t chunk_rows = (std::max<int64_t>(1, block.rows / wanted) + 31) / 32 * 32;
  const int64_t chunks = (block.rows + chunk_rows - 1) / chunk_rows;
  const int64_t grain =
      bytes <= kSerialBytes ? outer * chunks : std::max<int64_t>(1, outer * chunks * kSerialBytes / bytes);
  pool->ParallelFor(outer * chunks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % chunks * chunk_rows;
      int64_t i = item / chunks, from = first * block.in_row, to = first * block.out_row;
      for (int d = loops.rank - 1; d >= 0; --d) {
        from += i % loops.sizes[d] * loops.in[d];
        to += i % loops.sizes[d] * loops.out[d];
        i /= loops.sizes[d];
      }
      Block part = block;
      part.rows = std::min(chunk_rows, block.rows - first);
      CopyBlock(in + from, out + to, part);
    }
  });
}

// Two elements a byte.  Whole bytes when the innermost run allows it, else one by one (on one thread: neighbours share
// bytes).
void CopyNibbles(CopyLoops loops, const uint8_t* in, uint8_t* out, ThreadPool* pool) {
  const int last = loops.rank - 1;
  bool even = loops.rank > 0 && loops.in[last] == 1 && loops.out[last] == 1 && loops.sizes[last] % 2 == 0 &&
              loops.in_offset % 2 == 0 && loops.out_offset % 2 == 0;
  for (int d = 0; d < last; ++d) {
    even = even && loops.in[d] % 2 == 0 && loops.out[d] % 2 == 0;
  }
  if (even) {
    for (int d = 0; d < last; ++d) {
      loops.in[d] /= 2;
      loops.out[d] /= 2;
    }
    loops.sizes[last] /= 2;
    loops.in_offset /= 2;
    loops.out_offset /= 2;
    return CopyTyped(loops, in, out, pool);
  }
  int64_t total = 1;
  for (int d = 0; d < loops.rank; ++d) {
    total *= loops.sizes[d];
  }
  for (int64_t item = 0; item < total; ++item) {
    int64_t i = item, from = loops.in_offset, to = loops.out_offset;
    for (int d = last; d >= 0; --d) {
      from += i % loops.sizes[d] * loops.in[d];
      to += i % loops.sizes[d] * loops.out[d];
      i /= loops.sizes[d];
    }
    const int nibble = in[from >> 1] >> (from & 1) * 4 & 15;
    const int shift = static_cast<int>(to & 1) * 4;
    out[to >> 1] = static_cast<uint8_t>((out[to >> 1] & ~(15 << shift)) | nibble << shift);
  }
}

}  // namespace

void StridedCopy(CopyLoops loops, const void* in, void* out, int bits, ThreadPool* pool) {
  if (!Normalise(loops)) {
    return;
  }
  const int64_t bytes = bits / 8;
  if (bits >= 8 && (loops.rank == 0 || (loops.rank == 1 && loops.in[0] == 1 && loops.out[0] == 1))) {
    return ParallelMemcpy(static_cast<const uint8_t*>(in) + loops.in_offset * bytes,
                          static_cast<uint8_t*>(out) + loops.out_offset * bytes,
                          (loops.rank == 0 ? 1 : loops.sizes[0]) * bytes, pool);
  }
  switch (bits) {
    case 4:
      return CopyNibbles(loops, static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), pool);
    case 8:
      return CopyTyped(loops, static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), pool);
    case 16:
      return CopyTyped(loops, static_cast<const uint16_t*>(in), static_cast<uint16_t*>(out), pool);
    case 32:
      return CopyTyped(loops, static_cast<const uint32_t*>(in), static_cast<uint32_t*>(out), pool);
    default:
      return CopyTyped(loops, static_cast<const uint64_t*>(in), static_cast<uint64_t*>(out), pool);
  }
}

void ParallelMemcpy(const void* in, void* out, int64_t bytes, ThreadPool* pool) {
  if (bytes == 0 || in == out) {
    return;
  }
  pool->ParallelFor(bytes, std::max(kSerialBytes, bytes / (4 * pool->threads())), [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<uint8_t*>(out) + begin, static_cast<const uint8_t*>(in) + begin, end - begin);
  });
}

}  // namespace sluice::kernels
