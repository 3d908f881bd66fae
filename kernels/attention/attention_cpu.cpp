// nn.attention: q [b,h,s,d], k [b,g,t,d], v [b,g,t,e], optional bias, key_mask, lengths, slopes → out [b,h,s,e].
// See kernels/attention/README.md for how rows and keys are cut, and why no result depends on it.
#include "kernels/attention/attention_problem.h"
#include "kernels/attention/attention_task.h"
#include "kernels/desc.h"
#include "kernels/gemm/gemm_driver.h"
#include "runtime/base/cpu.h"

namespace sluice::kernels {
namespace {

constexpr absl::string_view kEmptyRows[] = {"zero", "uniform", "scores", "either"};  // of the enum, in order

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<AttentionConfig>();
  ASSIGN_OR_RETURN(const double scale, attrs.Float("scale", 1.0));
  ASSIGN_OR_RETURN(const double softcap, attrs.Float("softcap", 0.0));
  ASSIGN_OR_RETURN(const int64_t causal, attrs.Int("causal", 0));
  ASSIGN_OR_RETURN(config->window, attrs.Int("window", 0));
  ASSIGN_OR_RETURN(const std::string empty, attrs.String("empty_rows", "zero"));
  const auto name = std::find(std::begin(kEmptyRows), std::end(kEmptyRows), empty);
  if (name == std::end(kEmptyRows)) {
    return absl::InvalidArgumentError("attention: empty_rows is \"" + empty +
                                      "\", not zero, uniform, scores or either");
  }
  config->scale = static_cast<float>(scale);
  config->softcap = static_cast<float>(softcap);
  config->causal = causal != 0;
  config->empty_rows = static_cast<EmptyRows>(name - std::begin(kEmptyRows));
  return config;
}

// Two states a thread (the running one and a split's) and one a row and split when splits run apart.
int64_t ThreadBytes(const AttentionProblem& p) {
  return AttentionTask::Workspace(p.d, p.e16) + 2 * AlignUp(RowStates::Floats(kMaxTaskRows, p.e16) * 4);
}
int64_t SplitBytes(const AttentionProblem& p) {
  const int64_t rows = std::min(p.b * p.h * p.s, kMaxSplitRows);
  const int64_t splits = (p.t + kSplitKeys - 1) / kSplitKeys;
  return splits > 1 ? AlignUp(splits * RowStates::Floats(rows, p.e16) * 4) : 0;
}

int64_t Workspace(const Config* config, std::span<const Tensor> ins, std::span<const Tensor> outs, int threads) {
  if (ins[0].dtype == DType::kF64) {
    return 0;
  }
  const AttentionProblem p(*static_cast<const AttentionConfig*>(config), ins, outs);
  return threads * ThreadBytes(p) + SplitBytes(p);
}

class AttentionRun {
 public:
  AttentionRun(const AttentionProblem& p, const LaunchArgs& args)
      : p_(p), pool_(args.pool), tasks_(p, pool_->threads()), work_(static_cast<uint8_t*>(args.workspace)) {}

  // Each task goes over its splits itself.
  void Together() {
    pool_->ParallelForWithThread(tasks_.count, 1, [this](int64_t begin, int64_t end, int thread) {
      // The last query blocks first: with a causal mask they are the long ones.
      for (int64_t i = begin; i < end; ++i) {
        AttentionTask task(p_, tasks_, tasks_.count - 1 - i, ThreadWork(thread));
        const RowStates states = ThreadStates(thread, 0, task.rows());
        const RowStates split_states = ThreadStates(thread, 1, task.rows());
        task.Prepare();
        AttentionTask::Clear(states, task.rows(), p_.e16);
        for (int64_t split = task.FirstSplit(); split < task.EndSplit(); ++split) {
          task.Split(split, split_states);
          task.Merge(states, split_states);
        }
        task.Write(states);
      }
    });
  }

  // A unit is a split of a task; a second loop combines them, in the order of Together.
  void Apart() {
    const auto units = [this](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) {
        AttentionTask task(p_, tasks_, i / tasks_.splits, ThreadWork(thread));
        const int64_t split = i % tasks_.splits;
        if (split >= task.FirstSplit() && split < task.EndSplit()) {
          task.Prepare();
          task.Split(split, SplitStates(task, split));
        }
      }
    };
    pool_->ParallelForWithThread(tasks_.count * tasks_.splits, 1, units);
    pool_->ParallelForWithThread(tasks_.count, 1, [this](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) {
        AttentionTask task(p_, tasks_, i, ThreadWork(thread));
        const RowStates states = ThreadStates(thread, 0, task.rows());
        AttentionTask::Clear(states, task.rows(), p_.e16);
        for (int64_t split = task.FirstSplit(); split < task.EndSplit(); ++split) {
          task.Merge(states, SplitStates(task, split));
        }
        task.Write(states);
      }
    });
  }

  bool ShouldRunApart() const { return tasks_.apart; }

 private:
  uint8_t* ThreadWork(int thread) const { return work_ + thread * ThreadBytes(p_); }
  RowStates ThreadStates(int thread, int which, int64_t rows) const {
    uint8_t* at = ThreadWork(thread) + AttentionTask::Workspace(p_.d, p_.e16);
    at += which * AlignUp(RowStates::Floats(kMaxTaskRows, p_.e16) * 4);
    return RowStates::In(reinterpret_cast<float*>(at), rows);
  }
  RowStates SplitStates(const AttentionTask& task, int64_t split) const {
    float* base = reinterpret_cast<float*>(work_ + pool_->threads() * ThreadBytes(p_));
    const int64_t row = task.FirstRow() * tasks_.splits + split * task.rows();
    return RowStates::In(base + RowStates::Floats(row, p_.e16), task.rows());
  }

  const AttentionProblem& p_;
  ThreadPool* pool_;
  const AttentionTasks tasks_;
  uint8_t* work_;
};

absl::Status Run(const LaunchArgs& args) {
  const AttentionProblem p(*static_cast<const AttentionConfig*>(args.config), args.ins, args.outs);
  for (int64_t row = 0; row < p.b && p.lengths != nullptr; ++row) {
    if (p.Valid(row) < 0 || p.Valid(row) > p.t) {
      return absl::OutOfRangeError(
          absl::StrFormat("attention: lengths[%d] is %d, not in 0..%d, the keys there are", row, p.Valid(row), p.t));
    }
  }
  if (p.b * p.h * p.s * p.e == 0) {
    return absl::OkStatus();
  }
  if (p.q.dtype == DType::kF64) {
    AttentionPlain(p, args.pool);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckKernelFloats("attention", args.ins.first(3)));
  AttentionRun run(p, args);
  run.ShouldRunApart() ? run.Apart() : run.Together();
  return absl::OkStatus();
}

}  // namespace

const AttentionOps& Attention() {
  static const AttentionOps& ops = Cpu().v4() ? avx512::kAttentionOps : avx2::kAttentionOps;
  return ops;
}

extern const CpuKernel kAttention;
const CpuKernel kAttention = {
    .name = "attention",
    .prepare = Prepare,
    .workspace = Workspace,
    .run = Run,
    .strided_ins = 0x7f,
    .strided_outs = 0b1,
};

}  // namespace sluice::kernels
