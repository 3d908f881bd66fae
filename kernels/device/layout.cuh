// Index arithmetic of the tensor cores and of TMA, for device code and for the tests on the host: no CUDA here.
#pragma once

#ifdef __CUDACC__
#define SL_DEVICE __device__ __forceinline__
#define SL_BOTH __host__ __device__ __forceinline__ constexpr
#else
#define SL_DEVICE inline
#define SL_BOTH inline constexpr
#endif

namespace sl {

// ---- Swizzle: a TMA box whose rows are `span` bytes (32, 64 or 128) stores 16-byte chunk c of row r elsewhere in a
// group of 8 lines of 128 bytes, so that 8 rows of one chunk meet all banks.
//   span 128: row r is line r, chunk c goes to c ^ (r % 8)      span 64: two rows a line, c ^ (r / 2 % 4)
SL_BOTH int SwizzledOffset(int row, int chunk, int span) {
  const int chunks = span / 16;
  return row * span + ((chunk ^ (row * chunks / 8 & (chunks - 1))) * 16);
}

// ---- wgmma's matrix descriptor (128-byte swizzle), in units of 16 bytes.
//   bits 0-13 start, 16-29 leading offset, 32-45 stride offset, 62-63 swizzle (1 = 128 bytes)
// Depth-major (rows of 128 bytes of depth): 8-row groups 1024 bytes apart; leading offset unused; the depth of the next
//   wgmma (16 elements, 32 codes of 8 bits) is 32 bytes further on in the same lines.
// Width-major (rows of 64 width elements for one depth): the next 64 of the width are `panel` bytes on; the next 16 of
//   the depth are 16 lines of 128 bytes on.
SL_BOTH unsigned long MatrixDescriptor(unsigned shared_address, int panel_bytes = 16) {
  return ((shared_address & 0x3ffff) >> 4) | static_cast<unsigned long>(panel_bytes >> 4) << 16 |
         static_cast<unsigned long>(1024 >> 4) << 32 | 1ul << 62;
}
inline constexpr int kDepthStep = 32 >> 4;         // of a wgmma, depth-major
inline constexpr int kWidthDepthStep = 2048 >> 4;  // of 16 depth elements, width-major

// ---- The accumulator of m64nN: which element of the 64 x N tile thread t of the warpgroup holds in register i.
SL_BOTH int FragmentRow(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + (i & 2) * 4; }
SL_BOTH int FragmentColumn(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + (i & 1); }

// ---- A walk over tiles in bands of `band` tile rows, down then right, so that the CTAs of one wave touch a roughly
// square region and their operands stay in L2.
//   rows 4, cols 3, band 2 -> (0,0) (1,0) (0,1) (1,1) (0,2) (1,2) (2,0) (3,0) ...
struct TileIndex {
  int batch, row, col;
};
struct TileOrder {
  int rows, cols, batches, band;
  SL_BOTH int count() const { return rows * cols * batches; }
  SL_BOTH TileIndex at(int i) const {
    const int batch = i / (rows * cols), local = i - batch * (rows * cols);
    const int first = local / (band * cols) * band;
    const int height = rows - first < band ? rows - first : band, rest = local - first * cols;
    return {batch, first + rest % height, rest / height};
  }
};

// ---- A ring of buffers: the slot to use next and the parity its barrier will have.
//   2 stages: (0,0) (1,0) (0,1) (1,1) (0,0) ...
template <int kStages>
struct Ring {
  int slot = 0;
  unsigned parity = 0;
  SL_BOTH void next() {
    if (++slot == kStages) {
      slot = 0;
      parity ^= 1;
    }
  }
  SL_BOTH void skip(int n) {
    slot += n;
    parity ^= slot / kStages & 1;
    slot %= kStages;
  }
};

SL_BOTH int ceil_div(int a, int b) { return (a + b - 1) / b; }
SL_BOTH int smaller(int a, int b) { return a < b ? a : b; }

}  // namespace sl
