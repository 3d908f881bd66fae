// The patterns of tokenizer.json.  They are written for Oniguruma (Ruby syntax); PCRE2 runs them, after a translation.
//
//   ASSIGN_OR_RETURN(Pattern digits, Pattern::Regex("\\p{N}{1,3}"));
//   std::vector<Match> parts;
//   RETURN_IF_ERROR(digits.Split("ab1234", &parts));   // {0,2,false} {2,5,true} {5,6,true}
//
// Differences that the translation levels: ^ and $ are line anchors; (?m) means dot-all; \h is a hex digit; \w, \s, \b
// and [[:…:]] cover Unicode 16; {n,m}+ repeats greedily instead of possessively, {n}? is optional instead of lazy, {,n}
// starts at 0; classes nest and intersect ([a-z&&[^b]]).  Refused, as PCRE2 has no counterpart: look-behind of
// unbounded length, \p{In_BLOCK}.  A case-insensitive pattern folds single characters only (ß does not match SS).
#ifndef SLUICE_RUNTIME_TEXT_REGEX_H_
#define SLUICE_RUNTIME_TEXT_REGEX_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/text/json.h"

namespace sluice::text {

struct Match {
  size_t begin, end;  // bytes
  bool is_match;      // or a part between matches
};

// PCRE2's spelling of an Oniguruma pattern.  Errors: kInvalidArgument for one that Oniguruma would refuse too.
absl::StatusOr<std::string> TranslateRegex(absl::string_view oniguruma);

// Thread-safe once built.
class Pattern {
 public:
  Pattern();
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  static absl::StatusOr<Pattern> Regex(absl::string_view oniguruma);
  static Pattern Literal(absl::string_view text);

  // Cuts `text` (valid UTF-8) into matches and what lies between, in order, nothing left out; one unmatched part for an
  // empty text.  Errors: kResourceExhausted if the pattern backtracks beyond PCRE2's limits.
  absl::Status Split(absl::string_view text, std::vector<Match>* parts) const;

 private:
  struct Compiled;
  absl::Status Find(absl::string_view text, size_t from, size_t* begin, size_t* end, bool* found) const;

  std::string literal_;
  std::unique_ptr<Compiled> compiled_;  // null: a literal
};

// Of a component's "pattern": {"String": "…"} or {"Regex": "…"}.
absl::StatusOr<Pattern> PatternFromJson(const JsonField& component);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_REGEX_H_
