// Text of a generation while it runs: each token's text as soon as it is final, always whole UTF-8 characters.
//
//   StreamDecoder stream(&tokenizer, prompt_ids);
//   for (int32_t id : generated) { ASSIGN_OR_RETURN(std::string text, stream.Push(id)); Send(text); }
//   ASSIGN_OR_RETURN(std::string rest, stream.Finish());
//
// The pieces joined are Decode(all ids).  A character whose bytes come as several tokens appears with the last one;
// what never becomes a character comes out of Finish, or after 16 tokens, as U+FFFD.
#ifndef SLUICE_RUNTIME_TEXT_STREAM_DECODER_H_
#define SLUICE_RUNTIME_TEXT_STREAM_DECODER_H_

#include <string>
#include <vector>

#include "runtime/text/tokenizer.h"

namespace sluice::text {

class StreamDecoder {
 public:
  // `context`: ids the text continues (a prompt), of which nothing is sent; with it, the first piece keeps its leading
  // space where Decode of the generated ids alone would strip it.  The tokenizer must outlive the object.
  explicit StreamDecoder(const Tokenizer* tokenizer, absl::Span<const int32_t> context = {},
                         bool skip_special_tokens = true);

  // "" while the text is not final.
  absl::StatusOr<std::string> Push(int32_t id);
  absl::StatusOr<std::string> Finish();

 private:
  absl::StatusOr<std::string> Emit(bool all);

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  // The last ids: those already sent, which the decoder must see to space the next ones, then those not yet sent.
  std::vector<int32_t> window_;
  size_t sent_ = 0;
};

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_STREAM_DECODER_H_
