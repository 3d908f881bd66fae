// Looks inside an artifact.
#include <cstdio>
#include <optional>

#include "tools/common/flags.h"
#include "tools/common/report.h"
#include "tools/sluice-dump/dump.h"

namespace sluice::tools {
namespace {

constexpr char kTool[] = "sluice-dump";

struct Options {
  std::string artifact;
  std::string source;
  bool launches = false, memory = false, kernels = false, roles = false, states = false, verify = false, json = false;
};

absl::Status Run(const Options& o) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Dump> dump, Dump::Open(o.artifact));
  JsonWriter writer;
  JsonWriter* json = o.json ? &writer : nullptr;
  writer.BeginObject();
  if (o.verify) {
    RETURN_IF_ERROR(dump->Verify());
    writer.Field("verified", true);
    if (!o.json) {
      std::printf("%s: every checksum and invariant holds\n", o.artifact.c_str());
    }
  }
  if (!o.source.empty()) {
    RETURN_IF_ERROR(dump->Source(o.source, json));
  }
  if (!(o.launches || o.memory || o.kernels || o.roles || o.states || o.verify || !o.source.empty())) {
    dump->Summary(json);
  }
  if (o.launches) {
    dump->Launches(json);
  }
  if (o.memory) {
    dump->Memory(json);
  }
  if (o.kernels) {
    dump->Kernels(json);
  }
  if (o.roles) {
    dump->Roles(json);
  }
  if (o.states) {
    dump->States(json);
  }
  writer.EndObject();
  if (o.json) {
    std::printf("%s\n", writer.text().c_str());
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  PrepareTool(kTool);
  Options o;
  Flags flags(kTool, "MODEL.sluice [flags]", "sluice-dump model.sluice --launches");
  flags.Positional(&o.artifact, "MODEL.sluice", "the artifact; without flags a summary is printed");
  flags.Switch(&o.launches, 0, "launches", "every instruction with its operands");
  flags.Switch(&o.memory, 0, "memory", "weights, buffers with their lives, bucket plans");
  flags.Switch(&o.kernels, 0, "kernels", "every kernel with the ONNX nodes it computes");
  flags.String(&o.source, 0, "source", "NAME", "the text a generated kernel was made from");
  flags.Switch(&o.roles, 0, "roles", "inputs and outputs with their roles");
  flags.Switch(&o.states, 0, "states", "the caches of a decoder");
  flags.Switch(&o.verify, 0, "verify", "check every checksum and invariant");
  flags.Switch(&o.json, 0, "json", "print one JSON object");
  if (const std::optional<int> code = flags.Parse(argc, argv)) {
    return *code;
  }
  const absl::Status status = Run(o);
  return FinishOutput(kTool, status.ok() ? kExitOk : Fail(kTool, status));
}

}  // namespace
}  // namespace sluice::tools

int main(int argc, char** argv) { return sluice::tools::Main(argc, argv); }
