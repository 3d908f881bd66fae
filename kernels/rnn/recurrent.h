// What LSTM and GRU share: sizes, the order of time steps, and the two products, x · Wᵀ for all steps at once and h ·
// Rᵀ for one step.  Computed in f32 (f64 for f64), whatever the type of the operands.
#ifndef SLUICE_KERNELS_RNN_RECURRENT_H_
#define SLUICE_KERNELS_RNN_RECURRENT_H_

#include <string>

#include "kernels/common/launch.h"
#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {

enum class Direction { kForward, kReverse, kBidirectional };

struct RecurrentConfig : Config {
  Direction direction = Direction::kForward;
  double clip = 0;    // of what the activations get; 0: none
  bool flag = false;  // LSTM: input_forget; GRU: linear_before_reset
};

// `flag` names the operator's own boolean attribute.
absl::StatusOr<std::unique_ptr<Config>> PrepareRecurrent(const Attrs& attrs, const std::string& flag);

struct RecurrentShape {
  int64_t steps, batch, input, hidden, directions, gates;
  int64_t rows() const { return steps * batch; }
  int64_t width() const { return gates * hidden; }
};
// From x [t, b, i] and r [dir, gates * h, h].
RecurrentShape ShapeOf(std::span<const Tensor> ins, int64_t gates);

// Bytes of workspace: x · Wᵀ [t, b, width], h · Rᵀ [b, width], `states` buffers of [b, h], and what the product needs.
int64_t RecurrentWorkspace(const RecurrentShape& shape, int states, int threads);

// Step `step` of row `row`: where in time it lies.  A row that is shorter than the longest one ends earlier; the steps
// behind its end are those whose result is zero.
struct StepTime {
  int64_t time;
  bool live;
};
inline StepTime TimeOf(bool reverse, const Tensor* lengths, int64_t steps, int64_t row, int64_t step) {
  int64_t length = steps;
  if (lengths != nullptr) {
    length = lengths->dtype == DType::kI32 ? lengths->as<const int32_t>()[row] : lengths->as<const int64_t>()[row];
  }
  if (step >= length) {
    return {step, false};
  }
  return {reverse ? length - 1 - step : step, true};
}

// An error when a length is not in [0, steps].
absl::Status CheckLengths(const Tensor* lengths, int64_t steps);

// One direction's buffers in the workspace.
template <typename M>
struct RecurrentBuffers {
  M* projected;  // [t, b, width]: x · Wᵀ
  M* recurrent;  // [b, width]: h · Rᵀ
  M* states;     // [states][b, h]
  void* gemm;

  RecurrentBuffers(void* workspace, const RecurrentShape& s, int states) {
    uint8_t* at = static_cast<uint8_t*>(workspace);
    const auto take = [&](int64_t elements) {
      M* p = reinterpret_cast<M*>(at);
      at += AlignUp(elements * 8);
      return p;
    };
    projected = take(s.rows() * s.width());
    recurrent = take(s.batch * s.width());
    this->states = take(states * s.batch * s.hidden);
    gemm = at;
  }
};

// projected = x · w[direction]ᵀ.
void ProjectInput(const RecurrentShape& s, const Tensor& x, const Tensor& w, int64_t direction, void* gemm,
                  ThreadPool* pool, float* projected);
void ProjectInput(const RecurrentShape& s, const Tensor& x, const Tensor& w, int64_t direction, void* gemm,
                  ThreadPool* pool, double* projected);

// out[b][first .. first + n) = h[b] · r[direction][first .. first + n)ᵀ.  Called from within a parallel loop.
void ProjectState(const RecurrentShape& s, const float* h, const Tensor& r, int64_t direction, int64_t first, int64_t n,
                  float* out);
void ProjectState(const RecurrentShape& s, const double* h, const Tensor& r, int64_t direction, int64_t first,
                  int64_t n, double* out);

// to[i] = element at + i of a tensor of floats, zeros when it is absent.
void ReadState(const Tensor* from, int64_t at, int64_t n, float* to);
void ReadState(const Tensor* from, int64_t at, int64_t n, double* to);
// The element of a tensor of floats as an M.
template <typename M>
M ElementAt(const Tensor& t, int64_t at);
// One element of a result.
void WriteElement(const Tensor& to, int64_t at, double value);

// Units (hidden elements) a thread takes at once in a step.
inline int64_t UnitGrain(const RecurrentShape& s) { return std::min<int64_t>(Grain(s.batch * s.gates * s.hidden), 64); }

// Runs Op<M>, M the type it computes in, for each direction: what lstm and gru (`kernel`) do with a launch.
template <template <typename> class Op>
absl::Status RunDirections(const LaunchArgs& args, const char* kernel) {
  const DType t = args.ins[0].dtype;
  RETURN_IF_ERROR(
      CheckLengths(args.ins.size() > 4 && args.ins[4].present() ? &args.ins[4] : nullptr, args.ins[0].sizes[0]));
  for (int64_t d = 0; d < args.ins[2].sizes[0]; ++d) {
    if (t == DType::kF64) {
      Op<double>(args).RunDirection(d);
    } else if (t == DType::kF32 || t == DType::kF16 || t == DType::kBF16) {
      Op<float>(args).RunDirection(d);
    } else {
      return absl::InvalidArgumentError(absl::StrCat(kernel, ": element type ", Name(t), " is not a float"));
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_RNN_RECURRENT_H_
