// Times an artifact.
#include <cstdio>
#include <optional>

#include "runtime/artifact/artifact.h"
#include "tools/common/flags.h"
#include "tools/common/report.h"
#include "tools/sluice-bench/bench.h"

namespace sluice::tools {
namespace {

void Declare(Flags& flags, BenchOptions& o) {
  flags.Positional(&o.artifact, "MODEL.sluice", "the artifact");
  flags.Strings(&o.dims, 0, "dims", "batch=8,seq=128", "sizes of a run (others: 1, caches empty); repeatable");
  flags.Int(&o.iters, 0, "iters", "N", "timed runs");
  flags.Int(&o.warmup, 0, "warmup", "N", "runs before them");
  flags.Int(&o.threads, 0, "threads", "N", "threads; 0: as many as the process may use");
  flags.String(&o.weights, 0, "weights", "MODEL.onnx|random[:SEED]", "weights of a stripped artifact");
  flags.String(&o.device, 0, "device", "cpu|cuda:N", "where to run; default: what the artifact is for");
  flags.Switch(&o.kernels, 0, "kernels", "one row a launch: time, GB/s, TFLOP/s, share of the roofline");
  flags.Switch(&o.on_device, 0, "on-device", "inputs and results stay on the GPU; runs are queued, 10 a timed wait");
  flags.Switch(&o.decode, 0, "decode", "time prefill and decode of a decoder");
  flags.Switch(&o.load, 0, "load", "how fast the weights came to the GPU, beside its link to the host");
  flags.String(&o.batch, 0, "batch", "1,8,32", "--decode: sequences at a time");
  flags.Int(&o.context, 0, "context", "N", "--decode: positions before the first timed step");
  flags.Int(&o.tokens, 0, "tokens", "N", "--decode: timed steps");
  flags.Int(&o.prefill, 0, "prefill", "N", "--decode: tokens of the timed prefill");
  flags.Switch(&o.json, 0, "json", "print one JSON object");
}

absl::Status Run(const BenchOptions& o) {
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::Open(o.artifact));
  ASSIGN_OR_RETURN(auto model, exec::Model::Load(
                                   std::move(artifact),
                                   {.threads = static_cast<int>(o.threads), .weights = o.weights, .device = o.device}));
  JsonWriter json;
  json.BeginObject().Field("device", model->device() != nullptr
                                         ? model->device()->device().name()
                                         : absl::StrFormat("cpu, %d threads", model->pool().threads()));
  if (o.load) {
    RETURN_IF_ERROR(BenchLoad(*model, o.json ? &json : nullptr));
  }
  RETURN_IF_ERROR(o.decode ? BenchDecode(o, model, o.json ? &json : nullptr)
                           : BenchRuns(o, model, o.json ? &json : nullptr));
  json.EndObject();
  if (o.json) {
    std::printf("%s\n", json.text().c_str());
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  PrepareTool(kBenchTool);
  BenchOptions o;
  Flags flags(kBenchTool, "MODEL.sluice [flags]", "sluice-bench model.sluice --dims batch=8,seq=128 --kernels");
  Declare(flags, o);
  if (const std::optional<int> code = flags.Parse(argc, argv)) {
    return *code;
  }
  if (o.iters < 1 || o.warmup < 0 || o.context < 1 || o.tokens < 1 || o.prefill < 1) {
    return UsageError(kBenchTool, "--iters, --context, --tokens, --prefill: must be at least 1");
  }
  if (o.threads < 0 || o.threads > 4096) {
    return UsageError(kBenchTool, "--threads: is not between 0 and 4096");
  }
  const absl::Status status = Run(o);
  return FinishOutput(kBenchTool, status.ok() ? kExitOk : Fail(kBenchTool, status));
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::Main(argc, argv); }
