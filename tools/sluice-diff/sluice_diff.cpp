// Finds the node whose result is wrong.
#include <cstdio>
#include <optional>

#include "compiler/driver/Compile.h"
#include "runtime/base/json_writer.h"
#include "tools/common/flags.h"
#include "tools/common/report.h"
#include "tools/sluice-diff/diff.h"

namespace sluice::tools {
namespace {

using diff::Deviation;
using diff::DiffReport;
using diff::OutputRow;
using diff::Row;

constexpr char kTool[] = "sluice-diff";
constexpr size_t kNodeWidth = 44;

std::string TypeText(const Row& row) {
  std::string text(Name(row.dtype));
  for (size_t d = 0; d < row.sizes.size(); ++d) {
    absl::StrAppend(&text, d == 0 ? " [" : ", ", row.sizes[d]);
  }
  return row.sizes.empty() ? text : text + "]";
}

void PrintRows(const DiffReport& report) {
  std::printf("   %-6s %-*s %-16s %-22s %10s %10s %10s\n", "stage", static_cast<int>(kNodeWidth), "node", "kernel",
              "value", "max_abs", "max_rel", "x bound");
  for (const Row& row : report.rows) {
    const Deviation& d = row.deviation;
    std::printf("%s %-6s %-*s %-16s %-22s", &row == report.rows.data() ? "->" : "  ", row.stage.c_str(),
                static_cast<int>(kNodeWidth), row.node.c_str(), row.kernel.c_str(), TypeText(row).c_str());
    if (d.why.empty()) {
      std::printf(" %10.3g %10.3g %10.3g\n", d.max_abs, d.max_rel, d.times_bound);
    } else {
      std::printf(" %s\n", d.why.c_str());
    }
  }
}

void Print(const DiffReport& report) {
  if (!report.rows.empty()) {
    PrintRows(report);
  }
  for (const OutputRow& row : report.outputs) {
    const Deviation& d = row.deviation;
    std::printf("output %s against %s: max_abs %.3g max_rel %.3g %s%s%s\n", row.name.c_str(), row.against.c_str(),
                d.max_abs, d.max_rel, d.ok() ? "ok" : "DIFFERENT", d.why.empty() ? "" : ", ", d.why.c_str());
  }
  std::printf("%lld values compared, %lld copies, %lld launches without a value of the reference; %zu nodes differ\n",
              static_cast<long long>(report.compared), static_cast<long long>(report.moved),
              static_cast<long long>(report.unmatched), report.rows.size());
}

void AddDeviation(JsonWriter& json, const Deviation& d) {
  json.Field("max_abs", d.max_abs).Field("max_rel", d.max_rel).Field("times_bound", d.times_bound);
  if (!d.why.empty()) {
    json.Field("why", d.why);
  }
}

void PrintJson(const diff::DiffOptions& options, const DiffReport& report) {
  JsonWriter json;
  json.BeginObject().Field("model", options.model).Field("target", options.target).Field("ok", report.ok());
  json.Field("compared", report.compared).Field("copies", report.moved).Field("unmatched", report.unmatched);
  json.Key("first");
  report.rows.empty() ? json.Null() : json.Value(report.rows.front().node);
  json.Key("rows").BeginArray();
  for (const Row& row : report.rows) {
    json.BeginObject().Field("stage", row.stage).Field("node", row.node).Field("nodes", row.nodes);
    json.Field("kernel", row.kernel).Field("dtype", std::string(Name(row.dtype))).Field("sizes", row.sizes);
    AddDeviation(json, row.deviation);
    json.EndObject();
  }
  json.EndArray().Key("outputs").BeginArray();
  for (const OutputRow& row : report.outputs) {
    json.BeginObject().Field("name", row.name).Field("against", row.against).Field("ok", row.deviation.ok());
    AddDeviation(json, row.deviation);
    json.EndObject();
  }
  json.EndArray().EndObject();
  std::printf("%s\n", json.text().c_str());
}

// What to look at first.
std::string Verdict(const DiffReport& report) {
  if (!report.rows.empty()) {
    return report.rows.front().node + ": the first node whose value differs (" + std::to_string(report.rows.size()) +
           " in all)";
  }
  for (const OutputRow& row : report.outputs) {
    if (!row.deviation.ok() && row.against == diff::kTestData) {
      return row.name +
             ": every node is right, but the reference's output is not the expected one (the import is wrong, or "
             "the data are not this model's)";
    }
  }
  return "outputs: differ, though no node exceeds its bound (errors add up)";
}

ExitCode Finish(const diff::DiffOptions& options, bool as_json, const DiffReport& report) {
  as_json ? PrintJson(options, report) : Print(report);
  if (report.ok()) {
    return kExitOk;
  }
  PrintError(kTool, Verdict(report));
  return kExitDifferent;
}

struct Arguments {
  diff::DiffOptions options;
  std::string dims, tolerances;
  int64_t threads = 0, seed = 1;
  double rtol = 0, atol = 0;
  bool json = false, quiet = false;
};

void Declare(Flags& flags, Arguments& a) {
  flags.Positional(&a.options.model, "MODEL.onnx", "the model");
  flags.String(&a.options.target, 0, "target", "T", "the target that is held against the reference");
  flags.String(&a.options.dtype, 0, "dtype", "T", "f16, bf16, tf32 or f32, as sluice-compile takes it");
  flags.Switch(&a.options.int8_activations, 0, "int8-activations", "as sluice-compile takes it");
  flags.String(&a.options.test_data, 0, "test-data", "DIR",
               "inputs (input_K.pb) and expected outputs; otherwise random inputs");
  flags.String(&a.dims, 0, "dims", "batch=2,seq=7", "sizes of random inputs (others: 3)");
  flags.Int(&a.seed, 0, "seed", "N", "of random inputs");
  flags.Double(&a.rtol, 0, "rtol", "X", "bound of floats: atol + rtol * |reference|; default: by element type");
  flags.Double(&a.atol, 0, "atol", "X", "see --rtol");
  flags.String(&a.tolerances, 0, "tolerances", "FILE",
               "compare nothing; write how far the outputs of --test-data may be off because values are rounded to the "
               "types they are stored in, for sluice-run --tolerances");
  flags.Int(&a.threads, 0, "threads", "N", "threads; 0: as many as the process may use");
  flags.Switch(&a.json, 0, "json", "print one JSON object");
  flags.Switch(&a.quiet, 'q', "quiet", "no progress");
}

// What the flags say together; an error is a wrong usage.
absl::Status Check(const Flags& flags, Arguments& a) {
  if (a.rtol < 0 || a.atol < 0 || a.threads < 0 || a.threads > 4096) {
    return absl::InvalidArgumentError("--rtol, --atol, --threads: out of range");
  }
  if (!a.tolerances.empty() && a.options.test_data.empty()) {
    return absl::InvalidArgumentError("--tolerances: are of test data (give --test-data, too)");
  }
  if (!a.dims.empty()) {
    ASSIGN_OR_RETURN(a.options.dims, ParseDims(a.dims));
  }
  a.options.seed = static_cast<uint32_t>(a.seed);
  a.options.threads = static_cast<int>(a.threads);
  a.options.bound.rtol = flags.Given("rtol") ? std::optional<double>(a.rtol) : std::nullopt;
  a.options.bound.atol = flags.Given("atol") ? std::optional<double>(a.atol) : std::nullopt;
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Run(Arguments& a) {
  if (!a.tolerances.empty()) {
    ASSIGN_OR_RETURN(const OutputTolerances tolerances, diff::MeasureRounding(a.options));
    RETURN_IF_ERROR(WriteTolerances(a.tolerances, tolerances));
    return kExitOk;
  }
  absl::StatusOr<DiffReport> report;
  {
    Progress progress(kTool, a.quiet || a.json);
    a.options.on_phase = [&](const std::string& phase) { progress.Phase(phase); };
    report = diff::Diff(a.options);
  }
  RETURN_IF_ERROR(report.status());
  return Finish(a.options, a.json, *report);
}

int Main(int argc, char** argv) {
  PrepareTool(kTool);
  Arguments arguments;
  Flags flags(kTool, "MODEL.onnx [flags]", "sluice-diff model.onnx --test-data test_data_set_0");
  Declare(flags, arguments);
  if (const std::optional<int> code = flags.Parse(argc, argv)) {
    return *code;
  }
  if (const absl::Status status = Check(flags, arguments); !status.ok()) {
    return UsageError(kTool, std::string(status.message()));
  }
  const absl::StatusOr<ExitCode> code = Run(arguments);
  if (compiler::IsUsageError(code.status())) {
    return UsageError(kTool, std::string(code.status().message()));
  }
  return FinishOutput(kTool, code.ok() ? *code : Fail(kTool, code.status()));
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::Main(argc, argv); }
