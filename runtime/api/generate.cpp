#include "runtime/api/generate.h"

#include <algorithm>
#include <chrono>
#include <memory>

namespace sluice::api {
namespace {

double Milliseconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
}

bool IsEos(const GenerateOptions& options, int64_t token) {
  return std::find(options.eos.begin(), options.eos.end(), token) != options.eos.end();
}

// The most likely tokens, chosen and fed on the GPU: it is one step ahead of what is looked at here, so that neither
// waits for the other.
absl::Status GenerateOnDevice(exec::Decoder& decoder, std::span<const int64_t> prompt, const GenerateOptions& options,
                              const std::function<bool(const Step&)>& on_step, GenerateStats& stats) {
  auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(decoder.Queue(prompt));
  bool more = options.max_tokens > 0;
  while (more) {
    if (static_cast<int64_t>(stats.tokens.size()) + 1 < options.max_tokens) {
      RETURN_IF_ERROR(decoder.Queue({}));
    }
    ASSIGN_OR_RETURN(const std::span<const int64_t> chosen, decoder.Chosen());
    const int64_t token = chosen[0];
    (stats.tokens.empty() ? stats.prefill_ms : stats.decode_ms) += Milliseconds(start);
    stats.decode_steps += stats.tokens.empty() ? 0 : 1;
    stats.tokens.push_back(token);
    const bool is_eos = IsEos(options, token);
    more = on_step({token, is_eos, {}}) && !is_eos && decoder.queued() > 0;
    start = std::chrono::steady_clock::now();
  }
  // A step beyond the last token leaves no trace.
  const int64_t beyond = stats.tokens.empty() ? 0 : decoder.queued();
  while (decoder.queued() > 0) {
    RETURN_IF_ERROR(decoder.Chosen().status());
  }
  return decoder.Truncate(decoder.length() - beyond);
}

}  // namespace

absl::StatusOr<GenerateStats> Generate(exec::Context& context, std::span<const int64_t> prompt,
                                       const GenerateOptions& options,
                                       const std::function<bool(const Step&)>& on_step) {
  if (prompt.empty()) {
    return absl::InvalidArgumentError("prompt: it has no tokens");
  }
  RETURN_IF_ERROR(options.sampling.Validate());
  ASSIGN_OR_RETURN(std::unique_ptr<exec::Decoder> decoder, exec::Decoder::Create(context, /*batch=*/1));
  text::Sampler sampler(options.sampling);
  GenerateStats stats;
  if (decoder->chooses() && !options.logits && options.sampling.temperature == 0) {
    RETURN_IF_ERROR(GenerateOnDevice(*decoder, prompt, options, on_step, stats));
    return stats;
  }
  auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(decoder->Step(prompt));
  stats.prefill_ms = Milliseconds(start);
  while (static_cast<int64_t>(stats.tokens.size()) < options.max_tokens) {
    const exec::Decoder::Row row = decoder->Logits(0);
    ASSIGN_OR_RETURN(const int32_t token, sampler.Sample({row.data, row.dtype, row.size}));
    const bool is_eos = IsEos(options, token);
    stats.tokens.push_back(token);
    if (!on_step({token, is_eos, row}) || is_eos || static_cast<int64_t>(stats.tokens.size()) >= options.max_tokens) {
      break;
    }
    start = std::chrono::steady_clock::now();
    const int64_t next = token;
    RETURN_IF_ERROR(decoder->Step({&next, 1}));
    stats.decode_ms += Milliseconds(start);
    stats.decode_steps += 1;
  }
  return stats;
}

}  // namespace sluice::api
