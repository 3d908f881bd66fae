// nn.lstm (ONNX LSTM, layout 0, default activations): x [t, b, i], w [dir, 4h, i], r [dir, 4h, h], optional bias [dir,
// 8h], seq_lens [b], init_h, init_c [dir, b, h], peepholes [dir, 3h] -> y [t, dir, b, h], y_h, y_c [dir, b, h].
//
//   i, o, f, c~ = x·Wᵀ + h·Rᵀ + b (gates in that order);  c = σ(f) c + σ(i) tanh(c~);  h = σ(o) tanh(c)
#include "kernels/rnn/activations.h"
#include "kernels/rnn/recurrent.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kGates = 4;
constexpr int kStates = 3;      // h, the next h, c
constexpr int64_t kUnits = 64;  // hidden units whose gates are computed side by side

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) { return PrepareRecurrent(attrs, "input_forget"); }

int64_t Workspace(const Config*, std::span<const Tensor> ins, std::span<const Tensor>, int threads) {
  return RecurrentWorkspace(ShapeOf(ins, kGates), kStates, threads);
}

template <typename M>
struct Lstm {
  const LaunchArgs& args;
  const RecurrentConfig& config;
  const RecurrentShape s;
  RecurrentBuffers<M> buffers;
  const Tensor* bias = Optional(args.ins, 3);
  const Tensor* lengths = Optional(args.ins, 4);
  const Tensor* peepholes = Optional(args.ins, 7);

  explicit Lstm(const LaunchArgs& args)
      : args(args),
        config(*static_cast<const RecurrentConfig*>(args.config)),
        s(ShapeOf(args.ins, kGates)),
        buffers(args.workspace, s, kStates) {}

  // gate[j] = x·Wᵀ + h·Rᵀ + bias for units first + j of one row at one time.
  void Preactivation(int64_t direction, int64_t gate, int64_t row, int64_t time, int64_t first, int64_t n, M* out) {
    const int64_t at = gate * s.hidden + first;
    const M* projected = buffers.projected + (time * s.batch + row) * s.width() + at;
    const M* recurrent = buffers.recurrent + row * s.width() + at;
    const int64_t bias_at = direction * 2 * s.width() + at;
    for (int64_t j = 0; j < n; ++j) {
      out[j] = projected[j] + recurrent[j];
      if (bias != nullptr) {
        out[j] += ElementAt<M>(*bias, bias_at + j) + ElementAt<M>(*bias, bias_at + s.width() + j);
      }
    }
  }

  // out[j] += p[peephole][first + j] * c[j]
  void Peep(int64_t direction, int64_t peephole, int64_t first, int64_t n, const M* c, M* out) {
    for (int64_t j = 0; j < n && peepholes != nullptr; ++j) {
      out[j] += ElementAt<M>(*peepholes, (direction * 3 + peephole) * s.hidden + first + j) * c[j];
    }
  }

  void Cell(int64_t direction, int64_t row, int64_t time, int64_t first, int64_t n, M* c, M* next_h) {
    M i[kUnits], o[kUnits], f[kUnits], g[kUnits];
    Preactivation(direction, 0, row, time, first, n, i);
    Preactivation(direction, 1, row, time, first, n, o);
    Preactivation(direction, 2, row, time, first, n, f);
    Preactivation(direction, 3, row, time, first, n, g);
    Peep(direction, 0, first, n, c, i);
    Peep(direction, 2, first, n, c, f);
    Clip(i, n, config.clip);
    Clip(f, n, config.clip);
    Clip(g, n, config.clip);
    AtLevel<SigmoidArray<M>>(&i[0], n);
    AtLevel<SigmoidArray<M>>(&f[0], n);
    AtLevel<TanhArray<M>>(&g[0], n);
    for (int64_t j = 0; j < n; ++j) {
      c[j] = (config.flag ? 1 - i[j] : f[j]) * c[j] + i[j] * g[j];
      g[j] = c[j];
    }
    Peep(direction, 1, first, n, c, o);
    Clip(o, n, config.clip);
    AtLevel<SigmoidArray<M>>(&o[0], n);
    AtLevel<TanhArray<M>>(&g[0], n);
    for (int64_t j = 0; j < n; ++j) {
      next_h[j] = o[j] * g[j];
    }
  }

  // One time step of units [first, first + n) for every row.
  void Step(int64_t direction, bool reverse, int64_t step, int64_t first, int64_t n, const M* h, M* next_h, M* c) {
    for (int64_t gate = 0; gate < kGates; ++gate) {
      ProjectState(s, h, args.ins[2], direction, gate * s.hidden + first, n, buffers.recurrent);
    }
    for (int64_t row = 0; row < s.batch; ++row) {
      const StepTime at = TimeOf(reverse, lengths, s.steps, row, step);
      const int64_t unit = row * s.hidden + first;
      if (at.live) {
        Cell(direction, row, at.time, first, n, c + unit, next_h + unit);
      } else {
        std::copy_n(h + unit, n, next_h + unit);
      }
      for (int64_t j = 0; j < n && args.outs[0].present(); ++j) {
        WriteElement(args.outs[0], ((at.time * s.directions + direction) * s.batch + row) * s.hidden + first + j,
                     at.live ? static_cast<double>(next_h[unit + j]) : 0);
      }
    }
  }

  void RunDirection(int64_t direction) {
    const bool reverse = config.direction == Direction::kReverse || direction == 1;
    const int64_t state = s.batch * s.hidden;
    M* h = buffers.states;
    M* next_h = h + state;
    M* c = next_h + state;
    ReadState(Optional(args.ins, 5), direction * state, state, h);
    ReadState(Optional(args.ins, 6), direction * state, state, c);
    ProjectInput(s, args.ins[0], args.ins[1], direction, buffers.gemm, args.pool, buffers.projected);
    for (int64_t step = 0; step < s.steps; ++step) {
      args.pool->ParallelFor(s.hidden, UnitGrain(s), [&](int64_t begin, int64_t end) {
        for (; begin < end; begin += kUnits) {
          Step(direction, reverse, step, begin, std::min(kUnits, end - begin), h, next_h, c);
        }
      });
      std::swap(h, next_h);
    }
    for (int out = 1; out <= 2; ++out) {
      const Tensor* to = Optional(args.outs, out);
      for (int64_t i = 0; i < state && to != nullptr; ++i) {
        WriteElement(*to, direction * state + i, static_cast<double>(out == 1 ? h[i] : c[i]));
      }
    }
  }
};

absl::Status Run(const LaunchArgs& args) { return RunDirections<Lstm>(args, "lstm"); }

}  // namespace

extern const CpuKernel kLstm;
const CpuKernel kLstm = {.name = "lstm", .prepare = Prepare, .workspace = Workspace, .run = Run};

}  // namespace sluice::kernels
