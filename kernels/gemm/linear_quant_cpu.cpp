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
constexpr int64_t kRowUnit = 32;                 // weight rows of a unit: their codes stay in L2 while x streams past
constexpr int64_t kMaxRows = 8;
constexpr int64_t kSerialPack = 16 * 1024;

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

// Where a run's x lies in the workspace.
struct Plan {
  Plan(const GemmOps& ops, const QuantConfig& config, int64_t rows, int64_t k) : rows(rows) {
    const int64_t chunk = QuantChunk(ops, config.bits);
    chunks = (k + chunk - 1) / chunk;
    x_row = chunks * chunk;
    sum_row = chunks * ops.lanes;
    sums_at = AlignUp(rows * x_row * 4);
    rows_at = sums_at + AlignUp(rows * sum_row * 4);
  }
  int64_t Bytes(int64_t k, int threads) const { return rows_at + threads * AlignUp(k * 4); }
  int64_t rows, chunks, x_row, sum_row;
  int64_t sums_at, rows_at;  // byte offsets: lane sums; one f32 row a thread
};

int64_t Workspace(const Config* config, std::span<const Tensor> ins, std::span<const Tensor>, int threads) {
  const int64_t k = ins[0].size(-1);
  return Plan(Gemm(), *static_cast<const QuantConfig*>(config), Rows(ins[0]), k).Bytes(k, threads);
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
        plan_(ops_, config_, Rows(x_), k_),
        panels_(plan_.rows, ops_.quant_rows),
        work_(static_cast<uint8_t*>(args.workspace)),
        pool_(args.pool) {
    blocks_ = config_.block == kWholeRow ? 1 : (k_ + config_.block - 1) / config_.block;
    q_row_ = config_.block == kWholeRow ? k_ : blocks_ * config_.block * config_.bits / 8;
    if (args.ins.size() > 3 && args.ins[3].present()) {
      zero_ = &args.ins[3];
      const bool codes = zero_->dtype != scale_.dtype;
      zero_row_ = codes ? (blocks_ * config_.bits + 7) / 8 : blocks_ * BitWidth(zero_->dtype) / 8;
    }
  }

  void Run() {
    if (plan_.rows == 0 || n_ == 0) {
      return;
    }
    Permute();
    pool_->ParallelFor((n_ + 3) / 4, kRowUnit / 4, [this](int64_t begin, int64_t end) {
      for (int64_t row = begin * 4; row < std::min(n_, end * 4); row += kRowUnit) {
        Unit(row, std::min({kRowUnit, n_ - row, end * 4 - row}));
      }
    });
  }

 private:
  void Permute() {
    const auto permute = [this](int64_t begin, int64_t end, int thread) {
      float* as_f32 = reinterpret_cast<float*>(work_ + plan_.rows_at + thread * AlignUp(k_ * 4));
      for (int64_t r = begin; r < end; ++r) {
        const uint8_t* row = x_.as<uint8_t>() + r * k_ * (BitWidth(x_.dtype) / 8);
        const float* from = reinterpret_cast<const float*>(row);
        if (x_.dtype != DType::kF32) {
          ToF32(row, x_.dtype, 1, k_, as_f32);
          from = as_f32;
        }
        float* sums = zero_ == nullptr ? nullptr : Sums() + r * plan_.sum_row;
        ops_.quant_permute(config_.bits, from, k_, plan_.chunks, X() + r * plan_.x_row, sums);
      }
    };
    if (plan_.rows * k_ <= kSerialPack) {
      permute(0, plan_.rows, 0);
    } else {
      pool_->ParallelForWithThread(plan_.rows, 4, permute);
    }
  }

  // Weight rows [row, row + cols) times every row of x, a panel of x at a time.
  void Unit(int64_t row, int64_t cols) {
    QuantArgs args{};
    args.q = q_.as<uint8_t>() + row * q_row_;
    args.q_row = q_row_;
    args.flip = Flip(q_.dtype);
    args.scale = scale_.as<uint8_t>() + row * blocks_ * (BitWidth(scale_.dtype) / 8);
    args.scale_type = scale_.dtype;
    if (zero_ != nullptr) {
      args.zero = zero_->as<uint8_t>() + row * zero_row_;
      args.zero_type = zero_->dtype;
      args.zero_row = zero_row_;
      args.zero_base = ZeroBase(q_.dtype);
    }
    args.block = config_.block;
    args.blocks = blocks_;
    args.chunks = plan_.chunks;
    args.x_row = plan_.x_row;
    args.x_sum_row = plan_.sum_row;
    float buffer[kMaxRows * kRowUnit];
    const bool direct = out_.dtype == DType::kF32;
    for (int64_t panel = 0; panel < panels_.count; ++panel) {
      const int64_t first = panels_.Begin(panel);
      const int rows = panels_.Size(panel);
      args.x = X() + first * plan_.x_row;
      args.x_sum = Sums() + first * plan_.sum_row;
      args.out = direct ? out_.as<float>() + first * n_ + row : buffer;
      args.out_row = direct ? n_ : cols;
      ops_.quant(config_.bits, rows, static_cast<int>(cols), args);
      for (int r = 0; !direct && r < rows; ++r) {
        FromF32(buffer + r * cols, cols, out_.dtype, out_.data, (first + r) * n_ + row);
      }
    }
  }

  float* X() const { return reinterpret_cast<float*>(work_); }
  float* Sums() const { return reinterpret_cast<float*>(work_ + plan_.sums_at); }

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
  int64_t blocks_ = 1;
  int64_t q_row_ = 0;
  int64_t zero_row_ = 0;
};

absl::Status Run(const LaunchArgs& args) {
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
