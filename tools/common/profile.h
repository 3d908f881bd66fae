// Records every launch of a run and writes the trace that ui.perfetto.dev and chrome://tracing open.
//
//   LaunchTrace trace;
//   context.set_observer(&trace);
//   … run …
//   RETURN_IF_ERROR(trace.Write("trace.json"));
#ifndef SLUICE_TOOLS_COMMON_PROFILE_H_
#define SLUICE_TOOLS_COMMON_PROFILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/exec/engine.h"

namespace sluice::tools {

class LaunchTrace : public exec::LaunchObserver {
 public:
  struct Launch {
    const exec::FunctionDesc* function;
    const exec::InstrDesc* instr;
    int64_t begin_ns, end_ns;
    int64_t bytes;       // of operands and results
    std::string shapes;  // "f32[1, 9, 64] f32[64, 64] -> f32[1, 9, 64]"
  };

  void OnLaunch(const exec::FunctionDesc& function, const exec::InstrDesc& instr, std::span<const kernels::Tensor> ins,
                std::span<const kernels::Tensor> outs, int64_t begin_ns, int64_t end_ns) override;

  const std::vector<Launch>& launches() const { return launches_; }
  // Trace Event Format: one complete event a launch, named by kernel, with its nodes and shapes.
  absl::Status Write(const std::string& path) const;

 private:
  std::vector<Launch> launches_;
};

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_PROFILE_H_
