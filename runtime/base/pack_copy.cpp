// Strided copies, transposes and tiles of pack expressions.
#include <algorithm>
#include <cstring>

#include "runtime/base/pack_block.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::pack_internal {
namespace {

constexpr int64_t kTile = 16;

// to[p * to_row + q] = from[q * from_row + p] for a square of kSide elements, which is 16 bytes wide.
template <typename T>
constexpr int64_t kSide = 16 / sizeof(T);

#if defined(__SSE2__)
// log2(kSide) rounds of interleaving rows i and i + kSide / 2 transpose the square.
template <typename T>
void TransposeSquare(const T* from, int64_t from_row, T* to, int64_t to_row) {
  constexpr int64_t n = kSide<T>;
  __m128i a[n], b[n];
  for (int64_t i = 0; i < n; ++i) {
    a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_row));
  }
  for (int64_t round = 1; round < n; round *= 2) {
    for (int64_t i = 0; i < n / 2; ++i) {
      const __m128i x = a[i], y = a[i + n / 2];
      if constexpr (sizeof(T) == 1) {
        b[2 * i] = _mm_unpacklo_epi8(x, y), b[2 * i + 1] = _mm_unpackhi_epi8(x, y);
      } else if constexpr (sizeof(T) == 2) {
        b[2 * i] = _mm_unpacklo_epi16(x, y), b[2 * i + 1] = _mm_unpackhi_epi16(x, y);
      } else if constexpr (sizeof(T) == 4) {
        b[2 * i] = _mm_unpacklo_epi32(x, y), b[2 * i + 1] = _mm_unpackhi_epi32(x, y);
      } else {
        b[2 * i] = _mm_unpacklo_epi64(x, y), b[2 * i + 1] = _mm_unpackhi_epi64(x, y);
      }
    }
    std::copy(b, b + n, a);
  }
  for (int64_t i = 0; i < n; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_row), a[i]);
  }
}
#else
template <typename T>
void TransposeSquare(const T* from, int64_t from_row, T* to, int64_t to_row) {
  for (int64_t p = 0; p < kSide<T>; ++p) {
    for (int64_t q = 0; q < kSide<T>; ++q) {
      to[p * to_row + q] = from[q * from_row + p];
    }
  }
}
#endif

// to[p * to_row + q] = from[q * from_row + p] for p < rows, q < columns; in panels that stay in the first cache.
template <typename T>
void Transpose(const T* from, int64_t from_row, T* to, int64_t to_row, int64_t rows, int64_t columns) {
  constexpr int64_t kPanel = 64 / sizeof(T);  // a cache line of each row
  constexpr int64_t n = kSide<T>;
  for (int64_t p0 = 0; p0 < rows; p0 += kPanel) {
    const int64_t p1 = std::min(rows, p0 + kPanel);
    for (int64_t q0 = 0; q0 < columns; q0 += n) {
      int64_t p = p0;
      if (q0 + n <= columns) {
        for (; p + n <= p1; p += n) {
          TransposeSquare(from + q0 * from_row + p, from_row, to + p * to_row + q0, to_row);
        }
      }
      for (; p < p1; ++p) {
        for (int64_t q = q0; q < std::min(columns, q0 + n); ++q) {
          to[p * to_row + q] = from[q * from_row + p];
        }
      }
    }
  }
}

// Drops dimensions of size 1 and joins neighbours that walk as one.
void Simplify(std::vector<int64_t>* sizes, std::vector<int64_t>* strides) {
  size_t kept = 0;
  for (size_t d = 0; d < sizes->size(); ++d) {
    if ((*sizes)[d] == 1) {
      continue;
    }
    if (kept > 0 && (*strides)[kept - 1] == (*strides)[d] * (*sizes)[d]) {
      (*sizes)[kept - 1] *= (*sizes)[d];
      (*strides)[kept - 1] = (*strides)[d];
    } else {
      (*sizes)[kept] = (*sizes)[d];
      (*strides)[kept++] = (*strides)[d];
    }
  }
  sizes->resize(kept);
  strides->resize(kept);
}

