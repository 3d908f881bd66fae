// Whole runs: latency, and with --kernels one row a launch.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "tools/common/device_data.h"
#include "tools/sluice-bench/bench.h"

namespace sluice::tools {
namespace {

using kernels::Tensor;

// What each launch of a run does, and its least time over several runs.
class LaunchTimes : public exec::LaunchObserver {
 public:
  struct Row {
    std::string kernel;
    std::string node;
    DType operands = DType::kUndefined;
    int64_t flops = 0, bytes = 0;
    double best_ms = 0;
  };
  void StartRun() { at_ = 0; }
  void OnLaunch(const exec::FunctionDesc&, const exec::InstrDesc& instr, std::span<const Tensor> ins,
                std::span<const Tensor> outs, int64_t begin_ns, int64_t end_ns) override {
    const double ms = static_cast<double>(end_ns - begin_ns) * 1e-6;
    if (at_ == rows_.size()) {
      rows_.push_back({instr.kernel_name, instr.nodes.empty() ? "" : instr.nodes[0],
                       ins.empty() ? DType::kUndefined : ins[0].dtype, Flops(instr.kernel_name, ins, outs),
                       Bytes(instr.kernel_name, ins, outs), ms});
    } else {
      rows_[at_].best_ms = std::min(rows_[at_].best_ms, ms);
    }
    ++at_;
  }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  std::vector<Row> rows_;
  size_t at_ = 0;
};

struct Result {
  Dims dims;
  std::vector<double> ms;  // sorted
  int64_t flops = 0, bytes = 0;
  exec::Frame::MemoryUse memory;
  std::vector<LaunchTimes::Row> rows;

  double Percentile(double p) const {
    return ms[static_cast<size_t>(std::lround(p * static_cast<double>(ms.size() - 1)))];
  }
  double gb_s() const { return static_cast<double>(bytes) / Percentile(0.5) * 1e-6; }
  double tflops() const { return static_cast<double>(flops) / Percentile(0.5) * 1e-9; }
};

double Milliseconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// The time of a run among kQueued of them, in which the GPU does not wait for the host: what peers that replay a graph
// over data of theirs on the device are timed by.
absl::Status TimeOnDevice(const BenchOptions& options, exec::Context& context, const MadeInputs& inputs,
                          std::vector<double>& ms) {
  constexpr int kQueued = 10;
  if (context.model().device() == nullptr) {
    return absl::InvalidArgumentError("--on-device: the model runs on the CPU (compile it for a GPU)");
  }
  ASSIGN_OR_RETURN(const std::vector<Tensor> sizes, context.OutputSizes(inputs.tensors));
  ASSIGN_OR_RETURN(DeviceData data, DeviceData::Create(context.model(), inputs.tensors, sizes));
  RETURN_IF_ERROR(context.SetStream(data.stream().get()));
  for (int64_t i = -options.warmup; i < options.iters; ++i) {
    const auto start = std::chrono::steady_clock::now();
    for (int run = 0; run < kQueued; ++run) {
      RETURN_IF_ERROR(context.Run(data.inputs(), data.outputs(), {.on_device = data.places()}));
    }
    RETURN_IF_ERROR(data.stream().Synchronize());
    if (i >= 0) {
      ms.push_back(Milliseconds(start) / kQueued);
    }
  }
  return context.SetStream(nullptr);
}

absl::StatusOr<Result> Measure(const BenchOptions& options, exec::Context& context, const Dims& dims) {
  Result result{.dims = dims};
  ASSIGN_OR_RETURN(const MadeInputs inputs, MakeInputs(context.model(), dims));
  std::vector<exec::RunOutput> outputs(context.model().outputs().size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].wanted = context.model().outputs()[i].state < 0;  // caches stay where they are
  }
  if (options.on_device) {
    RETURN_IF_ERROR(TimeOnDevice(options, context, inputs, result.ms));
  } else {
    for (int64_t i = -options.warmup; i < options.iters; ++i) {
      const auto start = std::chrono::steady_clock::now();
      RETURN_IF_ERROR(context.Run(inputs.tensors, outputs));
      if (i >= 0) {
        result.ms.push_back(Milliseconds(start));
      }
    }
  }
  std::sort(result.ms.begin(), result.ms.end());
  LaunchTimes times;
  context.set_observer(&times);
  for (int64_t i = 0; i < (options.kernels ? std::max<int64_t>(3, options.iters / 4) : 1); ++i) {
    times.StartRun();
    RETURN_IF_ERROR(context.Run(inputs.tensors, outputs));
  }
  context.set_observer(nullptr);
  result.rows = times.rows();
  for (const LaunchTimes::Row& row : result.rows) {
    result.flops += row.flops;
    result.bytes += row.bytes;
  }
  result.memory = context.memory_use();
  return result;
}

std::string Text(const Dims& dims) {
  std::string text;
  for (const auto& [name, size] : dims) {
    absl::StrAppend(&text, text.empty() ? "" : ",", name, "=", size);
  }
  return text.empty() ? "default sizes" : text;
}

void Print(const Result& r, int64_t weights_bytes) {
  std::printf("%s: p50 %.3f ms (min %.3f, p90 %.3f, p99 %.3f), %zu launches, %.2f GB/s, %.4f TFLOP/s\n",
              Text(r.dims).c_str(), r.Percentile(0.5), r.ms[0], r.Percentile(0.9), r.Percentile(0.99), r.rows.size(),
              r.gb_s(), r.tflops());
  std::printf("  arena %lld bytes (lower bound %lld), weights %lld bytes\n", static_cast<long long>(r.memory.arena),
              static_cast<long long>(r.memory.lower_bound), static_cast<long long>(weights_bytes));
}

void PrintRows(const Result& r, const Roofline& roofline) {
  std::printf("  %9s %9s %9s %6s  %s\n", "ms", "GB/s", "TFLOP/s", "roof", "kernel");
  for (const LaunchTimes::Row& row : r.rows) {
    const double s = std::max(row.best_ms * 1e-3, 1e-9);
    std::printf("  %9.4f %9.2f %9.4f %5.0f%%  %s  %s\n", row.best_ms, static_cast<double>(row.bytes) / s * 1e-9,
                static_cast<double>(row.flops) / s * 1e-12,
                100 * roofline.Seconds(row.flops, row.bytes, row.operands) / s, row.kernel.c_str(), row.node.c_str());
  }
}

void WriteRows(const Result& r, const Roofline& roofline, JsonWriter& json) {
  json.Key("kernels").BeginArray();
  for (const LaunchTimes::Row& row : r.rows) {
    const double s = std::max(row.best_ms * 1e-3, 1e-9);
    json.BeginObject().Field("kernel", row.kernel).Field("node", row.node).Field("ms", row.best_ms);
    json.Field("gb_s", static_cast<double>(row.bytes) / s * 1e-9);
    json.Field("tflops", static_cast<double>(row.flops) / s * 1e-12);
    json.Field("roofline", roofline.Seconds(row.flops, row.bytes, row.operands) / s).EndObject();
  }
  json.EndArray();
}

void Write(const Result& r, int64_t weights_bytes, const Roofline* roofline, JsonWriter& json) {
  json.BeginObject().Key("dims").BeginObject();
  for (const auto& [name, size] : r.dims) {
    json.Field(name, size);
  }
  json.EndObject().Key("latency_ms").BeginObject().Field("min", r.ms[0]).Field("p50", r.Percentile(0.5));
  json.Field("p90", r.Percentile(0.9)).Field("p99", r.Percentile(0.99)).EndObject();
  json.Field("launches", r.rows.size()).Field("flops", r.flops).Field("bytes", r.bytes);
  json.Field("arena_bytes", r.memory.arena).Field("arena_lower_bound", r.memory.lower_bound);
  json.Field("workspace_bytes", r.memory.workspace).Field("weights_bytes", weights_bytes);
  json.Field("gb_s", r.gb_s()).Field("tflops", r.tflops());
  if (roofline != nullptr) {
    WriteRows(r, *roofline, json);
  }
  json.EndObject();
}

}  // namespace

