#include <algorithm>

#include "kernels/conv/conv_run.h"
#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kMaxTiles = 3;

// Of ConvProblem's `out`: the pixels of x; of its `in`: the pixels of y.
int64_t PixelTiles(const ConvProblem& p) { return (p.OutPixels() + kTile - 1) / kTile; }
int64_t TapTiles(const ConvProblem& p) { return (p.Taps() + kTile - 1) / kTile; }

struct Plan {
  explicit Plan(const ConvProblem& p)
      : x_at(AlignUp(p.groups * p.features * TapTiles(p) * p.channels * kTile * 4)),
        threads_at(x_at + AlignUp(p.batch * p.groups * PixelTiles(p) * p.channels * kTile * 4)),
        thread_bytes(AlignUp((p.InPixels() + TapTiles(p) * kTile * kMaxTiles * kTile) * 4)) {}
  int64_t x_at, threads_at, thread_bytes;
};

class ConvTransposeRun {
 public:
  ConvTransposeRun(const ConvProblem& p, const ConvOperands& o)
      : p_(p), o_(o), ops_(Gemm()), plan_(p), blocks_(PixelTiles(p), ops_.conv_tiles) {
    uint8_t* memory = static_cast<uint8_t*>(o.workspace);
    weights_ = reinterpret_cast<float*>(memory);
    x_ = reinterpret_cast<float*>(memory + plan_.x_at);
    threads_ = memory + plan_.threads_at;
  }

