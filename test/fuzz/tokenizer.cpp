// tokenizer.json, and text through what it describes.
#include "runtime/text/tokenizer.h"

#include "test/fuzz/target.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() {
  return {
      R"({"added_tokens":[{"id":6,"content":"<s>","special":true,"lstrip":true}],
          "normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"},
            {"type":"Replace","pattern":{"Regex":" +"},"content":" "}]},
          "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"use_regex":true},
          "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
            {"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[6],"tokens":["<s>"]}}},
          "decoder":{"type":"ByteLevel"},
          "model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"Ġ":4,"abc":5},"merges":["a b","ab c"]}})",
      R"({"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"},
          "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},
            {"type":"Strip","content":" ","start":1,"stop":0}]},
          "model":{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0.0],["▁a",-1.5],["b",-2.0]]}})",
      R"({"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"lowercase":true},
          "pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|\\s+"},"behavior":"Isolated","invert":false},
          "decoder":{"type":"WordPiece","prefix":"##"},
          "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":9,
            "vocab":{"[UNK]":0,"un":1,"##aff":2,"able":3}}})"};
}

void Run(std::string_view bytes) {
  const auto tokenizer = text::Tokenizer::Parse({bytes.data(), bytes.size()});
  if (!tokenizer.ok()) {
    return;
  }
  for (const char* line : {"abc ab  c<s>", "unaffable 12345 \xff\xe2\x96\x81 \xe4\xb8\xad"}) {
    const auto ids = tokenizer->Encode(line);
    if (ids.ok()) {
      (void)tokenizer->Decode(*ids);
    }
  }
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(tokenizer, sluice::fuzz::Seeds, sluice::fuzz::Run)
