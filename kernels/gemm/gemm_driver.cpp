#include "kernels/gemm/gemm_driver.h"

#include <algorithm>
#include <cstring>

#include "kernels/gemm/gemm_ops.h"
#include "runtime/base/cpu.h"
#include "runtime/base/half.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kMaxGroup = 4;            // tiles of a group at most (GemmOps::group_tiles)
constexpr int64_t kMaxRows = 16;            // rows of a panel at most
constexpr int64_t kSerialPack = 16 * 1024;  // elements of x packed without waking the other threads
constexpr int64_t kDirectRows = 16;         // rows from which copying a strided w into tiles pays

const uint8_t* At(const void* data, DType type, int64_t element) {
  return static_cast<const uint8_t*>(data) + element * (BitWidth(type) / 8);
}

// [k][rows] panel of rows [begin, begin + rows).
void PackPanel(const GemmOperand& x, int64_t offset, int64_t begin, int rows, int64_t k, float* panel) {
  if (rows == 1) {
    ToF32(At(x.data, x.type, offset + begin * x.row), x.type, x.col, k, panel);
    return;
  }
  if (x.col == 1) {
    Gemm().pack_panel(WTypeOf(x.type), At(x.data, x.type, offset + begin * x.row), x.row, rows, k, panel);
    return;
  }
  constexpr int64_t kStrip = 64;  // k at a time: a strip of every row stays in L1
  float strip[kMaxRows][kStrip];
  for (int64_t k0 = 0; k0 < k; k0 += kStrip) {
    const int64_t n = std::min(kStrip, k - k0);
    for (int r = 0; r < rows; ++r) {
      ToF32(At(x.data, x.type, offset + (begin + r) * x.row + k0 * x.col), x.type, x.col, n, strip[r]);
    }
    for (int64_t kk = 0; kk < n; ++kk) {
      for (int r = 0; r < rows; ++r) {
        panel[(k0 + kk) * rows + r] = strip[r][kk];
      }
    }
  }
}

// Tile columns [col, col + 16 * tiles) of a strided w as [tiles][k][16], zero padded, element type unchanged.
template <typename T>
void PackTiles(const GemmOperand& w, int64_t offset, int64_t col, int tiles, int64_t n, int64_t k, T* out) {
  const T* from = static_cast<const T*>(w.data) + offset;
  for (int t = 0; t < tiles; ++t) {
    const int64_t first = col + t * kTile;
    const int64_t cols = std::clamp<int64_t>(n - first, 0, kTile);
    for (int64_t kk = 0; kk < k; ++kk) {
      T* to = out + (t * k + kk) * kTile;
      const T* row = from + first * w.row + kk * w.col;
      if (w.row == 1 && cols == kTile) {
        std::memcpy(to, row, kTile * sizeof(T));
        continue;
      }
      for (int64_t c = 0; c < kTile; ++c) {
        to[c] = c < cols ? row[c * w.row] : T{};
      }
    }
  }
}

// Where an output block of f32 goes first: `out` itself, or a buffer that Flush converts from.
struct OutBlock {
  float buffer[kMaxRows * kMaxGroup * kTile];
  float* data;
  int64_t row;

  OutBlock(const GemmProblem& p, int64_t at, int64_t cols) {
    const bool direct = p.out_type == DType::kF32;
    data = direct ? static_cast<float*>(p.out) + at : buffer;
    row = direct ? p.n : cols;
  }
  void Flush(const GemmProblem& p, int64_t at, int rows, int64_t cols) const {
    for (int r = 0; data == buffer && r < rows; ++r) {
      FromF32(buffer + r * row, cols, p.out_type, p.out, at + r * p.n);
    }
  }
};

// Tile form.  A unit is one tile of 16 columns of one block of rows of one batch member.
class TileRun {
 public:
  TileRun(const GemmProblem& p, void* workspace, ThreadPool* pool)
      : p_(p), ops_(Gemm()), panels_(p.m, ops_.tile_rows), pool_(pool), x_(static_cast<float*>(workspace)) {
    tiles_ = (p.n + kTile - 1) / kTile;
    group_ = ops_.group_tiles(panels_.Size(panels_.count - 1));
    scratch_ = static_cast<uint8_t*>(workspace) + AlignUp(p.batch * p.m * p.k * 4);
    in_place_ = p.w_packed || (p.w.row == 1 && p.m < kDirectRows);
    // Few columns: split the rows as well, so that every thread finds work.
    const int64_t wanted = 4 * pool->threads();
    const int64_t groups = std::max<int64_t>(1, p.batch * ((tiles_ + group_ - 1) / group_));
    blocks_ = std::clamp<int64_t>(wanted / groups, 1, panels_.count);
  }

  void Run() {
    PackX();
    pool_->ParallelForWithThread(p_.batch * blocks_ * tiles_, group_, [this](int64_t begin, int64_t end, int thread) {
      while (begin < end) {
        const int64_t outer = begin / tiles_;
        const int64_t tile = begin % tiles_;
        const int64_t count = std::min({tiles_ - tile, end - begin, in_place_ ? tiles_ : group_});
        Columns(outer / blocks_, outer % blocks_, tile, count, thread);
        begin += count;
      }
    });
  }