  void Run() {
    o_.pool->ParallelFor(p_.groups * p_.features, 4, [this](int64_t begin, int64_t end) {
      for (int64_t f = begin; f < end; ++f) {
        PackWeights(f);
      }
    });
    o_.pool->ParallelFor(p_.batch * p_.groups, 1, [this](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) {
        PackX(group);
      }
    });
    const int64_t channels = p_.batch * p_.groups * p_.features;
    o_.pool->ParallelForWithThread(channels, 1, [this](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) {
        Channel(i, reinterpret_cast<float*>(threads_ + thread * plan_.thread_bytes));
      }
    });
  }

 private:
  // Of one output channel: [tap tiles][channels][16 taps], zero padded.
  void PackWeights(int64_t feature) {
    const int64_t bytes = BitWidth(o_.w.dtype) / 8;
    for (int64_t tile = 0; tile < TapTiles(p_); ++tile) {
      const int64_t n = std::min(kTile, p_.Taps() - tile * kTile);
      for (int64_t c = 0; c < p_.channels; ++c) {
        const int64_t channel = feature / p_.features * p_.channels + c;
        const int64_t from = (channel * p_.features + feature % p_.features) * p_.Taps() + tile * kTile;
        float* to = weights_ + ((feature * TapTiles(p_) + tile) * p_.channels + c) * kTile;
        std::fill(to, to + kTile, 0.0f);
        ToF32(o_.w.as<uint8_t>() + from * bytes, o_.w.dtype, 1, n, to);
      }
    }
  }

  // Of one batch member's group: [pixel tiles][channels][16 pixels], zero padded.
  void PackX(int64_t group) {
    const int64_t pixels = p_.OutPixels();
    for (int64_t tile = 0; tile < PixelTiles(p_); ++tile) {
      const int64_t n = std::min(kTile, pixels - tile * kTile);
      for (int64_t c = 0; c < p_.channels; ++c) {
        const float* from = o_.x + (group * p_.channels + c) * pixels + tile * kTile;
        float* to = x_ + ((group * PixelTiles(p_) + tile) * p_.channels + c) * kTile;
        std::copy(from, from + n, to);
        std::fill(to + n, to + kTile, 0.0f);
      }
    }
  }

  // One output channel: block after block of pixels, all taps of a block at once, then added tap by tap.
  void Channel(int64_t index, float* work) {
    const int64_t feature = index % (p_.groups * p_.features);
    const int64_t group = index / p_.features;
    const bool direct = o_.y.dtype == DType::kF32;
    float* products = work;
    float* plane = direct ? o_.y.as<float>() + index * p_.InPixels() : work + TapTiles(p_) * kTile * kMaxTiles * kTile;
    std::fill(plane, plane + p_.InPixels(), o_.bias != nullptr ? o_.bias[feature] : 0.0f);
    for (int64_t block = 0; block < blocks_.count; ++block) {
      TileArgs args{};
      args.w = x_ + (group * PixelTiles(p_) + blocks_.Begin(block)) * p_.channels * kTile;
      args.w_tile = p_.channels * kTile;
      args.w_k = kTile;
      args.k = p_.channels;
      args.out_row = kMaxTiles * kTile;
      args.cols = blocks_.Size(block) * kTile;
      for (int64_t tap = 0; tap < p_.Taps();) {
        const int64_t row = tap % kTile;
        const int64_t left = std::min(kTile - row, p_.Taps() - tap);
        const int n = static_cast<int>(std::min<int64_t>(ops_.conv_rows, left));
        args.x = weights_ + (feature * TapTiles(p_) + tap / kTile) * p_.channels * kTile + row;
        args.out = products + tap * args.out_row;
        ops_.conv_tile(n, blocks_.Size(block), args);
        tap += n;
      }
      Add(blocks_.Begin(block) * kTile, args.cols, products, plane);
    }
    if (!direct) {
      FromF32(plane, p_.InPixels(), o_.y.dtype, o_.y.data, index * p_.InPixels());
    }
  }

  // products [taps][48] of pixels [first, first + n) of x.
  void Add(int64_t first, int64_t n, const float* products, float* plane) const {
    const int64_t last = std::min(first + n, p_.OutPixels());
    for (int64_t at = first; at < last;) {
      const int64_t x = at % p_.out[2];
      const int64_t run = std::min(p_.out[2] - x, last - at);
      const Size3 from = {at / (p_.out[1] * p_.out[2]), at / p_.out[2] % p_.out[1], x};
      for (int64_t tap = 0; tap < p_.Taps(); ++tap) {
        AddRun(from, run, tap, products + tap * kMaxTiles * kTile + (at - first), plane);
      }
      at += run;
    }
  }

  void AddRun(const Size3& from, int64_t n, int64_t tap, const float* products, float* plane) const {
    const Size3 k = {tap / (p_.kernel[1] * p_.kernel[2]), tap / p_.kernel[2] % p_.kernel[1], tap % p_.kernel[2]};
    Size3 to;
    for (int d = 0; d < 3; ++d) {
      to[d] = from[d] * p_.stride[d] - p_.pad[d] + k[d] * p_.dilation[d];
    }
    if (to[0] < 0 || to[0] >= p_.in[0] || to[1] < 0 || to[1] >= p_.in[1]) {
      return;
    }
    float* row = plane + (to[0] * p_.in[1] + to[1]) * p_.in[2] + to[2];
    const Span inside = InsideOf(to[2], p_.stride[2], p_.in[2], n);
    for (int64_t i = inside.begin; i < inside.end; ++i) {
      row[i * p_.stride[2]] += products[i];
    }
  }

  const ConvProblem& p_;
  const ConvOperands& o_;
  const GemmOps& ops_;
  const Plan plan_;
  const Panels blocks_;  // of tiles of 16 pixels
  float* weights_;
  float* x_;
  uint8_t* threads_;  // of each: products [taps up to 16s][48], then a plane of y
};

}  // namespace

int64_t ConvTransposeWorkspace(const ConvProblem& p, int threads) {
  const Plan plan(p);
  return plan.threads_at + threads * plan.thread_bytes;
}

void ConvTranspose(const ConvProblem& p, const ConvOperands& o) { ConvTransposeRun(p, o).Run(); }

}  // namespace sluice::kernels
