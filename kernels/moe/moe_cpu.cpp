// nn.moe: each token through its chosen experts: Σ_p weights[t, p] · down_e(act(gate_e x) · up_e x), e = indices[t, p];
// a bias may follow each product.
// Tokens are sorted by expert, so that an expert's weights are read once for all its tokens, and only chosen experts
// are read at all.
#include "kernels/common/levels.h"
#include "kernels/common/vec.h"
#include "kernels/gemm/gemm_driver.h"
#include "kernels/gemm/gemm_ops.h"
#include "kernels/moe/moe_problem.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kTokens = 256;  // tokens sorted and computed at once
constexpr int64_t kRows = 64;     // rows of one expert computed at once
constexpr int64_t kCols = 48;     // columns a task computes: whole groups of the dot kernels

struct MoeConfig : Config {
  MoeActivation activation = MoeActivation::kSilu;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<MoeConfig>();
  ASSIGN_OR_RETURN(const std::string activation, attrs.String("activation", "silu"));
  static constexpr const char* kNames[] = {"silu", "gelu", "gelu_tanh", "relu"};
  for (int i = 0; i < 4; ++i) {
    if (activation == kNames[i]) {
      config->activation = static_cast<MoeActivation>(i);
      return config;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("activation: \"", activation, "\" is not one that moe has"));
}

// act(v) of neighbours, in place.
struct SiluArray {
  SLUICE_INLINE static void Run(float* x, int64_t n) {
    F32x16 v, s;
    for (int64_t i = 0; i < n; i += 16) {
      LoadUpTo(x + i, n - i, v);
      s = v;
      Sigmoid(s);
      StoreUpTo<float>(x + i, n - i, v * s);
    }
  }
};

void ActivateArray(float* x, int64_t n, MoeActivation activation) {
  if (activation == MoeActivation::kSilu) {
    return AtLevel<SiluArray>(x, n);
  }
  for (int64_t i = 0; i < n; ++i) {
    x[i] = Activate(x[i], activation);
  }
}

// The assignments (token, choice) of up to kTokens tokens, sorted by expert; row s of the buffers belongs to the s-th.
struct Buffers {
  int64_t* row_of;  // [tokens * p]: assignment -> row
  int64_t* token;   // [rows]
  int64_t* groups;  // [groups]: an expert each
  int64_t* begins;  // [groups + 1]: its first row
  int64_t* counts;  // [e]
  float *x, *hidden, *out;

  Buffers(const MoeProblem& m, void* workspace) {
    uint8_t* at = static_cast<uint8_t*>(workspace);
    const int64_t rows = std::min(m.t, kTokens) * m.p, groups = std::min(rows, m.e);
    const auto take = [&](int64_t bytes) {
      uint8_t* p = at;
      at += AlignUp(bytes);
      return p;
    };
    row_of = reinterpret_cast<int64_t*>(take(rows * 8));
    token = reinterpret_cast<int64_t*>(take(rows * 8));
    this->groups = reinterpret_cast<int64_t*>(take(groups * 8));
    begins = reinterpret_cast<int64_t*>(take((groups + 1) * 8));
    counts = reinterpret_cast<int64_t*>(take(m.e * 8));
    x = reinterpret_cast<float*>(take(rows * m.d * 4));
    hidden = reinterpret_cast<float*>(take(rows * m.f * 4));
    out = reinterpret_cast<float*>(take(rows * m.d * 4));
    bytes = at - static_cast<uint8_t*>(workspace);
  }
  int64_t bytes;
};

int64_t Workspace(const Config*, std::span<const Tensor> ins, std::span<const Tensor>, int threads) {
  const MoeProblem m(ins);
  return m.x.dtype == DType::kF64 ? AlignUp(threads * m.f * 8) : Buffers(m, nullptr).bytes;
}

class Moe {
 public:
  Moe(const LaunchArgs& args, const MoeProblem& m)
      : args_(args),
        m_(m),
        b_(m, args.workspace),
        activation_(static_cast<const MoeConfig*>(args.config)->activation),
        x_size_(BitWidth(m.x.dtype) / 8) {}

  void Run() {
    for (first_ = 0; first_ < m_.t; first_ += kTokens) {
      tokens_ = std::min(kTokens, m_.t - first_);
      Sort();
      GatherX();
      ForEachTask(m_.f, 2 * m_.d, [this](int64_t group, int64_t col, int64_t n) { Hidden(group, col, n); });
      ForEachTask(m_.d, m_.f, [this](int64_t group, int64_t col, int64_t n) {
        const int64_t row = b_.begins[group];
        Product(m_.down, m_.down_bias, b_.groups[group] * m_.d + col, b_.hidden + row * m_.f, m_.f, Rows(group), n,
                b_.out + row * m_.d + col, m_.d);
      });
      Combine();
    }
  }

 private:
  int64_t Rows(int64_t group) const { return b_.begins[group + 1] - b_.begins[group]; }

  // A counting sort: within an expert, rows keep the order of tokens.
  void Sort() {
    std::fill_n(b_.counts, m_.e, int64_t{0});
    for (int64_t i = 0; i < tokens_ * m_.p; ++i) {
      ++b_.counts[m_.Expert(first_ + i / m_.p, i % m_.p)];
    }
    groups_ = 0;
    int64_t row = 0;
    for (int64_t expert = 0; expert < m_.e; ++expert) {
      if (b_.counts[expert] != 0) {
        b_.groups[groups_] = expert;
        b_.begins[groups_++] = row;
        row += b_.counts[expert];
        b_.counts[expert] = b_.begins[groups_ - 1];
      }
    }
    b_.begins[groups_] = row;
    for (int64_t i = 0; i < tokens_ * m_.p; ++i) {
      const int64_t to = b_.counts[m_.Expert(first_ + i / m_.p, i % m_.p)]++;
      b_.row_of[i] = to;
      b_.token[to] = first_ + i / m_.p;
    }
  }

