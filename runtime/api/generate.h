// Text generation over a decoder: prefill, then sample and step until an end token or a length.
//
//   Generate(*context, prompt, {.max_tokens = 64, .eos = {2}}, [&](const Step& step) { Print(step.token); return true;
//   });
#ifndef SLUICE_RUNTIME_API_GENERATE_H_
#define SLUICE_RUNTIME_API_GENERATE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/exec/context.h"
#include "runtime/exec/decoder.h"
#include "runtime/text/sampler.h"

namespace sluice::api {

struct GenerateOptions {
  int64_t max_tokens = 128;
  text::SamplingParams sampling;
  std::vector<int64_t> eos;
  bool logits = true;  // steps have them; without, a GPU that chooses the most likely token keeps them to itself
};

struct Step {
  int64_t token = 0;
  bool is_eos = false;        // the text ends with it
  exec::Decoder::Row logits;  // [vocab] the token was chosen from, or no data; valid during the call
};

struct GenerateStats {
  std::vector<int64_t> tokens;  // with the end token, if one came
  double prefill_ms = 0;        // until the first logits
  double decode_ms = 0;         // all steps after that
  int64_t decode_steps = 0;
  double decode_tokens_per_second() const {
    return decode_ms > 0 ? 1000.0 * static_cast<double>(decode_steps) / decode_ms : 0;
  }
};

// Resets the context's states, feeds the prompt and continues it.  `on_step` sees each chosen token, the end token too,
// and may stop by returning false.  Errors: those of Decoder::Create and Step; kInvalidArgument for an empty prompt or
// bad sampling parameters; kOutOfRange for ids outside the vocabulary come from the model's gather.
absl::StatusOr<GenerateStats> Generate(exec::Context& context, std::span<const int64_t> prompt,
                                       const GenerateOptions& options, const std::function<bool(const Step&)>& on_step);

}  // namespace sluice::api

#endif  // SLUICE_RUNTIME_API_GENERATE_H_
