// Unicode as Hugging Face's tokenizers library sees it.
//
// That library mixes several Unicode versions (its regular expressions know Unicode 16, its punctuation test 8, its
// normal forms 11), while utf8proc and PCRE2 here know 14 to 15.  Every predicate below answers as the library does;
// the differences are the tables of unicode_tables.cpp.  All text is UTF-8; functions that take text want it valid
// (ToValidUtf8 makes it so).
//
//   IsNumeric(U'½') == true, IsNumeric(U'x') == false
//   Normalize(NormalForm::kNfkd, "ﬁ") == "fi"
#ifndef SLUICE_RUNTIME_TEXT_UNICODE_H_
#define SLUICE_RUNTIME_TEXT_UNICODE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace sluice::text {

// Bytes of the character that starts with `lead` (1 for a byte that cannot start one).
int Utf8Length(char lead);

// The character at text[*pos]; moves *pos behind it.
char32_t NextChar(absl::string_view text, size_t* pos);

void AppendUtf8(char32_t c, std::string* out);

// Each maximal broken part becomes one U+FFFD: "a\xffb" → "a�b", "\xe2\x82" → "�".
std::string ToValidUtf8(absl::string_view bytes);

// Bytes at the end of `bytes` that are a started, not finished character: 2 for "a\xe2\x82", 0 for "a\xff".
size_t IncompleteTail(absl::string_view bytes);

bool IsWhitespace(char32_t c);      // White_Space: 25 characters
bool IsNumeric(char32_t c);         // categories Nd, Nl, No
bool IsWordChar(char32_t c);        // Alphabetic, marks, Nd, Pc, joiners: \w of the Whitespace pre-tokenizer
bool IsPunctuation(char32_t c);     // ASCII punctuation and categories P*
bool IsControl(char32_t c);         // Cc, Cf, Co
bool IsNonspacingMark(char32_t c);  // Mn
bool IsCombiningMark(char32_t c);   // M*

// Lower case; more than one character only for U+0130 (İ → i and a dot above).
void AppendLower(char32_t c, std::string* out);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
std::string Normalize(NormalForm form, absl::string_view text);

// A character that PCRE2 and utf8proc know, with the same categories, script where it matters and UTF-8 length, for one
// that is too new for them; c itself otherwise.
char32_t StandIn(char32_t c);

// Whether text may hold characters that have a stand-in (a quick, conservative test), and text with them put in.
bool MayNeedStandIns(absl::string_view text);
std::string WithStandIns(absl::string_view text);

// End of the extended grapheme cluster that starts at text[pos].
size_t GraphemeEnd(absl::string_view text, size_t pos);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_UNICODE_H_
