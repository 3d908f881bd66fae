// Runs an artifact: once, against test data, or generating text.
#include <chrono>
#include <optional>

#include "runtime/artifact/artifact.h"
#include "runtime/exec/model.h"
#include "tools/common/flags.h"
#include "tools/common/profile.h"
#include "tools/common/report.h"
#include "tools/sluice-run/options.h"

namespace sluice::tools {
namespace {

void Declare(Flags& flags, RunOptions& o) {
  flags.Positional(&o.artifact, "MODEL.sluice", "the artifact");
  flags.Strings(&o.inputs, 'i', "input", "NAME=FILE", "an input: .npy, or .pb (ONNX TensorProto); repeatable");
  flags.String(&o.output_dir, 'o', "output-dir", "DIR", "write each output there as NAME.npy");
  flags.Strings(&o.test_data, 0, "test-data", "DIR",
                "run input_K.pb, compare with output_K.pb; exit 3 if different; repeatable");
  flags.Double(&o.tolerance.rtol, 0, "rtol", "R", "relative tolerance of --test-data");
  flags.Double(&o.tolerance.atol, 0, "atol", "A", "absolute tolerance of --test-data");
  flags.String(&o.tolerances, 0, "tolerances", "FILE",
               "instead of both: lines of an absolute tolerance and an output's name, as sluice-diff writes them");
  flags.String(&o.weights, 0, "weights", "MODEL.onnx|random[:SEED]", "weights of a stripped artifact");
  flags.String(&o.device, 0, "device", "cpu|cuda:N", "where to run; default: what the artifact is for");
  flags.String(&o.profile, 0, "profile", "FILE.json", "write a trace of all launches (Perfetto)");
  flags.Int(&o.threads, 0, "threads", "N", "threads; 0: as many as the process may use");
  flags.Switch(&o.no_native, 0, "no-native", "refuse artifacts that hold machine code");
  flags.String(&o.prompt, 'p', "prompt", "TEXT", "continue this text");
  flags.String(&o.ids, 0, "ids", "1,2,3", "continue these tokens");
  flags.String(&o.tokenizer, 0, "tokenizer", "DIR", "folder with tokenizer.json; default: the artifact's own folder");
  flags.Int(&o.max_tokens, 'n', "max-tokens", "N", "at most so many new tokens");
  flags.Double(&o.temperature, 0, "temperature", "T", "0: always the most likely token");
  flags.Double(&o.top_p, 0, "top-p", "P", "sample from the likeliest tokens that sum to P");
  flags.Int(&o.top_k, 0, "top-k", "K", "sample from the K likeliest tokens");
  flags.Int(&o.seed, 0, "seed", "S", "of sampling");
  flags.String(&o.eos, 0, "eos", "1,2", "tokens that end the text");
  flags.Switch(&o.json, 0, "json", "print one JSON object");
  flags.Switch(&o.quiet, 'q', "quiet", "no progress, no figures on stderr");
}

// Empty when the flags make sense together.
std::string Contradiction(const Flags& flags, const RunOptions& o) {
  const bool generate = o.has_prompt || flags.Given("ids");
  if (o.has_prompt && flags.Given("ids")) {
    return "--prompt: not together with --ids";
  }
  if (generate && (!o.test_data.empty() || !o.inputs.empty())) {
    return "--prompt: not together with --input or --test-data";
  }
  if (!o.test_data.empty() && !o.inputs.empty()) {
    return "--test-data: not together with --input";
  }
  if (!o.tolerances.empty() && (o.test_data.empty() || flags.Given("rtol") || flags.Given("atol"))) {
    return "--tolerances: is for --test-data, and not together with --rtol or --atol";
  }
  if (o.threads < 0 || o.threads > 4096) {
    return "--threads: is not between 0 and 4096";
  }
  if (!o.device.empty() && o.device != "cpu" && o.device.rfind("cuda", 0) != 0) {
    return "--device: '" + o.device + "' (give cpu or cuda:N)";
  }
  if (flags.Given("max-tokens") && o.max_tokens < 0) {
    return "--max-tokens: is negative";
  }
  return "";
}

absl::StatusOr<ExitCode> Run(const Flags& flags, const RunOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::Open(options.artifact));
  ASSIGN_OR_RETURN(auto model, exec::Model::Load(std::move(artifact), {.threads = static_cast<int>(options.threads),
                                                                       .native = !options.no_native,
                                                                       .weights = options.weights,
                                                                       .device = options.device}));
  ASSIGN_OR_RETURN(std::unique_ptr<exec::Context> context, exec::Context::Create(model));
  const std::chrono::duration<double, std::milli> load = std::chrono::steady_clock::now() - start;
  LaunchTrace trace;
  if (!options.profile.empty()) {
    context->set_observer(&trace);
  }
  const absl::StatusOr<ExitCode> code = !options.test_data.empty() ? RunTestData(options, *context)
                                        : options.has_prompt || flags.Given("ids")
                                            ? RunGenerate(options, *context, load.count())
                                            : RunOnce(options, *context);
  if (code.ok() && !options.profile.empty()) {
    RETURN_IF_ERROR(trace.Write(options.profile));
  }
  return code;
}

int Main(int argc, char** argv) {
  PrepareTool(kRunTool);
  RunOptions options;
  Flags flags(kRunTool, "MODEL.sluice [flags]",
              "sluice-run model.sluice --input x=x.npy --output-dir out\n"
              "sluice-run smollm2.sluice --tokenizer smollm2 --prompt \"Once upon a time\"");
  Declare(flags, options);
  if (const std::optional<int> code = flags.Parse(argc, argv)) {
    return *code;
  }
  options.has_prompt = flags.Given("prompt");
  if (const std::string wrong = Contradiction(flags, options); !wrong.empty()) {
    return UsageError(kRunTool, wrong);
  }
  const absl::StatusOr<ExitCode> code = Run(flags, options);
  return FinishOutput(kRunTool, code.ok() ? *code : Fail(kRunTool, code.status()));
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::Main(argc, argv); }
