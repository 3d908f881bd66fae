// The memory planner alone: packs the buffers of a CSV file.
#include <chrono>
#include <cstdio>

#include "runtime/base/file.h"
#include "runtime/base/json_writer.h"
#include "runtime/plan/pack.h"
#include "tools/common/flags.h"
#include "tools/common/report.h"
#include "tools/sluice-plan/csv.h"

namespace sluice::tools {
namespace {

constexpr char kTool[] = "sluice-plan";

struct Options {
  std::string input;
  std::string output;
  int64_t capacity = 0;
  int64_t alignment = 1;
  int64_t effort = 6'000'000;  // some five seconds
  bool json = false;
  bool quiet = false;
};

void Print(const Options& options, const plan::PackResult& r, size_t buffers, double ms) {
  const double ratio = r.lower_bound == 0 ? 1.0 : static_cast<double>(r.peak) / static_cast<double>(r.lower_bound);
  if (!options.json) {
    std::printf("peak=%lld lower_bound=%lld ratio=%.4f ms=%.1f\n", static_cast<long long>(r.peak),
                static_cast<long long>(r.lower_bound), ratio, ms);
    return;
  }
  JsonWriter json;
  json.BeginObject().Field("peak", r.peak).Field("lower_bound", r.lower_bound).Field("ratio", ratio).Field("ms", ms);
  json.Field("buffers", buffers).EndObject();
  std::printf("%s\n", json.text().c_str());
}

absl::Status Run(const Options& options) {
  Progress progress(kTool, options.quiet);
  ASSIGN_OR_RETURN(const std::string text, ReadFile(options.input));
  ASSIGN_OR_RETURN(const BufferFile file, ParseBufferFile(text, options.input));
  progress.Phase("packing " + std::to_string(file.buffers.size()) + " buffers");
  const auto start = std::chrono::steady_clock::now();
  const plan::PackResult result = plan::Pack(
      file.buffers, {.alignment = options.alignment, .effort = options.effort, .capacity = options.capacity});
  const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
  Print(options, result, file.buffers.size(), ms.count());
  if (options.capacity > 0 && result.peak > options.capacity) {
    const char* advice = result.lower_bound > options.capacity ? "raise --capacity" : "raise --effort or --capacity";
    return absl::ResourceExhaustedError(
        absl::StrCat("--capacity: ", options.capacity, " bytes, ", result.peak, " are needed (", advice, ")"));
  }
  return options.output.empty() ? absl::OkStatus() : WriteFile(options.output, WithOffsets(file, result.offsets));
}

int Main(int argc, char** argv) {
  PrepareTool(kTool);
  Options options;
  Flags flags(kTool, "FILE.csv [flags]", "sluice-plan buffers.csv -o packed.csv");
  flags.Positional(&options.input, "FILE.csv", "buffers, MiniMalloc's format: id,lower,upper,size");
  flags.String(&options.output, 'o', "output", "OUT.csv", "write the buffers with a column `offset`");
  flags.Int(&options.capacity, 0, "capacity", "BYTES", "stop when it fits; exit 4 when it does not");
  flags.Int(&options.effort, 0, "effort", "N", "about microseconds of search; 0: greedy only");
  flags.Int(&options.alignment, 0, "alignment", "BYTES", "offsets are multiples of it");
  flags.Switch(&options.json, 0, "json", "print one JSON object");
  flags.Switch(&options.quiet, 'q', "quiet", "no progress");
  if (const std::optional<int> code = flags.Parse(argc, argv)) {
    return *code;
  }
  if (options.alignment < 1 || options.alignment > (1 << 24)) {
    return UsageError(kTool, "--alignment: is not between 1 and 16777216");
  }
  if (options.effort < 0) {
    return UsageError(kTool, "--effort: is negative");
  }
  if (flags.Given("capacity") && options.capacity < 1) {
    return UsageError(kTool, "--capacity: is not at least 1");
  }
  const absl::Status status = Run(options);
  return FinishOutput(kTool, status.ok() ? kExitOk : Fail(kTool, status));
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::Main(argc, argv); }
