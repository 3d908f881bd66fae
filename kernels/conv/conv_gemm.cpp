#include <algorithm>

#include "kernels/conv/conv_ops.h"
#include "kernels/conv/conv_run.h"
#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kMaxTiles = 3;  // tiles of 16 pixels a block has at most (GemmOps::conv_tiles)

int64_t Depth(const ConvProblem& p) { return p.channels * p.Taps(); }
int64_t WeightTiles(const ConvProblem& p) { return (p.features + kTile - 1) / kTile; }
bool WeightsInPlace(const Tensor& w) { return w.layout == Layout::kOihwTile16 && w.dtype == DType::kF32; }
int64_t WeightBytes(const ConvProblem& p, const Tensor& w) {
  return WeightsInPlace(w) ? 0 : AlignUp(p.groups * WeightTiles(p) * Depth(p) * kTile * 4);
}
int64_t PanelBytes(const ConvProblem& p) { return AlignUp((Depth(p) * kMaxTiles * kTile + kPieceSlack) * 4); }
// At worst every column is a run of its own; the rest of a row without pixels takes a few more.
int64_t PieceBytes(const ConvProblem& p) {
  return AlignUp(p.Taps() * kMaxTiles * kTile * static_cast<int64_t>(sizeof(PatchPiece)));
}

// Output pixels next to each other in one output row, and where they go in a panel's rows.
struct PixelRun {
  int64_t z, y, x;  // of the first output pixel
  int64_t n;
  int64_t column;
};

class ConvGemmRun {
 public:
  ConvGemmRun(const ConvProblem& p, const ConvOperands& o)
      : p_(p),
        o_(o),
        ops_(Gemm()),
        conv_(Conv()),
        depth_(Depth(p)),
        pixels_(p.OutPixels()),
        blocks_((pixels_ + kTile - 1) / kTile, ops_.conv_tiles),
        panels_at_(static_cast<uint8_t*>(o.workspace) + WeightBytes(p, o.w)) {
    // Few pixels: split the features as well, so that every thread finds work.
    const int64_t units = std::max<int64_t>(1, p.batch * p.groups * blocks_.count);
    splits_ = std::clamp<int64_t>(2 * o.pool->threads() / units, 1, WeightTiles(p));
  }

