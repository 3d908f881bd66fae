// Names of character sets in Oniguruma patterns, as items of a PCRE2 class.
#ifndef SLUICE_RUNTIME_TEXT_REGEX_NAMES_H_
#define SLUICE_RUNTIME_TEXT_REGEX_NAMES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace sluice::text {

// Of [[:name:]]: "alpha" → "\p{Alphabetic}…"; "" for an unknown name.
std::string NamedSet(absl::string_view name);

// Of \p{name}: "Letter" → "\p{L}", "Han" → "\p{sc:Han}".  Whether PCRE2 knows the name shows when it compiles.
std::string Property(absl::string_view name);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_REGEX_NAMES_H_
