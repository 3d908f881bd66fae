#include "runtime/text/regex_names.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sluice::text {
namespace {

// Unicode 16's, of which PCRE2's Unicode 14 lacks a few.
#define SLUICE_ALPHABETIC \
  "\\p{Alphabetic}\\x{363}-\\x{36f}\\x{c04}\\x{f82}\\x{f83}\\x{1dd3}-\\x{1de6}\\x{11080}\\x{11081}"

// Property names ignore case, spaces, '_' and '-'.
std::string LooseName(absl::string_view name) {
  std::string key;
  for (char c : name) {
    if (c != ' ' && c != '_' && c != '-') {
      key.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    }
  }
  return key;
}

}  // namespace

std::string NamedSet(absl::string_view name) {
  const std::string key = LooseName(name);
  static constexpr const char* kSets[][2] = {
      {"alpha", SLUICE_ALPHABETIC},
      {"alphabetic", SLUICE_ALPHABETIC},
      {"alnum", SLUICE_ALPHABETIC "\\p{Nd}"},
      {"upper", "\\p{Uppercase}"},
      {"lower", "\\p{Lowercase}\\x{10fc}\\x{a7f2}-\\x{a7f4}\\x{ab69}"},
      {"lowercase", "\\p{Lowercase}\\x{10fc}\\x{a7f2}-\\x{a7f4}\\x{ab69}"},
      {"space", "\\p{White_Space}"},
      {"punct", "\\p{P}\\p{S}"},
      {"digit", "\\p{Nd}"},
      {"xdigit", "0-9a-fA-F"},
      {"word", "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"},
      {"cntrl", "\\p{Cc}"},
      {"blank", "\\p{Zs}\\t"},
      {"graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"},
      {"print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}"},
      {"ascii", "\\x{0}-\\x{7f}"},
      {"any", "\\x{0}-\\x{10ffff}"},
      {"assigned", "\\P{Cn}"},
      {"other", "\\p{C}"},
      {"letter", "\\p{L}"},
      {"uppercaseletter", "\\p{Lu}"},
      {"lowercaseletter", "\\p{Ll}"},
      {"titlecaseletter", "\\p{Lt}"},
      {"modifierletter", "\\p{Lm}"},
      {"otherletter", "\\p{Lo}"},
      {"mark", "\\p{M}"},
      {"nonspacingmark", "\\p{Mn}"},
      {"spacingmark", "\\p{Mc}"},
      {"enclosingmark", "\\p{Me}"},
      {"number", "\\p{N}"},
      {"decimalnumber", "\\p{Nd}"},
      {"letternumber", "\\p{Nl}"},
      {"othernumber", "\\p{No}"},
      {"punctuation", "\\p{P}"},
      {"connectorpunctuation", "\\p{Pc}"},
      {"dashpunctuation", "\\p{Pd}"},
      {"openpunctuation", "\\p{Ps}"},
      {"closepunctuation", "\\p{Pe}"},
      {"initialpunctuation", "\\p{Pi}"},
      {"finalpunctuation", "\\p{Pf}"},
      {"otherpunctuation", "\\p{Po}"},
      {"symbol", "\\p{S}"},
      {"mathsymbol", "\\p{Sm}"},
      {"currencysymbol", "\\p{Sc}"},
      {"modifiersymbol", "\\p{Sk}"},
      {"othersymbol", "\\p{So}"},
      {"separator", "\\p{Z}"},
      {"spaceseparator", "\\p{Zs}"},
      {"lineseparator", "\\p{Zl}"},
      {"paragraphseparator", "\\p{Zp}"},
      {"control", "\\p{Cc}"},
      {"format", "\\p{Cf}"},
      {"privateuse", "\\p{Co}"},
      {"surrogate", "\\p{Cs}"},
      {"unassigned", "\\p{Cn}"},
  };
  for (const auto& [known, items] : kSets) {
    if (key == known) {
      return items;
    }
  }
  return "";
}

// A bare script name means Script_Extensions to PCRE2 and Script to Oniguruma.
std::string Property(absl::string_view name) {
  const std::string set = NamedSet(name);
  if (LooseName(name) == "punct") {
    return "\\p{P}";  // the posix bracket has the symbols too
  }
  if (!set.empty()) {
    return set;
  }
  static constexpr const char* kBinary[] = {"uppercase",
                                            "cased",
                                            "emoji",
                                            "extendedpictographic",
                                            "ideographic",
                                            "unifiedideograph",
                                            "whitespace",
                                            "idstart",
                                            "idcontinue",
                                            "xidstart",
                                            "xidcontinue",
                                            "dash",
                                            "diacritic",
                                            "extender",
                                            "math",
                                            "hexdigit",
                                            "quotationmark",
                                            "regionalindicator",
                                            "variationselector",
                                            "emojipresentation",
                                            "emojimodifier",
                                            "emojimodifierbase",
                                            "emojicomponent",
                                            "graphemebase",
                                            "graphemeextend",
                                            "defaultignorablecodepoint",
                                            "joincontrol",
                                            "radical",
                                            "softdotted"};
  const std::string key = LooseName(name);
  const bool script = key.size() > 2 && std::find(std::begin(kBinary), std::end(kBinary), key) == std::end(kBinary);
  return absl::StrCat("\\p{", script ? "sc:" : "", name, "}");
}

}  // namespace sluice::text
