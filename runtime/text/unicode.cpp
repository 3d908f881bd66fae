#include "runtime/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/text/unicode_tables.h"

namespace sluice::text {
namespace {

utf8proc_category_t Category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsAsciiPunctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

// Reads the character at bytes[pos] if it is whole and well formed; its length, or minus the length (>= 1) of the
// maximal part that a decoder replaces by one U+FFFD.  *needs: the length its first byte announced (0 if none).
int Wellformed(absl::string_view bytes, size_t pos, int* needs) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(pos);
  *needs = 0;
  if (lead < 0x80) {
    return 1;
  }
  unsigned char low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    *needs = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    *needs = 3;
    low = lead == 0xE0 ? 0xA0 : low;
    high = lead == 0xED ? 0x9F : high;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    *needs = 4;
    low = lead == 0xF0 ? 0x90 : low;
    high = lead == 0xF4 ? 0x8F : high;
  } else {
    return -1;
  }
  int n = 1;
  while (n < *needs && pos + n < bytes.size() && at(pos + n) >= low && at(pos + n) <= high) {
    low = 0x80;
    high = 0xBF;
    ++n;
  }
  return n == *needs ? n : -n;
}

}  // namespace

int Utf8Length(char lead) {
  const unsigned char c = static_cast<unsigned char>(lead);
  return c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

char32_t NextChar(absl::string_view text, size_t* pos) {
  const char* p = text.data() + *pos;
  const unsigned char lead = static_cast<unsigned char>(*p);
  auto cont = [p](int i) { return static_cast<char32_t>(static_cast<unsigned char>(p[i]) & 0x3F); };
  if (lead < 0x80) {
    *pos += 1;
    return lead;
  }
  if (lead < 0xE0) {
    *pos += 2;
    return (lead & 0x1Fu) << 6 | cont(1);
  }
  if (lead < 0xF0) {
    *pos += 3;
    return (lead & 0x0Fu) << 12 | cont(1) << 6 | cont(2);
  }
  *pos += 4;
  return (lead & 0x07u) << 18 | cont(1) << 12 | cont(2) << 6 | cont(3);
}

void AppendUtf8(char32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
    return;
  }
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  out->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

std::string ToValidUtf8(absl::string_view bytes) {
  if (IsAscii(bytes)) {
    return std::string(bytes);
  }
  std::string out;
  out.reserve(bytes.size());
  for (size_t pos = 0; pos < bytes.size();) {
    int needs;
    const int n = Wellformed(bytes, pos, &needs);
    if (n > 0) {
      out.append(bytes.data() + pos, n);
    } else {
      out.append("\xEF\xBF\xBD");
    }
    pos += static_cast<size_t>(std::abs(n));
  }
  return out;
}

size_t IncompleteTail(absl::string_view bytes) {
  for (size_t tail = 1; tail <= 3 && tail <= bytes.size(); ++tail) {
    const unsigned char c = static_cast<unsigned char>(bytes[bytes.size() - tail]);
    if (c >= 0xC0) {
      int needs;
      const int n = Wellformed(bytes, bytes.size() - tail, &needs);
      return n == -static_cast<int>(tail) && needs > static_cast<int>(tail) ? tail : 0;
    }
    if (c < 0x80) {
      return 0;
    }
  }
  return 0;
}

bool IsWhitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) {
    return c >= '0' && c <= '9';
  }
  const utf8proc_category_t category = Category(StandIn(c));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_NO ||
         InRanges(kNewNumeric, c);
}

bool IsWordChar(char32_t c) {
  switch (Category(StandIn(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      // Circled and squared letters are symbols that Unicode calls alphabetic.
      return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
             (c >= 0x1F170 && c <= 0x1F189) || c == 0x200C || c == 0x200D;
  }
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return IsAsciiPunctuation(c);
  }
  const utf8proc_category_t category = Category(c);
  if (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) {
    return !InRanges(kNotPunctuation, c);
  }
  return c == 0x166D || c == 0x111C9;  // Po until Unicode 12 and 11
}

bool IsControl(char32_t c) {
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CO:
      return true;
    case UTF8PROC_CATEGORY_CF:  // but not the format characters newer than Unicode 8
      return !(c == 0x890 || c == 0x891 || c == 0x8E2 || c == 0x110CD || (c >= 0x13430 && c <= 0x1343F));
    default:
      return false;
  }
}

