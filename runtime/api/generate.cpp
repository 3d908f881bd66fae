#include "runtime/api/generate.h"

#include <algorithm>
#include <chrono>
#include <memory>

namespace sluice::api {
namespace {

double Milliseconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
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
  auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(decoder->Step(prompt));
  stats.prefill_ms = Milliseconds(start);
  while (static_cast<int64_t>(stats.tokens.size()) < options.max_tokens) {
    const exec::Decoder::Row row = decoder->Logits(0);
    ASSIGN_OR_RETURN(const int32_t token, sampler.Sample({row.data, row.dtype, row.size}));
    const bool is_eos = std::find(options.eos.begin(), options.eos.end(), token) != options.eos.end();
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
