#include "runtime/text/stream_decoder.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace sluice::text {
namespace {
constexpr size_t kMaxHeld = 16;    // tokens that may wait for the rest of a character
constexpr size_t kContextIds = 8;  // enough for a whole character and a space before it
constexpr char kReplacement[] = "\xEF\xBF\xBD";
}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer* tokenizer, absl::Span<const int32_t> context, bool skip_special_tokens)
    : tokenizer_(tokenizer), skip_special_tokens_(skip_special_tokens) {
  const size_t n = std::min(context.size(), kContextIds);
  window_.assign(context.end() - static_cast<std::ptrdiff_t>(n), context.end());
  sent_ = n;
}

absl::StatusOr<std::string> StreamDecoder::Push(int32_t id) {
  window_.push_back(id);
  return Emit(false);
}

absl::StatusOr<std::string> StreamDecoder::Finish() { return Emit(true); }

absl::StatusOr<std::string> StreamDecoder::Emit(bool all) {
  const absl::Span<const int32_t> window = window_;
  ASSIGN_OR_RETURN(std::string before, tokenizer_->Decode(window.subspan(0, sent_), skip_special_tokens_));
  ASSIGN_OR_RETURN(std::string text, tokenizer_->Decode(window, skip_special_tokens_));
  const bool forced = all || window_.size() - sent_ > kMaxHeld;
  if (text.size() <= before.size() || (!forced && absl::EndsWith(text, kReplacement))) {
    return std::string();
  }
  std::string fresh;
  if (absl::StartsWith(text, before)) {
    fresh = text.substr(before.size());
  } else {  // the new ids changed the meaning of those sent (bytes after a broken character): take them alone
    ASSIGN_OR_RETURN(fresh, tokenizer_->Decode(window.subspan(sent_), skip_special_tokens_));
  }
  window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(sent_));
  sent_ = window_.size();
  return fresh;
}

}  // namespace sluice::text
