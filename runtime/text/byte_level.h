// GPT-2's byte alphabet: every byte has a printable character, so that a vocabulary of byte strings can be written as
// text.  Printable Latin-1 bytes are themselves, the others follow from U+0100: ' ' is Ġ (U+0120), '\n' is Ċ.
#ifndef SLUICE_RUNTIME_TEXT_BYTE_LEVEL_H_
#define SLUICE_RUNTIME_TEXT_BYTE_LEVEL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace sluice::text {

// Appends the characters of `bytes`: " a" → "Ġa".
void AppendByteChars(absl::string_view bytes, std::string* out);

// The byte that c stands for, or -1.
int ByteOfChar(char32_t c);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_BYTE_LEVEL_H_