 private:
  // One row that is f32 already needs no panel.
  bool PanelIsRow() const { return p_.m == 1 && p_.x.type == DType::kF32 && p_.x.col == 1; }
  const float* Panel(int64_t b, int64_t panel) const {
    return PanelIsRow() ? static_cast<const float*>(p_.x.data) + p_.x.Offset(b)
                        : x_ + (b * p_.m + panels_.Begin(panel)) * p_.k;
  }

  void PackX() {
    if (PanelIsRow()) {
      return;
    }
    const auto pack = [this](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t b = i / panels_.count;
        const int64_t panel = i % panels_.count;
        float* to = x_ + (b * p_.m + panels_.Begin(panel)) * p_.k;
        PackPanel(p_.x, p_.x.Offset(b), panels_.Begin(panel), panels_.Size(panel), p_.k, to);
      }
    };
    const int64_t units = p_.batch * panels_.count;
    if (p_.batch * p_.m * p_.k <= kSerialPack) {
      pack(0, units);
    } else {
      pool_->ParallelFor(units, 1, pack);
    }
  }

  // Columns of `count` tiles: all of them per panel when w lies in tiles, else one group copied into tiles first.
  void Columns(int64_t b, int64_t block, int64_t tile, int64_t count, int thread) {
    TileArgs args{};
    args.k = p_.k;
    args.w_k = kTile;
    args.w_tile = p_.k * kTile;
    const DType type = p_.w.type;
    const int64_t offset = p_.w_packed ? 0 : p_.w.Offset(b);
    if (p_.w_packed) {
      args.w = At(p_.w.data, type, tile * args.w_tile);
    } else if (in_place_) {
      // Whole tiles are read where they are, a partial last one is copied to be padded.
      const int64_t whole = std::min(count, p_.n / kTile - tile);
      args.w_k = p_.w.col;
      args.w_tile = kTile;
      args.w = At(p_.w.data, type, offset + tile * kTile);
      Blocks(b, block, tile, whole, args);
      if (whole == count) {
        return;
      }
      tile += whole;
      count -= whole;
      args.w_k = kTile;
      args.w = CopyTiles(offset, tile, count, thread);
    } else {
      args.w = CopyTiles(offset, tile, count, thread);
    }
    Blocks(b, block, tile, count, args);
  }

  const void* CopyTiles(int64_t offset, int64_t tile, int64_t count, int thread) {
    uint8_t* to = scratch_ + thread * AlignUp(p_.k * kMaxGroup * kTile * 4);
    if (p_.w.type == DType::kF32) {
      PackTiles(p_.w, offset, tile * kTile, static_cast<int>(count), p_.n, p_.k, reinterpret_cast<float*>(to));
    } else {
      PackTiles(p_.w, offset, tile * kTile, static_cast<int>(count), p_.n, p_.k, reinterpret_cast<uint16_t*>(to));
    }
    return to;
  }

  // Group by group, every panel of the block: a group of w stays in L1/L2 while the panels stream past it.
  void Blocks(int64_t b, int64_t block, int64_t tile, int64_t count, TileArgs args) {
    const void* w = args.w;
    for (int64_t t = 0; t < count; t += group_) {
      const int64_t tiles = std::min<int64_t>(group_, count - t);
      const int64_t col = (tile + t) * kTile;
      args.w = At(w, p_.w.type, t * args.w_tile);
      args.cols = std::min(p_.n - col, tiles * kTile);
      for (int64_t panel = block * panels_.count / blocks_; panel < (block + 1) * panels_.count / blocks_; ++panel) {
        const int rows = panels_.Size(panel);
        const int64_t at = (b * p_.m + panels_.Begin(panel)) * p_.n + col;
        OutBlock out(p_, at, args.cols);
        args.x = Panel(b, panel);
        args.out = out.data;
        args.out_row = out.row;
        ops_.tile(WTypeOf(p_.w.type), rows, static_cast<int>(tiles), args);
        out.Flush(p_, at, rows, args.cols);
      }
    }
  }

  const GemmProblem& p_;
  const GemmOps& ops_;
  const Panels panels_;
  ThreadPool* pool_;
  float* x_;          // [batch][m * k]: panels one behind the other
  uint8_t* scratch_;  // [threads][k * 64] for copied tiles
  int64_t tiles_;
  int64_t group_;
  int64_t blocks_;  // of rows
  bool in_place_;   // w is read where it lies
};

// Dot form.  A unit is dot_cols columns of one block of rows.
class DotRun {
 public:
  DotRun(const GemmProblem& p, void* workspace, ThreadPool* pool)
      : p_(p), ops_(Gemm()), pool_(pool), x_(static_cast<float*>(workspace)) {
    direct_ = p.x.type == DType::kF32 && p.x.col == 1;
  }

