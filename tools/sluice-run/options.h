// What the command line of sluice-run asked for, and what its modes share.
#ifndef SLUICE_TOOLS_SLUICE_RUN_OPTIONS_H_
#define SLUICE_TOOLS_SLUICE_RUN_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/exec/context.h"
#include "tools/common/compare.h"
#include "tools/common/report.h"

namespace sluice::tools {

inline constexpr char kRunTool[] = "sluice-run";

struct RunOptions {
  std::string artifact;
  std::vector<std::string> inputs;  // NAME=FILE
  std::string output_dir;
  std::vector<std::string> test_data;
  Tolerance tolerance;
  std::string tolerances;  // a file, of single outputs
  std::string weights;
  std::string device;
  std::string profile;
  int64_t threads = 0;
  bool no_native = false;
  bool json = false;
  bool quiet = false;

  std::string prompt;
  bool has_prompt = false;
  std::string ids;
  std::string tokenizer;
  std::string eos;
  int64_t max_tokens = -1;
  double temperature = -1;  // negative: not given
  double top_p = -1;
  int64_t top_k = -1;
  int64_t seed = 0;
};

// Each mode runs the model in `context` and gives the exit code.
absl::StatusOr<ExitCode> RunOnce(const RunOptions& options, exec::Context& context);
absl::StatusOr<ExitCode> RunTestData(const RunOptions& options, exec::Context& context);
absl::StatusOr<ExitCode> RunGenerate(const RunOptions& options, exec::Context& context, double load_ms);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_SLUICE_RUN_OPTIONS_H_
