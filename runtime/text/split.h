// What becomes of the delimiters when text is cut: tokenizer.json's "behavior".  "the-final--countdown" cut at "-":
//   Removed             the final countdown
//   Isolated            the - final - - countdown
//   Contiguous          the - final -- countdown
//   MergedWithPrevious  the- final- - countdown
//   MergedWithNext      the -final - -countdown
#ifndef SLUICE_RUNTIME_TEXT_SPLIT_H_
#define SLUICE_RUNTIME_TEXT_SPLIT_H_

#include <vector>

#include "runtime/text/json.h"
#include "runtime/text/regex.h"

namespace sluice::text {

enum class SplitBehavior { kRemoved, kIsolated, kContiguous, kMergedWithPrevious, kMergedWithNext };

absl::StatusOr<SplitBehavior> SplitBehaviorFromJson(const JsonField& field);

// Turns matches and the parts between them into pieces, in place.  is_match means nothing afterwards.
void ApplyBehavior(SplitBehavior behavior, std::vector<Match>* parts);

// Matches are the single characters that satisfy `is_delimiter`.
template <typename F>
void SplitCharacters(absl::string_view text, F is_delimiter, std::vector<Match>* parts);

}  // namespace sluice::text

#include "runtime/text/unicode.h"

namespace sluice::text {

template <typename F>
void SplitCharacters(absl::string_view text, F is_delimiter, std::vector<Match>* parts) {
  parts->clear();
  size_t previous = 0;
  for (size_t pos = 0; pos < text.size();) {
    const size_t begin = pos;
    if (!is_delimiter(NextChar(text, &pos))) {
      continue;
    }
    if (previous != begin) {
      parts->push_back({previous, begin, false});
    }
    parts->push_back({begin, pos, true});
    previous = pos;
  }
  if (previous != text.size()) {
    parts->push_back({previous, text.size(), false});
  }
}

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_SPLIT_H_