  void GatherX() {
    args_.pool->ParallelFor(tokens_ * m_.p, Grain(m_.d * 4), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        ToF32(m_.x.as<const uint8_t>() + b_.token[row] * m_.d * x_size_, m_.x.dtype, 1, m_.d, b_.x + row * m_.d);
      }
    });
  }

  // body(group, first column, columns) for every group and every kCols of `width`; `k` multiplications an element.
  template <typename Body>
  void ForEachTask(int64_t width, int64_t k, Body&& body) {
    const int64_t chunks = (width + kCols - 1) / kCols;
    args_.pool->ParallelFor(groups_ * chunks, Grain(kCols * k), [&](int64_t begin, int64_t end) {
      for (; begin < end; ++begin) {
        const int64_t col = begin % chunks * kCols;
        body(begin / chunks, col, std::min(kCols, width - col));
      }
    });
  }

  // out[rows][n] = x[rows][k] · w[n][k]ᵀ + bias[n], both from row `first` of all experts' rows on; n ≤ kCols.
  static void Product(const Tensor& w, const Tensor* bias, int64_t first, const float* x, int64_t k, int64_t rows,
                      int64_t n, float* out, int64_t out_row) {
    for (int64_t row = 0; row < rows; row += kRows) {
      const DotArgs args = {.x = x + row * k,
                            .x_row = k,
                            .w = w.as<const uint8_t>() + ByteSize(w.dtype, first * k),
                            .w_row = k,
                            .k = k,
                            .out = out + row * out_row,
                            .out_row = out_row};
      Gemm().dot(WTypeOf(w.dtype), static_cast<int>(std::min(kRows, rows - row)), static_cast<int>(n), args);
    }
    if (bias != nullptr) {
      float b[kCols];
      ToF32(bias->as<const uint8_t>() + ByteSize(bias->dtype, first), bias->dtype, 1, n, b);
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t i = 0; i < n; ++i) {
          out[row * out_row + i] += b[i];
        }
      }
    }
  }

  // Columns [col, col + n) of act(gate x) · up x for one expert's rows.
  void Hidden(int64_t group, int64_t col, int64_t n) {
    const int64_t first = b_.groups[group] * m_.f + col, end = b_.begins[group + 1];
    float up[kRows * kCols];
    for (int64_t row = b_.begins[group]; row < end; row += kRows) {
      const int64_t rows = std::min(kRows, end - row);
      float* hidden = b_.hidden + row * m_.f + col;
      Product(m_.gate, m_.gate_bias, first, b_.x + row * m_.d, m_.d, rows, n, hidden, m_.f);
      if (m_.up != nullptr) {
        Product(*m_.up, m_.up_bias, first, b_.x + row * m_.d, m_.d, rows, n, up, kCols);
      }
      for (int64_t r = 0; r < rows; ++r) {
        ActivateArray(hidden + r * m_.f, n, activation_);
        for (int64_t i = 0; i < n && m_.up != nullptr; ++i) {
          hidden[r * m_.f + i] *= up[r * kCols + i];
        }
      }
    }
  }

  // A token's results are added in the order of its choices, whatever else is in the batch.
  void Combine() {
    const DType type = args_.outs[0].dtype;
    args_.pool->ParallelFor(tokens_, Grain(m_.p * m_.d), [&](int64_t begin, int64_t end) {
      float sum[kTokens];
      for (int64_t token = begin; token < end; ++token) {
        for (int64_t col = 0; col < m_.d; col += kTokens) {
          const int64_t n = std::min(kTokens, m_.d - col);
          std::fill_n(sum, n, 0.0f);
          for (int64_t choice = 0; choice < m_.p; ++choice) {
            const int64_t at = (first_ + token) * m_.p + choice;
            float weight;
            ToF32(m_.weights.as<const uint8_t>() + ByteSize(m_.weights.dtype, at), m_.weights.dtype, 1, 1, &weight);
            const float* from = b_.out + b_.row_of[token * m_.p + choice] * m_.d + col;
            for (int64_t i = 0; i < n; ++i) {
              sum[i] += weight * from[i];
            }
          }
          FromF32(sum, n, type, args_.outs[0].data, (first_ + token) * m_.d + col);
        }
      }
    });
  }

  const LaunchArgs& args_;
  const MoeProblem& m_;
  const Buffers b_;
  const MoeActivation activation_;
  const int64_t x_size_;
  int64_t first_ = 0, tokens_ = 0, groups_ = 0;
};

absl::Status Run(const LaunchArgs& args) {
  const MoeProblem m(args.ins);
  for (int64_t i = 0; i < m.t * m.p; ++i) {
    const int64_t expert = m.Expert(i / m.p, i % m.p);
    if (expert < 0 || expert >= m.e) {
      return absl::OutOfRangeError(absl::StrCat("indices[", i, "] = ", expert, " is not one of ", m.e, " experts"));
    }
  }
  switch (m.x.dtype) {
    case DType::kF64:
      MoePlain(m, static_cast<const MoeConfig*>(args.config)->activation, static_cast<double*>(args.workspace),
               args.outs[0].as<double>(), args.pool);
      return absl::OkStatus();
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      Moe(args, m).Run();
      return absl::OkStatus();
    default:
      return NoSuchType(m.x.dtype);
  }
}

}  // namespace

extern const CpuKernel kMoe;
const CpuKernel kMoe = {.name = "moe", .prepare = Prepare, .workspace = Workspace, .run = Run};

}  // namespace sluice::kernels