  void Run() {
    PackX();
    const int64_t row_blocks = (p_.m + kRowBlock - 1) / kRowBlock;
    const int64_t col_units = (p_.n + kColUnit - 1) / kColUnit;
    const int64_t per_row_block = col_units;
    pool_->ParallelFor(p_.batch * row_blocks * per_row_block, 1, [=, this](int64_t begin, int64_t end) {
      for (; begin < end; ++begin) {
        const int64_t outer = begin / per_row_block;
        Block(outer / row_blocks, outer % row_blocks * kRowBlock, begin % per_row_block * kColUnit);
      }
    });
  }

 private:
  static constexpr int64_t kRowBlock = 64;
  static constexpr int64_t kColUnit = 48;  // a multiple of 8, 6 and 4: whole groups of every instruction set

  void PackX() {
    if (direct_) {
      return;
    }
    const auto pack = [this](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t from = p_.x.Offset(i / p_.m) + i % p_.m * p_.x.row;
        ToF32(At(p_.x.data, p_.x.type, from), p_.x.type, p_.x.col, p_.k, x_ + i * p_.k);
      }
    };
    if (p_.batch * p_.m * p_.k <= kSerialPack) {
      pack(0, p_.batch * p_.m);
    } else {
      pool_->ParallelFor(p_.batch * p_.m, 4, pack);
    }
  }

  void Block(int64_t b, int64_t row, int64_t col) {
    const int64_t cols = std::min(kColUnit, p_.n - col);
    const int64_t last = std::min(p_.m, row + kRowBlock);
    DotArgs args{};
    args.k = p_.k;
    args.x_row = direct_ ? p_.x.row : p_.k;
    args.w_row = p_.w.row;
    args.w = At(p_.w.data, p_.w.type, p_.w.Offset(b) + col * p_.w.row);
    const float* x = direct_ ? static_cast<const float*>(p_.x.data) + p_.x.Offset(b) : x_ + b * p_.m * p_.k;
    for (; row < last; row += ops_.dot_rows) {
      const int rows = static_cast<int>(std::min<int64_t>(ops_.dot_rows, last - row));
      const int64_t at = (b * p_.m + row) * p_.n + col;
      OutBlock out(p_, at, cols);
      args.x = x + row * args.x_row;
      args.out = out.data;
      args.out_row = out.row;
      ops_.dot(WTypeOf(p_.w.type), rows, static_cast<int>(cols), args);
      out.Flush(p_, at, rows, cols);
    }
  }

  const GemmProblem& p_;
  const GemmOps& ops_;
  ThreadPool* pool_;
  float* x_;     // [batch][m][k]
  bool direct_;  // x is read where it lies
};

}  // namespace

const GemmOps& Gemm() {
  static const GemmOps& ops = Cpu().v4() ? avx512::kGemm : avx2::kGemm;
  return ops;
}

absl::Status CheckKernelFloats(const char* kernel, std::span<const Tensor> tensors) {
  for (const Tensor& t : tensors) {
    if (t.present() && !IsKernelFloat(t.dtype)) {
      return absl::UnimplementedError(absl::StrCat(kernel, ": no kernel for elements of type ", Name(t.dtype)));
    }
  }
  return absl::OkStatus();
}

WType WTypeOf(DType type) {
  return type == DType::kF16 ? WType::kF16 : type == DType::kBF16 ? WType::kBF16 : WType::kF32;
}

void ToF32(const void* x, DType type, int64_t stride, int64_t n, float* y) {
  if (type == DType::kF32) {
    const float* from = static_cast<const float*>(x);
    if (stride == 1) {
      std::memcpy(y, from, n * sizeof(float));
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      y[i] = from[i * stride];
    }
    return;
  }
  const uint16_t* from = static_cast<const uint16_t*>(x);
  const bool f16 = type == DType::kF16;
  if (stride == 1) {
    f16 ? F16ToF32(from, y, n) : BF16ToF32(from, y, n);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    y[i] = f16 ? F16ToF32(from[i * stride]) : BF16ToF32(from[i * stride]);
  }
}

void FromF32(const float* x, int64_t n, DType type, void* y, int64_t at) {
  switch (type) {
    case DType::kF16:
      F32ToF16(x, static_cast<uint16_t*>(y) + at, n);
      return;
    case DType::kBF16:
      F32ToBF16(x, static_cast<uint16_t*>(y) + at, n);
      return;
    default:
      std::memcpy(static_cast<float*>(y) + at, x, n * sizeof(float));
  }
}

int64_t GemmWorkspace(int64_t batch, int64_t m, int64_t k, int threads) {
  return AlignUp(batch * m * k * 4) + threads * AlignUp(k * kMaxGroup * kTile * 4);
}

void GemmRun(const GemmProblem& p, void* workspace, ThreadPool* pool) {
  if (p.batch == 0 || p.m == 0 || p.n == 0) {
    return;
  }
  if (!p.w_packed && p.w.col == 1) {
    DotRun(p, workspace, pool).Run();
  } else {
    TileRun(p, workspace, pool).Run();
  }
}

}  // namespace sluice::kernels
