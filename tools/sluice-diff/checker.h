// The target's side: holds what each launch wrote against the reference's value, then puts that value in its place.
//
// So every launch reads what the reference read, and an error shows at the launch that made it and at no later one.
#ifndef SLUICE_TOOLS_SLUICE_DIFF_CHECKER_H_
#define SLUICE_TOOLS_SLUICE_DIFF_CHECKER_H_

#include <map>
#include <string>
#include <vector>

#include "runtime/exec/context.h"
#include "tools/sluice-diff/bound.h"
#include "tools/sluice-diff/trace.h"

namespace sluice::diff {

// A launch whose value exceeds its bound; the worst time, when it runs several times.
struct Finding {
  int op = 0;     // the number of the op whose value it is
  int order = 0;  // in the reference's evaluation
  std::string kernel;
  std::vector<std::string> nodes;  // all that the kernel computes
  DType dtype = DType::kUndefined;
  std::vector<int64_t> sizes;
  Deviation deviation;
};

class LaunchChecker : public exec::LaunchObserver {
 public:
  // All must outlive the checker.
  LaunchChecker(const Trace& trace, const exec::Context& context, const GivenBound& bound)
      : trace_(trace), context_(context), bound_(bound) {}

  void OnLaunch(const exec::FunctionDesc& function, const exec::InstrDesc& instr, std::span<const kernels::Tensor> ins,
                std::span<const kernels::Tensor> outs, int64_t begin_ns, int64_t end_ns) override;

  const std::map<int, Finding>& findings() const { return findings_; }  // by op
  int64_t compared() const { return compared_; }
  int64_t moved() const { return moved_; }          // copies: held against what they read
  int64_t unmatched() const { return unmatched_; }  // launches of which the reference has no value

 private:
  // What one op's value is in memory.
  struct Piece {
    int op;
    const RefTensor* want;
    kernels::Tensor view;
  };
  void Check(const exec::InstrDesc& instr, const Piece& piece);
  std::vector<Piece> PiecesOf(const exec::FunctionDesc& function, const exec::InstrDesc& instr,
                              std::span<const kernels::Tensor> outs, int op, size_t time) const;
  std::vector<Piece> SideBySide(const exec::InstrDesc& instr, const kernels::Tensor& out, size_t time) const;
  void CheckCopy(const exec::InstrDesc& instr, const kernels::Tensor& in, const kernels::Tensor& out);
  kernels::Tensor Sized(const exec::FunctionDesc& function, const exec::InstrDesc& instr, size_t out,
                        const kernels::Tensor& tensor) const;
  void Note(int op, const exec::InstrDesc& instr, const kernels::Tensor& out, const Deviation& deviation);

  const Trace& trace_;
  const exec::Context& context_;
  const GivenBound& bound_;
  std::map<int, size_t> times_;  // launches seen of each op
  std::map<int, Finding> findings_;
  int64_t compared_ = 0, moved_ = 0, unmatched_ = 0;
  bool diverged_ = false;  // sizes differ from the reference's from here on
};

}  // namespace sluice::diff

#endif  // SLUICE_TOOLS_SLUICE_DIFF_CHECKER_H_
