#include "tools/sluice-diff/checker.h"

#include <cstring>

#include "compiler/codegen/PackExpressions.h"
#include "compiler/reference/Evaluator.h"
#include "runtime/exec/copy.h"

namespace sluice::diff {
namespace {

using kernels::Tensor;
namespace reference = mlir::sluice::reference;

// The kernel with which the memory phase moves values; it computes none.
constexpr const char* kCopy = "copy";

std::vector<char> DenseBytes(const Tensor& t) {
  std::vector<char> bytes(static_cast<size_t>(exec::DenseBytes(t)));
  Tensor dense = t;
  exec::SetDenseStrides(dense);
  dense.data = bytes.data();
  exec::CopyTensor(t, dense);
  return bytes;
}

void Write(const RefTensor& value, const Tensor& to) {
  std::vector<char> bytes = reference::toBytes(value);
  Tensor dense = to;
  exec::SetDenseStrides(dense);
  dense.data = bytes.data();
  exec::CopyTensor(dense, to);
}

std::vector<int64_t> SizesOf(const Tensor& t) { return {t.sizes.begin(), t.sizes.begin() + t.rank}; }

}  // namespace

// Where the kernel counted elements the view still has the bound; what was written is dense in its real size.
Tensor LaunchChecker::Sized(const exec::FunctionDesc& function, const exec::InstrDesc& instr, size_t out,
                            const Tensor& tensor) const {
  if (!instr.counts_any) {
    return tensor;
  }
  Tensor t = tensor;
  const exec::ViewDesc& view = function.views[instr.outs + out];
  for (int d = 0; d < t.rank; ++d) {
    t.sizes[d] = context_.sizes().slots()[view.sizes[d]];
  }
  exec::SetDenseStrides(t);
  return t;
}

void LaunchChecker::Note(int op, const exec::InstrDesc& instr, const Tensor& out, const Deviation& deviation) {
  const auto [it, first] = findings_.try_emplace(op);
  if (!first && it->second.deviation.times_bound >= deviation.times_bound) {
    return;
  }
  const auto known = trace_.ops.find(op);
  it->second = {.op = op,
                .order = known == trace_.ops.end() ? 0 : known->second.order,
                .kernel = instr.kernel_name,
                .nodes = OnnxNodes(instr.nodes),
                .dtype = out.dtype,
                .sizes = SizesOf(out),
                .deviation = deviation};
}

void LaunchChecker::CheckCopy(const exec::InstrDesc& instr, const Tensor& in, const Tensor& out) {
  ++moved_;
  if (DenseBytes(in) == DenseBytes(out)) {
    return;
  }
  if (const std::optional<int> op = NumberOf(instr.nodes)) {
    Note(*op, instr, out, {.why = "is not what was copied"});
  } else {
    ++unmatched_;
  }
}

void LaunchChecker::OnLaunch(const exec::FunctionDesc& function, const exec::InstrDesc& instr,
                             std::span<const Tensor> ins, std::span<const Tensor> outs, int64_t, int64_t) {
  if (diverged_) {
    return;
  }
  if (instr.kernel_name == kCopy) {
    return CheckCopy(instr, ins[0], outs[0]);
  }
  const std::optional<int> op = NumberOf(instr.nodes);
  const auto known = op ? trace_.ops.find(*op) : trace_.ops.end();
  if (known == trace_.ops.end()) {
    ++unmatched_;
    return;
  }
  const size_t time = times_[*op]++;
  if (time >= known->second.times.size()) {
    diverged_ = true;
    return Note(*op, instr, outs[0], {.why = absl::StrFormat("runs more often than the reference's %d times", time)});
  }
  const std::vector<RefTensor>& want = known->second.times[time];
  for (size_t i = 0; i < outs.size(); ++i) {
    const Tensor out = Sized(function, instr, i, outs[i]);
    if (mlir::sluice::codegen::dtypeOf(want[i].element) != out.dtype) {
      ++unmatched_;
      continue;
    }
    const RefTensor got = reference::fromBytes(want[i].element, SizesOf(out), DenseBytes(out).data());
    const Deviation deviation = Measure(got, want[i], bound_);
    ++compared_;
    if (!deviation.ok()) {
      Note(*op, instr, out, deviation);
    }
    if (!deviation.why.empty()) {
      diverged_ = true;
      return;
    }
    Write(want[i], out);
  }
}

}  // namespace sluice::diff