  void Run() {
    PackWeights();
    const int64_t units = p_.batch * p_.groups * blocks_.count * splits_;
    o_.pool->ParallelForWithThread(units, 1, [this](int64_t begin, int64_t end, int thread) {
      uint8_t* work = panels_at_ + thread * (PanelBytes(p_) + PieceBytes(p_));
      float* panel = reinterpret_cast<float*>(work);
      PatchPiece* pieces = reinterpret_cast<PatchPiece*>(work + PanelBytes(p_));
      int64_t packed = -1;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t block = i / splits_;
        if (block != packed) {
          PackPanel(block / blocks_.count, block % blocks_.count, panel, pieces);
          packed = block;
        }
        Multiply(block / blocks_.count, block % blocks_.count, i % splits_, panel);
      }
    });
  }

 private:
  // [groups][ceil(features / 16)][depth][16] in f32, from either layout and any type.
  void PackWeights() {
    if (WeightsInPlace(o_.w)) {
      weights_ = o_.w.as<float>();
      return;
    }
    float* to = static_cast<float*>(o_.workspace);
    weights_ = to;
    const int64_t tiles = WeightTiles(p_);
    o_.pool->ParallelFor(p_.groups * tiles, 1, [this, to, tiles](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) {
        float* out = to + tile * depth_ * kTile;
        if (o_.w.layout == Layout::kOihwTile16) {
          ToF32(Weight(tile * depth_ * kTile), o_.w.dtype, 1, depth_ * kTile, out);
          continue;
        }
        const int64_t first = tile % tiles * kTile;
        for (int64_t r = 0; r < kTile; ++r) {
          const int64_t feature = tile / tiles * p_.features + first + r;
          for (int64_t k = 0; k < depth_; k += kStrip) {
            float strip[kStrip] = {};
            const int64_t n = std::min(kStrip, depth_ - k);
            if (first + r < p_.features) {
              ToF32(Weight(feature * depth_ + k), o_.w.dtype, 1, n, strip);
            }
            for (int64_t i = 0; i < n; ++i) {
              out[(k + i) * kTile + r] = strip[i];
            }
          }
        }
      }
    });
  }
  const uint8_t* Weight(int64_t element) const { return o_.w.as<uint8_t>() + element * (BitWidth(o_.w.dtype) / 8); }

  int64_t FirstPixel(int64_t block) const { return blocks_.Begin(block) * kTile; }
  int64_t Columns(int64_t block) const { return blocks_.Size(block) * kTile; }

  // The patches of a block's pixels: [depth][columns], zero where the window hangs over an edge or no pixel is left.
  void PackPanel(int64_t group, int64_t block, float* panel, PatchPiece* pieces) const {
    const int64_t columns = Columns(block);
    const int64_t count = PlanPieces(block, pieces);
    const float* image = o_.x + group * p_.channels * p_.InPixels();
    for (int64_t c = 0; c < p_.channels; ++c) {
      conv_.copy_pieces(pieces, count, p_.stride[2], image, panel);
      image += p_.InPixels();
      panel += p_.Taps() * columns;
    }
  }

  // What to copy for one channel, the same for all: every tap's row of the panel in pieces of a vector.
  int64_t PlanPieces(int64_t block, PatchPiece* pieces) const {
    PixelRun runs[kMaxTiles * kTile];
    const int64_t columns = Columns(block);
    int64_t run_count = 0, column = 0;
    for (int64_t at = FirstPixel(block); column < columns && at < pixels_;) {
      const int64_t x = at % p_.out[2];
      const int64_t n = std::min({p_.out[2] - x, columns - column, pixels_ - at});
      runs[run_count++] = {at / (p_.out[1] * p_.out[2]), at / p_.out[2] % p_.out[1], x, n, column};
      at += n;
      column += n;
    }
    int64_t count = 0;
    for (int64_t tap = 0; tap < p_.Taps(); ++tap) {
      const Size3 k = {tap / (p_.kernel[1] * p_.kernel[2]), tap / p_.kernel[2] % p_.kernel[1], tap % p_.kernel[2]};
      for (int64_t i = 0; i < run_count; ++i) {
        count = PlanRun(runs[i], k, tap * columns, pieces, count);
      }
      for (int64_t c = column; c < columns; c += conv_.lanes) {
        pieces[count++] = {0, static_cast<int32_t>(tap * columns + c), 0};
      }
    }
    return count;
  }

  int64_t PlanRun(const PixelRun& run, const Size3& tap, int64_t row, PatchPiece* pieces, int64_t count) const {
    const int64_t z = run.z * p_.stride[0] - p_.pad[0] + tap[0] * p_.dilation[0];
    const int64_t y = run.y * p_.stride[1] - p_.pad[1] + tap[1] * p_.dilation[1];
    const int64_t x = run.x * p_.stride[2] - p_.pad[2] + tap[2] * p_.dilation[2];
    const bool outside = z < 0 || z >= p_.in[0] || y < 0 || y >= p_.in[1];
    const Span inside = outside ? Span{0, 0} : InsideOf(x, p_.stride[2], p_.in[2], run.n);
    const int64_t from = (z * p_.in[1] + y) * p_.in[2] + x;
    for (int64_t i = 0; i < run.n; i += conv_.lanes) {
      const auto bits = [&](int64_t n) { return (uint32_t{1} << std::clamp<int64_t>(n - i, 0, conv_.lanes)) - 1; };
      const uint32_t mask = bits(inside.end) & ~bits(inside.begin);
      const int64_t at = mask == 0 ? 0 : from + i * p_.stride[2];
      pieces[count++] = {static_cast<int32_t>(at), static_cast<int32_t>(row + run.column + i), mask};
    }
    return count;
  }

  // Part `split` of the group's features for one block of pixels.
  void Multiply(int64_t group, int64_t block, int64_t split, const float* panel) const {
    const int64_t tiles = WeightTiles(p_);
    const int64_t first = FirstPixel(block);
    const int64_t weight_group = group % p_.groups;
    TileArgs args{};
    args.w = panel;
    args.w_tile = kTile;
    args.w_k = Columns(block);
    args.k = depth_;
    args.cols = std::min(Columns(block), pixels_ - first);
    const bool direct = o_.y.dtype == DType::kF32;
    float buffer[kTile * kMaxTiles * kTile];
    for (int64_t tile = split * tiles / splits_; tile < (split + 1) * tiles / splits_; ++tile) {
      const int64_t rows = std::min(kTile, p_.features - tile * kTile);
      for (int64_t row = 0; row < rows; row += ops_.conv_rows) {
        const int n = static_cast<int>(std::min<int64_t>(ops_.conv_rows, rows - row));
        const int64_t feature = tile * kTile + row;
        const int64_t at = (group * p_.features + feature) * pixels_ + first;
        args.x = weights_ + (weight_group * tiles + tile) * depth_ * kTile + row;
        args.row_bias = o_.bias == nullptr ? nullptr : o_.bias + weight_group * p_.features + feature;
        args.out = direct ? o_.y.as<float>() + at : buffer;
        args.out_row = direct ? pixels_ : args.cols;
        ops_.conv_tile(n, blocks_.Size(block), args);
        for (int r = 0; !direct && r < n; ++r) {
          FromF32(buffer + r * args.cols, args.cols, o_.y.dtype, o_.y.data, at + r * pixels_);
        }
      }
    }
  }

  static constexpr int64_t kStrip = 64;
  const ConvProblem& p_;
  const ConvOperands& o_;
  const GemmOps& ops_;
  const ConvOps& conv_;
  const int64_t depth_;  // channels · taps: the k of the GEMM
  const int64_t pixels_;
  const Panels blocks_;  // of tiles of 16 pixels
  uint8_t* panels_at_;
  const float* weights_ = nullptr;
  int64_t splits_;
};

}  // namespace

int64_t ConvGemmWorkspace(const ConvProblem& p, const Tensor& w, int threads) {
  return WeightBytes(p, w) + threads * (PanelBytes(p) + PieceBytes(p));
}

void ConvGemm(const ConvProblem& p, const ConvOperands& o) { ConvGemmRun(p, o).Run(); }

}  // namespace sluice::kernels
