// How a model wants to be generated with: generation_config.json, and what stands in for it where it is missing.
//
//   ASSIGN_OR_RETURN(GenerationConfig config, GenerationConfig::Load(dir, tokenizer));
//   Sampler sampler(config.Sampling(seed));
//   … until config.IsEos(id)
#ifndef SLUICE_RUNTIME_TEXT_GENERATION_CONFIG_H_
#define SLUICE_RUNTIME_TEXT_GENERATION_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/text/sampler.h"
#include "runtime/text/tokenizer.h"

namespace sluice::text {

struct GenerationConfig {
  std::vector<int32_t> eos_ids;  // any of them ends the text; empty: only a length does
  int32_t bos_id = -1, pad_id = -1;
  bool do_sample = false;
  float temperature = 1;
  int32_t top_k = 50;  // the default where a file says do_sample without top_k
  float top_p = 1;
  int64_t max_new_tokens = -1, max_length = -1;  // -1: not given

  // Every file may be missing.  The end tokens: generation_config.json's eos_token_id (a number or a list), else
  // config.json's, else the id of tokenizer_config.json's (special_tokens_map.json's) eos_token.
  // Errors: kInvalidArgument, "generation_config.json: FIELD: …".
  static absl::StatusOr<GenerationConfig> Load(const std::string& dir, const Tokenizer& tokenizer);

  bool IsEos(int32_t id) const;
  // Greedy unless do_sample.
  SamplingParams Sampling(uint64_t seed) const;
};

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_GENERATION_CONFIG_H_