template <typename T>
void Copy(const T* from, const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides, T* to) {
  const size_t rank = sizes.size();
  if (rank == 0) {
    *to = *from;
    return;
  }
  // The innermost loops: the last dimension, and with it the one that is contiguous in memory if that is another.
  const std::vector<int64_t> to_strides = DenseStrides(sizes);
  const size_t last = rank - 1;
  size_t other = last;
  if (strides[last] != 1) {
    const auto one = std::find(strides.begin(), strides.end(), 1);
    other = one == strides.end() ? last : static_cast<size_t>(one - strides.begin());
  }
  const int64_t inner = sizes[last];
  std::vector<int64_t> index(rank, 0);
  for (;;) {
    int64_t at = 0;
    int64_t out = 0;
    for (size_t d = 0; d < rank; ++d) {
      at += index[d] * strides[d];
      out += index[d] * to_strides[d];
    }
    if (other != last) {
      Transpose(from + at, strides[last], to + out, to_strides[other], sizes[other], inner);
    } else if (strides[last] == 1) {
      std::memcpy(to + out, from + at, inner * sizeof(T));
    } else {
      for (int64_t i = 0; i < inner; ++i) {
        to[out + i] = from[at + i * strides[last]];
      }
    }
    size_t d = rank;
    while (d-- > 0) {
      if (d == last || d == other) {
        continue;
      }
      if (++index[d] < sizes[d]) {
        break;
      }
      index[d] = 0;
    }
    if (d == static_cast<size_t>(-1)) {
      return;
    }
  }
}

template <typename T>
void Tiles(const T* from, int64_t row_stride, int64_t k_stride, int64_t count, int64_t k, T* to) {
  for (int64_t row = 0; row < count; row += kTile, to += kTile * k) {
    const int64_t lanes = std::min(kTile, count - row);
    const T* rows = from + row * row_stride;
    if (lanes < kTile) {
      std::memset(to, 0, kTile * k * sizeof(T));
    }
    if (k_stride == 1) {
      Transpose(rows, row_stride, to, kTile, k, lanes);
      continue;
    }
    for (int64_t i = 0; i < k; ++i) {
      if (row_stride == 1) {
        std::memcpy(to + i * kTile, rows + i * k_stride, lanes * sizeof(T));
        continue;
      }
      for (int64_t lane = 0; lane < lanes; ++lane) {
        to[i * kTile + lane] = rows[lane * row_stride + i * k_stride];
      }
    }
  }
}

// Calls body with a null pointer of the unsigned type of that width.
template <typename Body>
void ForWidth(int width, const Body& body) {
  switch (width) {
    case 1:
      return body(static_cast<uint8_t*>(nullptr));
    case 2:
      return body(static_cast<uint16_t*>(nullptr));
    case 4:
      return body(static_cast<uint32_t*>(nullptr));
    default:
      return body(static_cast<uint64_t*>(nullptr));
  }
}

}  // namespace

std::vector<int64_t> DenseStrides(const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t d = sizes.size(); d-- > 1;) {
    strides[d - 1] = strides[d] * sizes[d];
  }
  return strides;
}

Block MakeBlock(DType dtype, std::vector<int64_t> sizes) {
  Block block{dtype, std::move(sizes), {}, nullptr, 0};
  block.strides = DenseStrides(block.sizes);
  block.stored = block.elements();
  block.data.reset(new uint8_t[static_cast<size_t>(block.stored * block.width())]);
  return block;
}

Block Densify(Block block) {
  if (block.dense()) {
    return block;
  }
  Block out = MakeBlock(block.dtype, block.sizes);
  if (out.stored > 0) {
    CopyStrided(block.data.get(), block.sizes, block.strides, block.width(), out.data.get());
  }
  return out;
}

void CopyStrided(const uint8_t* from, std::vector<int64_t> sizes, std::vector<int64_t> strides, int width,
                 uint8_t* to) {
  Simplify(&sizes, &strides);
  ForWidth(width, [&](auto* type) {
    using T = std::remove_reference_t<decltype(*type)>;
    Copy(reinterpret_cast<const T*>(from), sizes, strides, reinterpret_cast<T*>(to));
  });
}

void CopyTiles(const Block& block, int64_t count, uint8_t* to) {
  std::vector<int64_t> sizes(block.sizes.begin() + 1, block.sizes.end());
  std::vector<int64_t> strides(block.strides.begin() + 1, block.strides.end());
  const int64_t k = Box{{}, sizes}.elements();
  Simplify(&sizes, &strides);
  if (k == 0 || count == 0) {
    return;
  }
  const uint8_t* from = block.data.get();
  if (sizes.size() > 1) {  // [rows, i, kh, kw] that do not walk as one
    std::vector<int64_t> row_sizes = block.sizes;
    row_sizes[0] = count;
    Block rows = MakeBlock(block.dtype, row_sizes);
    CopyStrided(from, row_sizes, block.strides, block.width(), rows.data.get());
    return CopyTiles(rows, count, to);
  }
  const int64_t k_stride = sizes.empty() ? 1 : strides[0];
  ForWidth(block.width(), [&](auto* type) {
    using T = std::remove_reference_t<decltype(*type)>;
    Tiles(reinterpret_cast<const T*>(from), block.strides[0], k_stride, count, k, reinterpret_cast<T*>(to));
  });
}

}  // namespace sluice::pack_internal
