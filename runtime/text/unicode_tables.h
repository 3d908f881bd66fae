// Where Hugging Face's library and Unicode 14 (utf8proc, PCRE2) differ; unicode.h says why.
// Found by asking the library about every code point (test/text/make_unicode_tables.py prints these tables).
#ifndef SLUICE_RUNTIME_TEXT_UNICODE_TABLES_H_
#define SLUICE_RUNTIME_TEXT_UNICODE_TABLES_H_

#include "absl/types/span.h"

namespace sluice::text {

struct CharRange {
  char32_t first, last;
};
struct StandInRange {
  char32_t first, last, stand_in;
};

// All sorted, disjoint.
extern const absl::Span<const StandInRange> kStandIns;  // in Unicode 15 or 16, with a like character of 14
extern const absl::Span<const CharRange> kNotPunctuation;
extern const absl::Span<const CharRange> kNotNonspacingMark;
extern const absl::Span<const CharRange> kNotMark;
extern const absl::Span<const CharRange> kInert;  // besides kNotMark: characters that no normal form changes
extern const absl::Span<const CharRange> kNewNumeric;

bool InRanges(absl::Span<const CharRange> ranges, char32_t c);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_UNICODE_TABLES_H_
