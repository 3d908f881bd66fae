// generation_config.json in a tokenizer's folder.
#include "runtime/text/generation_config.h"

#include "test/fuzz/target.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() {
  return {R"({"bos_token_id":1,"eos_token_id":[2,3],"pad_token_id":0,"do_sample":true,"temperature":0.6,"top_p":0.9})",
          R"({"eos_token_id":2,"max_length":4096,"max_new_tokens":20,"top_k":null})"};
}

void Run(std::string_view bytes) {
  static const auto* tokenizer =
      new text::Tokenizer(text::Tokenizer::Parse(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]}})").value());
  const std::filesystem::path file = ScratchFile("generation_config.json", bytes);
  (void)text::GenerationConfig::Load(file.parent_path().string(), *tokenizer);
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(generation_config, sluice::fuzz::Seeds, sluice::fuzz::Run)