absl::Status BenchRuns(const BenchOptions& options, const std::shared_ptr<const exec::Model>& model, JsonWriter* json) {
  std::vector<Dims> all;
  for (const std::string& text : options.dims) {
    ASSIGN_OR_RETURN(all.emplace_back(), ParseDims(text));
  }
  if (all.empty()) {
    all.emplace_back();
  }
  Roofline roofline;
  if (options.kernels) {
    ASSIGN_OR_RETURN(roofline, model->device() != nullptr ? MeasureRoofline(model->device()->device())
                                                          : absl::StatusOr<Roofline>(MeasureRoofline(model->pool())));
  }
  if (json != nullptr) {
    json->Key("runs").BeginArray();
  } else if (options.kernels) {
    std::printf("roofline: %.1f GB/s, TFLOP/s %.3f (f32) %.3f (f16) %.3f (int8)\n", roofline.bytes_per_second * 1e-9,
                roofline.f32_flops * 1e-12, roofline.f16_flops * 1e-12, roofline.int8_flops * 1e-12);
  }
  for (const Dims& dims : all) {
    ASSIGN_OR_RETURN(const std::unique_ptr<exec::Context> context, exec::Context::Create(model));
    ASSIGN_OR_RETURN(const Result result, Measure(options, *context, dims));
    if (json != nullptr) {
      Write(result, model->weights_bytes(), options.kernels ? &roofline : nullptr, *json);
    } else {
      Print(result, model->weights_bytes());
      if (options.kernels) {
        PrintRows(result, roofline);
      }
    }
  }
  if (json != nullptr) {
    json->EndArray();
  }
  return absl::OkStatus();
}

}  // namespace sluice::tools
