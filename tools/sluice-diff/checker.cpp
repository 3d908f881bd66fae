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
  const size_t time = times_[*op];
  if (time >= known->second.times.size()) {
    diverged_ = true;
    return Note(*op, instr, outs[0], {.why = absl::StrFormat("runs more often than the reference's %d times", time)});
  }
  const std::vector<Piece> pieces = PiecesOf(function, instr, outs, *op, time);
  if (pieces.empty()) {
    ++unmatched_;
    return;
  }
  ++times_[*op];
  for (const Piece& piece : pieces) {
    Check(instr, piece);
  }
}

// The values in a launch's results; none when it writes something else, on the way to the op's value.
std::vector<LaunchChecker::Piece> LaunchChecker::PiecesOf(const exec::FunctionDesc& function,
                                                          const exec::InstrDesc& instr, std::span<const Tensor> outs,
                                                          int op, size_t time) const {
  const std::vector<RefTensor>& want = trace_.ops.at(op).times[time];
  std::vector<Piece> pieces;
  bool fits = outs.size() <= want.size();
  for (size_t i = 0; i < outs.size() && fits; ++i) {
    pieces.push_back({op, &want[i], Sized(function, instr, i, outs[i])});
    fits = instr.counts_any || SizesOf(pieces[i].view) == want[i].sizes;  // a count may be wrong
  }
  return fits ? pieces : outs.size() == 1 ? SideBySide(instr, outs[0], time) : std::vector<Piece>();
}

// One launch may give the values of several ops in one tensor: linears of one input are merged.
std::vector<LaunchChecker::Piece> LaunchChecker::SideBySide(const exec::InstrDesc& instr, const Tensor& out,
                                                            size_t time) const {
  std::vector<Piece> pieces;
  int axis = -1;
  int64_t at = 0;
  for (const int op : NumbersOf(instr.nodes)) {
    const auto known = trace_.ops.find(op);
    if (known == trace_.ops.end() || time >= known->second.times.size()) {
      return {};
    }
    const RefTensor& value = known->second.times[time].front();
    if (value.rank() != out.rank) {
      return {};
    }
    for (int d = 0; d < out.rank; ++d) {
      axis = axis < 0 && value.sizes[d] != out.sizes[d] ? d : axis;
      if (d != axis && value.sizes[d] != out.sizes[d]) {
        return {};
      }
    }
    Tensor view = out;
    view.sizes[axis] = value.sizes[axis];
    view.data = static_cast<uint8_t*>(out.data) + at * out.strides[axis] * BitWidth(out.dtype) / 8;
    at += value.sizes[axis];
    if (at > out.sizes[axis]) {
      return {};
    }
    pieces.push_back({op, &value, view});
  }
  return !pieces.empty() && at == out.sizes[axis] ? pieces : std::vector<Piece>();
}

void LaunchChecker::Check(const exec::InstrDesc& instr, const Piece& piece) {
  const RefTensor& want = *piece.want;
  if (mlir::sluice::codegen::dtypeOf(want.element) != piece.view.dtype) {
    ++unmatched_;
    return;
  }
  const RefTensor got = reference::fromBytes(want.element, SizesOf(piece.view), DenseBytes(piece.view).data());
  const Deviation deviation = Measure(got, want, bound_);
  ++compared_;
  if (!deviation.ok()) {
    Note(piece.op, instr, piece.view, deviation);
  }
  if (deviation.why.empty()) {
    Write(want, piece.view);
  } else {
    diverged_ = true;
  }
}

}  // namespace sluice::diff
