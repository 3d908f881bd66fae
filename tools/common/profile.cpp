#include "tools/common/profile.h"

#include "runtime/base/file.h"
#include "runtime/base/json_writer.h"

namespace sluice::tools {
namespace {

std::string Shape(const kernels::Tensor& t) {
  if (!t.present()) {
    return "-";
  }
  std::string text = std::string(Name(t.dtype)) + "[";
  for (int d = 0; d < t.rank; ++d) {
    absl::StrAppend(&text, d == 0 ? "" : ", ", t.sizes[d]);
  }
  return text + "]";
}

}  // namespace

void LaunchTrace::OnLaunch(const exec::FunctionDesc& function, const exec::InstrDesc& instr,
                           std::span<const kernels::Tensor> ins, std::span<const kernels::Tensor> outs,
                           int64_t begin_ns, int64_t end_ns) {
  Launch& launch = launches_.emplace_back(Launch{&function, &instr, begin_ns, end_ns, 0, ""});
  for (const kernels::Tensor& t : ins) {
    launch.bytes += ByteSize(t.dtype, t.elements());
    absl::StrAppend(&launch.shapes, Shape(t), " ");
  }
  absl::StrAppend(&launch.shapes, "->");
  for (const kernels::Tensor& t : outs) {
    launch.bytes += ByteSize(t.dtype, t.elements());
    absl::StrAppend(&launch.shapes, " ", Shape(t));
  }
}

absl::Status LaunchTrace::Write(const std::string& path) const {
  JsonWriter json;
  json.BeginObject().Key("traceEvents").BeginArray();
  const int64_t start = launches_.empty() ? 0 : launches_[0].begin_ns;
  for (const Launch& launch : launches_) {
    json.BeginObject().Field("name", launch.instr->kernel_name).Field("cat", launch.function->name).Field("ph", "X");
    json.Field("ts", static_cast<double>(launch.begin_ns - start) / 1000)
        .Field("dur", static_cast<double>(launch.end_ns - launch.begin_ns) / 1000);
    json.Field("pid", 1).Field("tid", 1).Key("args").BeginObject();
    json.Field("nodes", launch.instr->nodes)
        .Field("shapes", launch.shapes)
        .Field("bytes", launch.bytes)
        .EndObject()
        .EndObject();
  }
  json.EndArray().EndObject();
  return WriteFile(path, json.text() + "\n");
}

}  // namespace sluice::tools
