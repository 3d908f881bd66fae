// Compiles a model into an artifact.
#include <cstdio>
#include <filesystem>

#include "compiler/driver/Compile.h"
#include "tools/common/flags.h"
#include "tools/common/report.h"

namespace sluice::tools {
namespace {

constexpr char kTool[] = "sluice-compile";

struct Options {
  compiler::CompileOptions compile;
  std::string dims, buckets;
  int64_t threads = 0;
  bool serve = false;
  bool quiet = false;
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// "batch=1..8,seq=1..512" → one text a dimension.
absl::Status SplitDims(const std::string& text, std::vector<std::string>& dims) {
  for (const std::string& part : Split(text, ',')) {
    if (part.find('=') == std::string::npos || part.find("..") == std::string::npos) {
      return absl::InvalidArgumentError("--dims: '" + part + "' is not NAME=MIN..MAX");
    }
    dims.push_back(part);
  }
  return absl::OkStatus();
}

// "seq=16,128,512,batch=1,8" → "seq=16:128:512", "batch=1:8".
absl::Status SplitBuckets(const std::string& text, std::vector<std::string>& buckets) {
  for (const std::string& part : Split(text, ',')) {
    if (part.find('=') != std::string::npos) {
      buckets.push_back(part);
    } else if (buckets.empty()) {
      return absl::InvalidArgumentError("--buckets: '" + part + "' is not NAME=EDGE,EDGE");
    } else {
      buckets.back() += ":" + part;
    }
  }
  return absl::OkStatus();
}

void PrintRemarks(const std::vector<compiler::Remark>& remarks) {
  for (const compiler::Remark& r : remarks) {
    std::fprintf(stderr, "%s: %s: %s: %s: %s\n", r.node.empty() ? "-" : r.node.c_str(), r.category.c_str(),
                 r.kind.c_str(), r.name.c_str(), r.text.c_str());
  }
}

// What the flags say together; an error is a wrong usage.
absl::Status Check(Options& options) {
  compiler::CompileOptions& c = options.compile;
  if (options.serve) {
    return absl::InvalidArgumentError("--serve: this build has none (compile without it)");
  }
  if (!options.dims.empty()) {
    RETURN_IF_ERROR(SplitDims(options.dims, c.dims));
  }
  if (!options.buckets.empty()) {
    RETURN_IF_ERROR(SplitBuckets(options.buckets, c.buckets));
  }
  bool artifact = c.to.empty() || c.to == "codegen";
  if (artifact && c.output.empty()) {
    return absl::InvalidArgumentError("-o: no output file (-o OUT.sluice)");
  }
  if (!artifact && !c.output.empty()) {
    return absl::InvalidArgumentError("-o: phase " + c.to + " makes no artifact (use --emit FILE)");
  }
  if (!artifact && c.emit.empty()) {
    c.emit = "-";
  }
  if (options.threads < 0) {
    return absl::InvalidArgumentError("-j: is negative");
  }
  if (!c.report.empty()) {
    std::string extension = std::filesystem::path(c.report).extension().string();
    if (extension != ".html" && extension != ".json") {
      return absl::InvalidArgumentError("--report: " + c.report + " ends neither in .html nor in .json");
    }
  }
  c.threads = static_cast<int>(options.threads);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  PrepareTool(kTool);
  Options options;
  compiler::CompileOptions& c = options.compile;
  Flags flags(kTool, "MODEL.onnx -o OUT.sluice [flags]", "sluice-compile model.onnx -o model.sluice");
  flags.Positional(&c.model, "MODEL.onnx", "the model, or FILE.mlir for --from a later phase");
  flags.String(&c.output, 'o', "output", "OUT.sluice", "the artifact");
  flags.String(&c.target, 0, "target", "T", "cpu or cuda-sm90a");
  flags.String(&options.dims, 0, "dims", "NAME=MIN..MAX,…", "bounds of dynamic dimensions; without them any size runs");
  flags.String(&options.buckets, 0, "buckets", "NAME=EDGE,EDGE,…", "sizes to plan memory for");
  flags.String(&c.dtype, 0, "dtype", "T", "f16, bf16, tf32 or f32 instead of the model's own types");
  flags.Switch(&c.strip_weights, 0, "strip-weights", "leave weights out; the runtime binds them");
  flags.Switch(&c.int8_activations, 0, "int8-activations",
               "round activations to int8 where the graph's accuracy_level allows it, as ONNX Runtime does; without it "
               "they stay as they are");
  flags.String(&c.from, 0, "from", "PHASE", "first phase: " + compiler::PhaseNames());
  flags.String(&c.to, 0, "to", "PHASE", "last phase; prints its IR unless it is codegen");
  flags.String(&c.emit, 0, "emit", "FILE", "write the IR after --to (default memory) there; - is stdout");
  flags.String(&c.dump, 0, "dump", "DIR", "write the IR of every phase and the kernels' code there");
  flags.String(&c.report, 0, "report", "FILE", "FILE.html or FILE.json: what was decided");
  flags.Switch(&c.remarks, 0, "remarks", "print every choice and its reason");
  flags.Strings(&c.kernels, 0, "kernel", "NAME=FILE.cu", "a hand-edited kernel instead (cuda targets)");
  flags.Switch(&options.serve, 0, "serve", "prepare a decoder for continuous batching");
  flags.Int(&options.threads, 'j', "jobs", "N", "threads; 0: one a core");
  flags.Switch(&options.quiet, 'q', "quiet", "no progress");
  if (const std::optional<int> code = flags.Parse(argc, argv)) {
    return *code;
  }
  if (absl::Status status = Check(options); !status.ok()) {
    return UsageError(kTool, std::string(status.message()));
  }
  absl::StatusOr<compiler::CompileResult> result;
  {
    Progress progress(kTool, options.quiet || c.emit == "-");
    c.on_phase = [&](const std::string& phase) { progress.Phase(phase); };
    result = compiler::Compile(c);
  }
  if (!result.ok()) {
    return compiler::IsUsageError(result.status()) ? UsageError(kTool, std::string(result.status().message()))
                                                   : Fail(kTool, result.status());
  }
  if (c.remarks) {
    PrintRemarks(result->remarks);
  }
  std::fwrite(result->ir.data(), 1, result->ir.size(), stdout);
  return FinishOutput(kTool, kExitOk);
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::Main(argc, argv); }
