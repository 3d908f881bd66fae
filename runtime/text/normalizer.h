// tokenizer.json's "normalizer": rewrites the text between added tokens before it is cut into words.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Normalizer> n, MakeNormalizer(root.Find("normalizer")));
//   NormalizedText text = NormalizedText::Original("Ünï", true);
//   RETURN_IF_ERROR(n->Apply(&text));            // text.text == "uni" with a BertNormalizer
#ifndef SLUICE_RUNTIME_TEXT_NORMALIZER_H_
#define SLUICE_RUNTIME_TEXT_NORMALIZER_H_

#include <memory>
#include <string>

#include "runtime/text/json.h"
#include "runtime/text/unicode.h"

namespace sluice::text {

// Text on its way, with the one thing the later steps ask about its origin: which part of it comes from the very first
// character of the user's text (Metaspace's prepend_scheme "first" depends on that alone).
struct NormalizedText {
  std::string text;       // valid UTF-8
  size_t origin_run = 0;  // leading bytes made from the first character of this text's own original
  bool at_origin = true;  // that original begins where the user's text begins

  static NormalizedText Original(absl::string_view text, bool at_origin) {
    return {std::string(text), text.empty() ? 0 : static_cast<size_t>(Utf8Length(text[0])), at_origin};
  }
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual absl::Status Apply(NormalizedText* text) const = 0;
};

// Null for a field that is null or missing.  Errors name the field; an unknown "type" is kUnimplemented.
absl::StatusOr<std::unique_ptr<Normalizer>> MakeNormalizer(const JsonField& field);

// A Normalizer that SentencePiece compiled to a byte trie (normalizer_precompiled.cpp).
absl::StatusOr<std::unique_ptr<Normalizer>> MakePrecompiledNormalizer(const JsonField& field);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_NORMALIZER_H_
