// What sluice-bench measures.
#ifndef SLUICE_TOOLS_SLUICE_BENCH_BENCH_H_
#define SLUICE_TOOLS_SLUICE_BENCH_BENCH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/json_writer.h"
#include "runtime/base/status.h"
#include "runtime/exec/context.h"
#include "runtime/exec/model.h"
#include "tools/common/made_inputs.h"
#include "tools/sluice-bench/cost.h"

namespace sluice::tools {

inline constexpr char kBenchTool[] = "sluice-bench";

struct BenchOptions {
  std::string artifact;
  std::vector<std::string> dims;  // "batch=8,seq=128"
  int64_t iters = 20;
  int64_t warmup = 3;
  int64_t threads = 0;
  std::string weights;
  std::string device;
  bool kernels = false;
  bool on_device = false;
  bool decode = false;
  bool load = false;
  bool json = false;
  std::string batch = "1";
  int64_t context = 512;
  int64_t tokens = 128;
  int64_t prefill = 512;
};

absl::StatusOr<std::vector<int64_t>> ParseList(const std::string& text, const std::string& flag);

// Each prints text or adds its field to the open JSON object.
absl::Status BenchRuns(const BenchOptions& options, const std::shared_ptr<const exec::Model>& model, JsonWriter* json);
// How fast the weights came to the GPU, beside what its link to the host can do.
absl::Status BenchLoad(const exec::Model& model, JsonWriter* json);
absl::Status BenchDecode(const BenchOptions& options, const std::shared_ptr<const exec::Model>& model,
                         JsonWriter* json);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_SLUICE_BENCH_BENCH_H_
