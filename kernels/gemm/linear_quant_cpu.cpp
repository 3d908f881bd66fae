// nn.linear_q4 and nn.linear_q8: x [..., k], integer codes q [n, k], scale [n, blocks], optional zero point → out [...,
// n]
//
//   w[n][k] = (q[n][k] − zero[n][k / block]) · scale[n][k / block],   blocks = ceil(k / block)
//
// Codes lie row-major, a row padded to whole blocks; 4-bit ones two per byte, low nibble first.  Zero points are codes
// of q's width (4-bit rows padded to a byte) or floats of scale's type; without them ui4 means 8, ui8 128, i4 and i8 0.
// linear_q4 needs `block` (16, 32, 64, 128 or 256); linear_q8 takes 0 as well: one scale a row, and no padding.
#include <algorithm>

#include "kernels/desc.h"
#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kWholeRow = int64_t{1} << 40;  // the block of a per-row scale
constexpr int64_t kMaxGroup = 4;                 // tiles of a group at most (GemmOps::group_tiles)
constexpr int64_t kMaxRows = 16;                 // rows of a panel at most
constexpr int64_t kSerialPack = 16 * 1024;       // elements of x packed without waking the other threads

struct QuantConfig : Config {
  int bits = 4;
  int64_t block = 32;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs, int bits) {
  auto config = std::make_unique<QuantConfig>();
  config->bits = bits;
  ASSIGN_OR_RETURN(config->block, attrs.Int("block", bits == 4 ? 32 : 0));
  if (config->block == 0 && bits == 8) {
    config->block = kWholeRow;
  } else if (config->block < 16 || config->block > 256 || (config->block & (config->block - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("linear_q", bits, ": block ", config->block, " is none of 16, 32, 64, 128, 256"));
  }
  return config;
}

int64_t Rows(const Tensor& x) {
  int64_t rows = 1;
  for (int d = 0; d + 1 < x.rank; ++d) {
    rows *= x.sizes[d];
  }
  return rows;
}

// Codes of x's width that fill whole 32-bit words, and how the workspace is cut.
struct Plan {
  Plan(const QuantConfig& config, int64_t rows, int64_t k) : rows(rows) {
    const int64_t per_word = 32 / config.bits;
    padded_k = (k + per_word - 1) / per_word * per_word;
    blocks = config.block == kWholeRow ? 1 : (k + config.block - 1) / config.block;
    sums_at = AlignUp(rows * padded_k * 4);
    threads_at = sums_at + AlignUp(rows * blocks * 4);
    scale_bytes = AlignUp(kMaxGroup * blocks * kTile * 4);
    thread_bytes = 2 * scale_bytes + AlignUp(kMaxGroup * padded_k * kTile * 4);
  }
  int64_t Bytes(int threads) const { return threads_at + threads * thread_bytes; }
  int64_t rows, padded_k, blocks;
  int64_t sums_at, threads_at, scale_bytes, thread_bytes;
};

int64_t Workspace(const Config* config, std::span<const Tensor> ins, std::span<const Tensor>, int threads) {
  return Plan(*static_cast<const QuantConfig*>(config), Rows(ins[0]), ins[0].size(-1)).Bytes(threads);
}

uint32_t Flip(DType q) { return q == DType::kU4 ? 0x88888888u : q == DType::kU8 ? 0x80808080u : 0u; }
float ZeroBase(DType q) { return q == DType::kU4 ? 8.0f : q == DType::kU8 ? 128.0f : 0.0f; }

class QuantRun {
 public:
  explicit QuantRun(const LaunchArgs& args)
      : config_(*static_cast<const QuantConfig*>(args.config)),
        ops_(Gemm()),
        x_(args.ins[0]),
        q_(args.ins[1]),
        scale_(args.ins[2]),
        out_(args.outs[0]),
        k_(x_.size(-1)),
        n_(out_.size(-1)),
        plan_(config_, Rows(x_), k_),
        panels_(plan_.rows, ops_.tile_rows),
        work_(static_cast<uint8_t*>(args.workspace)),
        pool_(args.pool) {
    q_row_ = config_.block == kWholeRow ? k_ : plan_.blocks * config_.block * config_.bits / 8;
    if (args.ins.size() > 3 && args.ins[3].present()) {
      zero_ = &args.ins[3];
    }
  }

  void Run() {
    if (plan_.rows == 0 || n_ == 0) {
      return;
    }
    PackX();
    group_ = ops_.group_tiles(panels_.Size(panels_.count - 1));
    const int64_t tiles = (n_ + kTile - 1) / kTile;
    pool_->ParallelForWithThread(tiles, group_, [this](int64_t begin, int64_t end, int thread) {
      for (int64_t tile = begin; tile < end; tile += group_) {
        Group(tile, std::min(group_, end - tile), work_ + plan_.threads_at + thread * plan_.thread_bytes);
      }
    });
  }

 private:
  float* X(int64_t panel) const { return reinterpret_cast<float*>(work_) + panels_.Begin(panel) * plan_.padded_k; }
  float* Sums(int64_t panel) const {
    return reinterpret_cast<float*>(work_ + plan_.sums_at) + panels_.Begin(panel) * plan_.blocks;
  }

  void PackX() {
    const auto pack = [this](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel) {
        PackPanel(panels_.Begin(panel), panels_.Size(panel), X(panel), Sums(panel));
      }
    };
    if (plan_.rows * k_ <= kSerialPack) {
      pack(0, panels_.count);
    } else {
      pool_->ParallelFor(panels_.count, 1, pack);
    }
  }

  // [padded k][rows] and, for zero points, the sums over each block.
  void PackPanel(int64_t first, int rows, float* panel, float* sums) const {
    const uint8_t* from = x_.as<uint8_t>() + first * k_ * (BitWidth(x_.dtype) / 8);
    if (rows == 1) {
      ToF32(from, x_.dtype, 1, k_, panel);
    } else {
      ops_.pack_panel(WTypeOf(x_.dtype), from, k_, rows, k_, panel);
    }
    std::fill(panel + k_ * rows, panel + plan_.padded_k * rows, 0.0f);
    if (zero_ == nullptr) {
      return;
    }
    std::fill(sums, sums + plan_.blocks * rows, 0.0f);
    for (int64_t k = 0; k < k_; ++k) {
      float* to = sums + k / config_.block * rows;
      for (int r = 0; r < rows; ++r) {
        to[r] += panel[k * rows + r];
      }
    }
  }

  // Weight rows of `tiles` tiles against every row of x.
  void Group(int64_t tile, int64_t tiles, uint8_t* work) const {
    float* scales = reinterpret_cast<float*>(work);
    float* zeros = reinterpret_cast<float*>(work + plan_.scale_bytes);
    float* values = reinterpret_cast<float*>(work + 2 * plan_.scale_bytes);
    QuantArgs args{};
    args.q = q_.as<uint8_t>() + tile * kTile * q_row_;
    args.q_row = q_row_;
    args.flip = Flip(q_.dtype);
    args.next_scales = scale_.as<uint8_t>() + (tile + tiles) * kTile * plan_.blocks * (BitWidth(scale_.dtype) / 8);
    args.values = values;
    args.scales = scales;
    args.zeros = zero_ != nullptr ? zeros : nullptr;
    args.k = plan_.padded_k;
    args.block = config_.block;
    args.blocks = plan_.blocks;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = (tile + t) * kTile;
      const int64_t rows = std::min(kTile, n_ - row);
      const int64_t at = t * plan_.blocks * kTile;
      Floats(scale_, row, rows, scales + at);
      if (zero_ != nullptr) {
        Zeros(row, rows, zeros + at);
      }
      if (plan_.rows > 1) {
        QuantArgs one = args;
        one.q = q_.as<uint8_t>() + row * q_row_;
        one.cols = rows;
        ops_.quant_unpack(config_.bits, one, values + t * plan_.padded_k * kTile);
      }
    }
    args.cols = std::min(n_ - tile * kTile, tiles * kTile);
    for (int64_t panel = 0; panel < panels_.count; ++panel) {
      Multiply(panel, tile * kTile, static_cast<int>(tiles), args);
    }
  }

  void Multiply(int64_t panel, int64_t col, int tiles, QuantArgs& args) const {
    float buffer[kMaxRows * kMaxGroup * kTile];
    const bool direct = out_.dtype == DType::kF32;
    const int rows = panels_.Size(panel);
    const int64_t at = panels_.Begin(panel) * n_ + col;
    args.x = X(panel);
    args.x_sum = Sums(panel);
    args.out = direct ? out_.as<float>() + at : buffer;
    args.out_row = direct ? n_ : args.cols;
    if (plan_.rows == 1) {
      ops_.quant_row(config_.bits, tiles, args);
    } else {
      ops_.quant_tile(rows, tiles, args);
    }
    for (int r = 0; !direct && r < rows; ++r) {
      FromF32(buffer + r * args.cols, args.cols, out_.dtype, out_.data, at + r * n_);
    }
  }

  // Scales, or zero points of scale's type, of weight rows [row, row + rows): [blocks][16].
  void Floats(const Tensor& t, int64_t row, int64_t rows, float* out) const {
    const uint8_t* from = t.as<uint8_t>() + row * plan_.blocks * (BitWidth(t.dtype) / 8);
    ops_.float_tile(WTypeOf(t.dtype), from, plan_.blocks, rows, plan_.blocks, out);
  }

  void Zeros(int64_t row, int64_t rows, float* out) const {
    const float base = ZeroBase(q_.dtype);
    if (zero_->dtype == scale_.dtype) {
      Floats(*zero_, row, rows, out);
    } else {
      const int64_t bytes = (plan_.blocks * config_.bits + 7) / 8;
      const bool is_signed = zero_->dtype == DType::kI4 || zero_->dtype == DType::kI8;
      for (int64_t r = 0; r < kTile; ++r) {
        const uint8_t* codes = zero_->as<uint8_t>() + (row + std::min(r, rows - 1)) * bytes;
        for (int64_t b = 0; b < plan_.blocks; ++b) {
          out[b * kTile + r] = Code(codes, b, is_signed);
        }
      }
    }
    for (int64_t i = 0; i < plan_.blocks * kTile; ++i) {
      out[i] -= base;
    }
  }

  float Code(const uint8_t* codes, int64_t i, bool is_signed) const {
    const int bits = config_.bits;
    const int code = bits == 8 ? codes[i] : codes[i / 2] >> (i % 2 * 4) & 15;
    const int sign = 1 << (bits - 1);
    return static_cast<float>(is_signed ? (code ^ sign) - sign : code);
  }

  const QuantConfig& config_;
  const GemmOps& ops_;
  const Tensor& x_;
  const Tensor& q_;
  const Tensor& scale_;
  const Tensor& out_;
  const int64_t k_, n_;
  const Plan plan_;
  const Panels panels_;
  uint8_t* work_;
  ThreadPool* pool_;
  const Tensor* zero_ = nullptr;
  int64_t q_row_ = 0;
  int64_t group_ = 1;
};

absl::Status Run(const LaunchArgs& args) {
  RETURN_IF_ERROR(CheckKernelFloats("linear_q", args.ins.first(1)));
  RETURN_IF_ERROR(CheckKernelFloats("linear_q: scale", args.ins.subspan(2, 1)));
  QuantRun(args).Run();
  return absl::OkStatus();
}

}  // namespace

extern const CpuKernel kLinearQ4;
const CpuKernel kLinearQ4 = {
    .name = "linear_q4",
    .prepare = [](const Attrs& attrs) { return Prepare(attrs, 4); },
    .workspace = Workspace,
    .run = Run,
};

extern const CpuKernel kLinearQ8;
const CpuKernel kLinearQ8 = {
    .name = "linear_q8",
    .prepare = [](const Attrs& attrs) { return Prepare(attrs, 8); },
    .workspace = Workspace,
    .run = Run,
};

}  // namespace sluice::kernels