bool IsNonspacingMark(char32_t c) {
  if (c < 0x300) {
    return false;
  }
  return (Category(c) == UTF8PROC_CATEGORY_MN && !InRanges(kNotNonspacingMark, c)) || c == 0x1734;  // Mc since 14
}

bool IsCombiningMark(char32_t c) {
  if (c < 0x300) {
    return false;
  }
  const utf8proc_category_t category = Category(c);
  const bool mark = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
  return (mark && !InRanges(kNotMark, c)) || c == 0x1CF2 || c == 0x1CF3;  // these two are letters since 12
}

void AppendLower(char32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
    return;
  }
  if (c == 0x130) {
    out->append("i\xCC\x87");
    return;
  }
  // Capitals newer than Unicode 14, their small letters beside them.
  char32_t lower = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  if (c == 0x1C89 || c == 0xA7CC || c == 0xA7CE || c == 0xA7D2 || c == 0xA7D4 || c == 0xA7DA) {
    lower = c + 1;
  } else if (c == 0xA7CB) {
    lower = 0x264;
  } else if (c == 0xA7DC) {
    lower = 0x19B;
  } else if (c >= 0x10D50 && c <= 0x10D65) {
    lower = c + 0x20;
  } else if (c >= 0x16EA0 && c <= 0x16EB8) {
    lower = c + 0x1B;
  }
  AppendUtf8(lower, out);
}

namespace {

// Normalizes [begin, end), in which every character is as utf8proc knows it.
void NormalizeRun(NormalForm form, absl::string_view run, std::string* out) {
  if (run.empty()) {
    return;
  }
  int options = UTF8PROC_STABLE;
  options |= form == NormalForm::kNfc || form == NormalForm::kNfkc ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  options |= form == NormalForm::kNfkc || form == NormalForm::kNfkd ? UTF8PROC_COMPAT : 0;
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t n =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(run.data()), static_cast<utf8proc_ssize_t>(run.size()),
                   &result, static_cast<utf8proc_option_t>(options));
  if (n >= 0) {
    out->append(reinterpret_cast<const char*>(result), static_cast<size_t>(n));
  } else {
    out->append(run.data(), run.size());  // only out of memory ends here: the text is valid
  }
  std::free(result);
}

}  // namespace

std::string Normalize(NormalForm form, absl::string_view text) {
  if (IsAscii(text)) {
    return std::string(text);
  }
  // Inert characters are starters that nothing composes with, so the runs between them are independent.
  std::string out;
  out.reserve(text.size());
  size_t run = 0;
  for (size_t pos = 0; pos < text.size();) {
    const size_t begin = pos;
    const char32_t c = NextChar(text, &pos);
    if (c >= 0x7FD && (InRanges(kNotMark, c) || InRanges(kInert, c) || StandIn(c) != c)) {
      NormalizeRun(form, text.substr(run, begin - run), &out);
      out.append(text.data() + begin, pos - begin);
      run = pos;
    }
  }
  NormalizeRun(form, text.substr(run), &out);
  return out;
}

char32_t StandIn(char32_t c) {
  if (c < kStandIns.front().first) {
    return c;
  }
  auto it = std::lower_bound(kStandIns.begin(), kStandIns.end(), c,
                             [](const StandInRange& r, char32_t x) { return r.last < x; });
  return it != kStandIns.end() && it->first <= c ? it->stand_in : c;
}

bool MayNeedStandIns(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xE0; });
}

std::string WithStandIns(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    AppendUtf8(StandIn(NextChar(text, &pos)), &out);
  }
  return out;
}

size_t GraphemeEnd(absl::string_view text, size_t pos) {
  utf8proc_int32_t state = 0;
  char32_t previous = StandIn(NextChar(text, &pos));
  while (pos < text.size()) {
    size_t next = pos;
    const char32_t c = StandIn(NextChar(text, &next));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous), static_cast<utf8proc_int32_t>(c),
                                         &state)) {
      return pos;
    }
    previous = c;
    pos = next;
  }
  return pos;
}

}  // namespace sluice::text
