// Text to token ids and back, as a Hugging Face folder describes it (tokenizer.json and the small files beside it).
// The ids are those of Hugging Face's `tokenizers` library.
//
//   ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Load(dir));
//   ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer.Encode("Hello world"));
//   ASSIGN_OR_RETURN(std::string text, tokenizer.Decode(ids));
//
// Errors: kNotFound (no tokenizer.json), kInvalidArgument (a file that is broken or contradicts itself; the message
// names file and field), kUnimplemented (a component or option this build does not know, named likewise).
#ifndef SLUICE_RUNTIME_TEXT_TOKENIZER_H_
#define SLUICE_RUNTIME_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/base/status.h"

namespace sluice::text {

// Ids of the tokens with a role, -1 where the folder names none.
struct SpecialTokens {
  int32_t bos = -1, eos = -1, unk = -1, sep = -1, pad = -1, cls = -1, mask = -1;
};

// Thread-safe: one object serves all threads.
class Tokenizer {
 public:
  // From a folder, or from a tokenizer.json itself.
  static absl::StatusOr<Tokenizer> Load(const std::string& path);
  // From the text of a tokenizer.json.
  static absl::StatusOr<Tokenizer> Parse(absl::string_view json);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Broken UTF-8 is read as U+FFFD.  The file's "truncation" and "padding" are not applied (EncodeFitted does).
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text, bool add_special_tokens = true) const;

  // As Encode with special tokens, then cut and padded as the file asks (for encoders: minilm wants 128 ids).
  absl::StatusOr<std::vector<int32_t>> EncodeFitted(absl::string_view text) const;

  // Ids that name no token are left out, and special tokens if asked.  Always valid UTF-8.
  absl::StatusOr<std::string> Decode(absl::Span<const int32_t> ids, bool skip_special_tokens = true) const;

  // -1 for a string that is no token; "" for an id without token.
  int32_t TokenToId(absl::string_view token) const;
  std::string IdToToken(int32_t id) const;
  bool IsSpecial(int32_t id) const;

  // Largest id + 1.
  int64_t id_limit() const;
  const SpecialTokens& special_tokens() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_TOKENIZER_H_
