// Decoders: prefill and decode speed, by roles and states.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "runtime/exec/decoder.h"
#include "tools/sluice-bench/bench.h"

namespace sluice::tools {
namespace {

double Seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<int64_t> Tokens(const exec::Model& model, int64_t n) {
  const int64_t limit = TokenLimit(model);
  std::vector<int64_t> tokens(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    tokens[i] = (i * 7 + 3) % limit;
  }
  return tokens;
}

// Until it is known what comes next: the tokens that a GPU chose, or the logits.
absl::Status Prefill(exec::Decoder& decoder, std::span<const int64_t> prompt) {
  if (!decoder.chooses()) {
    return decoder.Step(prompt);
  }
  RETURN_IF_ERROR(decoder.Queue(prompt));
  return decoder.Chosen().status();
}

// As generation does it: a GPU that chooses is fed what it chose, and asked for what it did so the step before.
absl::Status Step(exec::Decoder& decoder, std::span<const int64_t> tokens) {
  if (!decoder.chooses()) {
    return decoder.Step(tokens);
  }
  RETURN_IF_ERROR(decoder.Queue({}));
  return decoder.queued() > 1 ? decoder.Chosen().status() : absl::OkStatus();
}

struct Row {
  int64_t batch = 0;
  double prefill_tok_s = 0;  // best of three
  double step_ms = 0;        // median
  double host_us = 0;        // of a step, median: until all its work is queued on the GPU
  int64_t kv_bytes = 0;
  double tok_s() const { return static_cast<double>(batch) * 1e3 / step_ms; }
};

absl::StatusOr<Row> Measure(const BenchOptions& options, const std::shared_ptr<const exec::Model>& model,
                            int64_t batch) {
  Row row{.batch = batch};
  ASSIGN_OR_RETURN(const std::unique_ptr<exec::Context> context, exec::Context::Create(model));
  const std::vector<int64_t> prompt = Tokens(*model, batch * options.prefill);
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < 3; ++i) {
    ASSIGN_OR_RETURN(const std::unique_ptr<exec::Decoder> decoder, exec::Decoder::Create(*context, batch));
    const auto start = std::chrono::steady_clock::now();
    RETURN_IF_ERROR(Prefill(*decoder, prompt));
    best = std::min(best, Seconds(start));
  }
  row.prefill_tok_s = static_cast<double>(prompt.size()) / best;
  ASSIGN_OR_RETURN(const std::unique_ptr<exec::Decoder> decoder, exec::Decoder::Create(*context, batch));
  RETURN_IF_ERROR(Prefill(*decoder, Tokens(*model, batch * options.context)));
  const std::vector<int64_t> next = Tokens(*model, batch);
  std::vector<double> ms, us;
  for (int64_t i = 0; i < options.tokens; ++i) {
    const int64_t queued = context->counters().queue_ns;
    const auto start = std::chrono::steady_clock::now();
    RETURN_IF_ERROR(Step(*decoder, next));
    ms.push_back(Seconds(start) * 1e3);
    us.push_back(static_cast<double>(context->counters().queue_ns - queued) * 1e-3);
  }
  std::sort(ms.begin(), ms.end());
  std::sort(us.begin(), us.end());
  row.step_ms = ms[ms.size() / 2];
  row.host_us = us[us.size() / 2];
  row.kv_bytes = context->state_bytes();
  return row;
}

void Print(const BenchOptions& options, const std::vector<Row>& rows) {
  for (const Row& r : rows) {
    std::printf(
        "batch %lld: decode %.1f tok/s (%.3f ms a step, %.0f us of it the host's, context %lld), prefill %.1f tok/s "
        "(%lld tokens each)\n",
        static_cast<long long>(r.batch), r.tok_s(), r.step_ms, r.host_us, static_cast<long long>(options.context),
        r.prefill_tok_s, static_cast<long long>(options.prefill));
  }
}

}  // namespace

absl::Status BenchDecode(const BenchOptions& options, const std::shared_ptr<const exec::Model>& model,
                         JsonWriter* json) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> batches, ParseList(options.batch, "--batch"));
  std::vector<Row> rows;
  int64_t kv_bytes = 0;
  for (int64_t batch : batches) {
    ASSIGN_OR_RETURN(const Row row, Measure(options, model, batch));
    rows.push_back(row);
    kv_bytes = std::max(kv_bytes, row.kv_bytes);
  }
  if (json == nullptr) {
    Print(options, rows);
    std::printf("caches %lld bytes, weights %lld bytes\n", static_cast<long long>(kv_bytes),
                static_cast<long long>(model->weights_bytes()));
    return absl::OkStatus();
  }
  json->Key("decode").BeginArray();
  for (const Row& r : rows) {
    json->BeginObject().Field("batch", r.batch).Field("tok_s", r.tok_s()).Field("step_ms", r.step_ms);
    json->Field("host_us", r.host_us).EndObject();
  }
  json->EndArray().Key("prefill").BeginArray();
  for (const Row& r : rows) {
    json->BeginObject().Field("batch", r.batch).Field("tokens", r.batch * options.prefill);
    json->Field("tok_s", r.prefill_tok_s).EndObject();
  }
  json->EndArray().Field("kv_bytes", kv_bytes).Field("weights_bytes", model->weights_bytes());
  return absl::OkStatus();
}

}  // namespace sluice::tools
