#include "runtime/text/generation_config.h"

#include <algorithm>
#include <limits>

#include "runtime/text/json.h"

namespace sluice::text {
namespace {

absl::StatusOr<int32_t> IdOf(const JsonField& field) {
  ASSIGN_OR_RETURN(int64_t id, field.Integer());
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
    return field.Error(absl::StrCat(id, " is no token id"));
  }
  return static_cast<int32_t>(id);
}

// A number or a list of numbers.
absl::Status ReadIds(const JsonField& field, std::vector<int32_t>* ids) {
  if (!field.present() || !ids->empty()) {
    return absl::OkStatus();
  }
  std::vector<JsonField> elements{field};
  if (field.value().kind() == JsonKind::kArray) {
    ASSIGN_OR_RETURN(elements, field.Elements());
  }
  for (const JsonField& element : elements) {
    ASSIGN_OR_RETURN(ids->emplace_back(), IdOf(element));
  }
  return absl::OkStatus();
}

absl::Status ReadFloat(const JsonField& field, float* out) {
  if (field.present()) {
    ASSIGN_OR_RETURN(double value, field.Number());
    *out = static_cast<float>(value);
  }
  return absl::OkStatus();
}

absl::Status ReadGenerationConfig(const JsonField& root, GenerationConfig* config) {
  RETURN_IF_ERROR(root.Expect(JsonKind::kObject));
  RETURN_IF_ERROR(ReadIds(root.Find("eos_token_id"), &config->eos_ids));
  if (const JsonField bos = root.Find("bos_token_id"); bos.present()) {
    ASSIGN_OR_RETURN(config->bos_id, IdOf(bos));
  }
  if (const JsonField pad = root.Find("pad_token_id"); pad.present()) {
    ASSIGN_OR_RETURN(config->pad_id, IdOf(pad));
  }
  ASSIGN_OR_RETURN(config->do_sample, root.BoolOr("do_sample", false));
  RETURN_IF_ERROR(ReadFloat(root.Find("temperature"), &config->temperature));
  RETURN_IF_ERROR(ReadFloat(root.Find("top_p"), &config->top_p));
  ASSIGN_OR_RETURN(int64_t top_k, root.IntegerOr("top_k", config->top_k));
  if (top_k < 0 || top_k > std::numeric_limits<int32_t>::max()) {
    return root.Find("top_k").Error(absl::StrCat(top_k, " is no count"));
  }
  config->top_k = static_cast<int32_t>(top_k);
  ASSIGN_OR_RETURN(config->max_new_tokens, root.IntegerOr("max_new_tokens", -1));
  ASSIGN_OR_RETURN(config->max_length, root.IntegerOr("max_length", -1));
  const absl::Status sampling = config->Sampling(0).Validate();
  return sampling.ok() ? sampling : root.Error(sampling.message());
}

// Calls read(root) if there is such a file.
template <typename F>
absl::Status WithFile(const std::string& path, F read) {
  absl::StatusOr<JsonDocument> doc = JsonDocument::Read(path);
  if (absl::IsNotFound(doc.status())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(doc.status());
  return read(doc->root());
}

}  // namespace

absl::StatusOr<GenerationConfig> GenerationConfig::Load(const std::string& dir, const Tokenizer& tokenizer) {
  GenerationConfig config;
  RETURN_IF_ERROR(WithFile(dir + "/generation_config.json",
                           [&](const JsonField& root) { return ReadGenerationConfig(root, &config); }));
  RETURN_IF_ERROR(WithFile(dir + "/config.json",
                           [&](const JsonField& root) { return ReadIds(root.Find("eos_token_id"), &config.eos_ids); }));
  const SpecialTokens& special = tokenizer.special_tokens();
  if (config.eos_ids.empty() && special.eos >= 0) {
    config.eos_ids.push_back(special.eos);
  }
  config.bos_id = config.bos_id >= 0 ? config.bos_id : special.bos;
  config.pad_id = config.pad_id >= 0 ? config.pad_id : special.pad;
  return config;
}

bool GenerationConfig::IsEos(int32_t id) const {
  return std::find(eos_ids.begin(), eos_ids.end(), id) != eos_ids.end();
}

SamplingParams GenerationConfig::Sampling(uint64_t seed) const {
  if (!do_sample) {
    return {.seed = seed};
  }
  return {.temperature = temperature, .top_k = top_k, .top_p = top_p, .seed = seed};
}

}  // namespace sluice::text
