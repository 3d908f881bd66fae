// nn.gru (ONNX GRU, layout 0, default activations): x [t, b, i], w [dir, 3h, i], r [dir, 3h, h], optional bias [dir,
// 6h], seq_lens [b], init_h [dir, b, h] -> y [t, dir, b, h], y_h [dir, b, h].
//
//   z, r = σ(x·Wᵀ + h·Rᵀ + b);  n = tanh(x·Wᵀ + (r h)·Rᵀ + b), or tanh(x·Wᵀ + b + r (h·Rᵀ + b')) with
//   linear_before_reset;  h = (1 - z) n + z h
#include "kernels/rnn/activations.h"
#include "kernels/rnn/recurrent.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kGates = 3;
constexpr int kStates = 4;      // h, the next h, z, r h
constexpr int64_t kUnits = 64;  // hidden units whose gates are computed side by side

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  return PrepareRecurrent(attrs, "linear_before_reset");
}

int64_t Workspace(const Config*, std::span<const Tensor> ins, std::span<const Tensor>, int threads) {
  return RecurrentWorkspace(ShapeOf(ins, kGates), kStates, threads);
}

template <typename M>
struct Gru {
  const LaunchArgs& args;
  const RecurrentConfig& config;
  const RecurrentShape s;
  RecurrentBuffers<M> buffers;
  const Tensor* bias = Optional(args.ins, 3);
  const Tensor* lengths = Optional(args.ins, 4);

  explicit Gru(const LaunchArgs& args)
      : args(args),
        config(*static_cast<const RecurrentConfig*>(args.config)),
        s(ShapeOf(args.ins, kGates)),
        buffers(args.workspace, s, kStates) {}

  M Bias(int64_t direction, int64_t half, int64_t at) const {
    return bias == nullptr ? 0 : ElementAt<M>(*bias, (direction * 2 + half) * s.width() + at);
  }

  // out[j] = x·Wᵀ + b_w + factor (h·Rᵀ + b_r) of units first + j; no factor: 1.
  void Preactivation(int64_t direction, int64_t gate, int64_t row, int64_t time, int64_t first, int64_t n,
                     const M* factor, M* out) {
    const int64_t at = gate * s.hidden + first;
    const M* projected = buffers.projected + (time * s.batch + row) * s.width() + at;
    const M* recurrent = buffers.recurrent + row * s.width() + at;
    for (int64_t j = 0; j < n; ++j) {
      const M state = recurrent[j] + Bias(direction, 1, at + j);
      out[j] = projected[j] + Bias(direction, 0, at + j) + (factor == nullptr ? state : factor[j] * state);
    }
    Clip(out, n, config.clip);
  }

  void Project(int64_t direction, int64_t gate, int64_t first, int64_t n, const M* h) {
    ProjectState(s, h, args.ins[2], direction, gate * s.hidden + first, n, buffers.recurrent);
  }

  // Both gates; the new state too when it needs no state but h.
  void Gates(int64_t direction, bool reverse, int64_t step, int64_t first, int64_t n, const M* h, M* next_h, M* z,
             M* reset_h) {
    Project(direction, 0, first, n, h);
    Project(direction, 1, first, n, h);
    if (config.flag) {
      Project(direction, 2, first, n, h);
    }
    for (int64_t row = 0; row < s.batch; ++row) {
      const StepTime at = TimeOf(reverse, lengths, s.steps, row, step);
      const int64_t unit = row * s.hidden + first;
      M r[kUnits];
      Preactivation(direction, 0, row, at.time, first, n, nullptr, z + unit);
      Preactivation(direction, 1, row, at.time, first, n, nullptr, r);
      AtLevel<SigmoidArray<M>>(z + unit, n);
      AtLevel<SigmoidArray<M>>(&r[0], n);
      for (int64_t j = 0; j < n; ++j) {
        reset_h[unit + j] = r[j] * h[unit + j];
      }
      if (config.flag) {
        Update(direction, row, at, first, n, r, h, next_h, z);
      }
    }
  }

  void Update(int64_t direction, int64_t row, StepTime at, int64_t first, int64_t n, const M* factor, const M* h,
              M* next_h, const M* z) {
    const int64_t unit = row * s.hidden + first;
    M candidate[kUnits];
    Preactivation(direction, 2, row, at.time, first, n, factor, candidate);
    AtLevel<TanhArray<M>>(&candidate[0], n);
    for (int64_t j = 0; j < n; ++j) {
      const M blended = (1 - z[unit + j]) * candidate[j] + z[unit + j] * h[unit + j];
      next_h[unit + j] = at.live ? blended : h[unit + j];
      if (args.outs[0].present()) {
        WriteElement(args.outs[0], ((at.time * s.directions + direction) * s.batch + row) * s.hidden + first + j,
                     at.live ? static_cast<double>(blended) : 0);
      }
    }
  }

  // body(first, n) over the hidden units.
  template <typename Body>
  void ForUnits(Body&& body) {
    args.pool->ParallelFor(s.hidden, UnitGrain(s), [&](int64_t begin, int64_t end) {
      for (; begin < end; begin += kUnits) {
        body(begin, std::min(kUnits, end - begin));
      }
    });
  }

  void RunDirection(int64_t direction) {
    const bool reverse = config.direction == Direction::kReverse || direction == 1;
    const int64_t state = s.batch * s.hidden;
    M* h = buffers.states;
    M* next_h = h + state;
    M* z = next_h + state;
    M* reset_h = z + state;
    ReadState(Optional(args.ins, 5), direction * state, state, h);
    ProjectInput(s, args.ins[0], args.ins[1], direction, buffers.gemm, args.pool, buffers.projected);
    for (int64_t step = 0; step < s.steps; ++step) {
      ForUnits([&](int64_t first, int64_t n) { Gates(direction, reverse, step, first, n, h, next_h, z, reset_h); });
      if (!config.flag) {
        ForUnits([&](int64_t first, int64_t n) {
          Project(direction, 2, first, n, reset_h);
          for (int64_t row = 0; row < s.batch; ++row) {
            Update(direction, row, TimeOf(reverse, lengths, s.steps, row, step), first, n, nullptr, h, next_h, z);
          }
        });
      }
      std::swap(h, next_h);
    }
    const Tensor* y_h = Optional(args.outs, 1);
    for (int64_t i = 0; i < state && y_h != nullptr; ++i) {
      WriteElement(*y_h, direction * state + i, static_cast<double>(h[i]));
    }
  }
};

absl::Status Run(const LaunchArgs& args) { return RunDirections<Gru>(args, "gru"); }

}  // namespace

extern const CpuKernel kGru;
const CpuKernel kGru = {.name = "gru", .prepare = Prepare, .workspace = Workspace, .run = Run};

}  // namespace sluice::kernels
