// Oniguruma (Ruby syntax) to PCRE2.  regex.h lists the differences; here each one has its line.
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "runtime/text/regex.h"
#include "runtime/text/regex_names.h"
#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

// Oniguruma looks up \w of the first 256 characters in Latin-1's table, which counts ²³¹¼½¾ as word characters.
constexpr char kWord[] = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}]";
constexpr char kNotWord[] = "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}]";

// The control character that \t, \n … stand for; 0 for any other letter.
char32_t ControlEscape(char32_t letter) {
  static constexpr char kLetters[] = "tnrfvaeb", kControls[] = "\t\n\r\f\v\a\x1b\b";
  for (int i = 0; kLetters[i] != 0; ++i) {
    if (letter == static_cast<char32_t>(kLetters[i])) {
      return static_cast<char32_t>(kControls[i]);
    }
  }
  return 0;
}

// Something that matches exactly one character: a bracketed class, or an alternation where PCRE2 has none.
std::string Bracket(const std::string& items, bool negated) {
  if (items.empty()) {
    return negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)";
  }
  return absl::StrCat(negated ? "[^" : "[", items, "]");
}

class Translator {
 public:
  explicit Translator(absl::string_view in) : in_(in) {}

  absl::StatusOr<std::string> Run() {
    while (pos_ < in_.size()) {
      RETURN_IF_ERROR(Step());
    }
    return std::move(out_);
  }

 private:
  // An escape that stands for a set, as class items; `negated` asks for the complement.
  struct Escape {
    std::string items;
    bool negated = false;
    bool is_set = false;
    std::string literal;  // of one character, when not a set
  };

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("regular expression /", in_, "/: ", what, " at byte ", pos_));
  }

  bool AtEnd() const { return pos_ >= in_.size(); }
  char Peek(size_t ahead = 0) const { return pos_ + ahead < in_.size() ? in_[pos_ + ahead] : '\0'; }

  // An atom begins here: quantifiers that must be wrapped wrap from this place.
  void BeginAtom() { atom_ = out_.size(); }

  static std::string Literal(char32_t c) { return absl::StrFormat("\\x{%x}", static_cast<uint32_t>(c)); }

  absl::Status Step() {
    const char c = Peek();
    switch (c) {
      case '\\':
        return StepEscape();
      case '[': {
        BeginAtom();
        ++pos_;
        ASSIGN_OR_RETURN(std::string set, Class());
        out_ += set;
        return absl::OkStatus();
      }
      case '(':
        return StepOpen();
      case ')':
        ++pos_;
        out_ += ')';
        if (!groups_.empty()) {
          atom_ = groups_.back();
          groups_.pop_back();
        }
        return absl::OkStatus();
      case '*':
      case '+':
      case '?':  // with its own ? or +, the same in both
        out_ += c;
        ++pos_;
        if (Peek() == '?' || Peek() == '+') {
          out_ += in_[pos_++];
        }
        return absl::OkStatus();
      case '{':
        return StepInterval();
      default: {
        BeginAtom();
        const size_t begin = pos_;
        NextChar(in_, &pos_);
        out_.append(in_.data() + begin, pos_ - begin);
        return absl::OkStatus();
      }
    }
  }

  absl::Status StepOpen() {
    groups_.push_back(out_.size());
    out_ += '(';
    ++pos_;
    if (Peek() != '?') {
      return absl::OkStatus();
    }
    out_ += '?';
    ++pos_;
    if (Peek() == '#') {  // a comment runs to its bracket
      while (!AtEnd() && Peek() != ')') {
        out_ += in_[pos_++];
      }
      return absl::OkStatus();
    }
    while (absl::ascii_isalpha(static_cast<unsigned char>(Peek())) || Peek() == '-') {  // (?mi-x: and the like
      const char option = in_[pos_++];
      out_ += option == 'm' ? 's' : option;
    }
    return absl::OkStatus();
  }

  // {n}, {n,}, {,m}, {n,m}; anything else is the characters themselves.
  absl::Status StepInterval() {
    size_t end = pos_ + 1;
    std::string low, high;
    bool comma = false;
    for (; end < in_.size() && in_[end] != '}'; ++end) {
      if (in_[end] == ',' && !comma) {
        comma = true;
      } else if (absl::ascii_isdigit(static_cast<unsigned char>(in_[end]))) {
        (comma ? high : low) += in_[end];
      } else {
        break;
      }
    }
    if (end >= in_.size() || in_[end] != '}' || (low.empty() && high.empty())) {
      BeginAtom();
      out_ += "\\{";
      ++pos_;
      return absl::OkStatus();
    }
    pos_ = end + 1;
    out_ += absl::StrCat("{", low.empty() ? "0" : low, comma ? "," : "", high, "}");
    if (Peek() == '?' && comma) {  // lazy, as in PCRE2
      out_ += '?';
      ++pos_;
    } else if (Peek() == '+' || Peek() == '?') {
      out_.insert(atom_, "(?:");
      out_ += ')';
    }
    return absl::OkStatus();
  }

  absl::Status StepEscape() {
    BeginAtom();
    const char c = Peek(1);
    if (absl::string_view("AzZGKRX").find(c) != absl::string_view::npos ||
        absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      out_.append(in_.data() + pos_, 2);  // anchors, back references, octal: the same
      pos_ += 2;
      return absl::OkStatus();
    }
    if ((c == 'k' || c == 'g') && Peek(2) == '<') {  // \k<name>, \g<name>
      const size_t end = in_.find('>', pos_);
      if (end == absl::string_view::npos) {
        return Error("a group name without end");
      }
      out_.append(in_.data() + pos_, end + 1 - pos_);
      pos_ = end + 1;
      return absl::OkStatus();
    }
    if (c == 'w' || c == 'W' || c == 'b' || c == 'B' || c == 'N' || c == 'O') {
      pos_ += 2;
      out_ += c == 'w'   ? std::string(kWord)
              : c == 'W' ? std::string(kNotWord)
              : c == 'N' ? "[^\\n]"
              : c == 'O' ? "[\\x{0}-\\x{10ffff}]"
              : c == 'b' ? absl::StrCat("(?:(?<=", kWord, ")(?!", kWord, ")|(?<!", kWord, ")(?=", kWord, "))")
                         : absl::StrCat("(?:(?<=", kWord, ")(?=", kWord, ")|(?<!", kWord, ")(?!", kWord, "))");
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(Escape escape, ReadEscape());
    out_ += escape.is_set ? Bracket(escape.items, escape.negated) : escape.literal;
    return absl::OkStatus();
  }

  // The escapes that mean the same inside and outside a class.
  absl::StatusOr<Escape> ReadEscape() {
    ++pos_;
    if (AtEnd()) {
      return Error("ends in a backslash");
    }
    const size_t begin = pos_;
    const char32_t c = NextChar(in_, &pos_);
    if (const char32_t control = ControlEscape(c); control != 0) {
      return Escape{.literal = Literal(control)};
    }
    auto set = [](const std::string& items, bool negated) { return Escape{items, negated, true, ""}; };
    switch (c) {
      case 'd':
      case 'D':
        return set("\\p{Nd}", c == 'D');
      case 's':
      case 'S':
        return set("\\p{White_Space}", c == 'S');
      case 'h':
      case 'H':
        return set("0-9a-fA-F", c == 'H');
      case 'w':
      case 'W':
        return set(NamedSet("word"), c == 'W');
      case '0':
        return Escape{.literal = Literal(ReadNumber(8, 2))};
      case 'u':
        return Escape{.literal = Literal(ReadNumber(16, 4))};
      case 'x':
        if (Peek() == '{') {
          ++pos_;
          const char32_t value = ReadNumber(16, 8);
          if (Peek() != '}' || value > 0x10FFFF) {
            return Error("a bad \\x{…}");
          }
          ++pos_;
          return Escape{.literal = Literal(value)};
        }
        return Escape{.literal = Literal(ReadNumber(16, 2))};
      case 'p':
      case 'P':
        if (Peek() == '{') {
          return ReadProperty(c == 'P');
        }
        break;
      default:
        break;
    }
    pos_ = begin;
    return Escape{.literal = Literal(NextChar(in_, &pos_))};
  }

  char32_t ReadNumber(int base, int max_digits) {
    char32_t value = 0;
    for (int i = 0; i < max_digits && absl::ascii_isxdigit(static_cast<unsigned char>(Peek())); ++i) {
      const char digit = absl::ascii_tolower(static_cast<unsigned char>(Peek()));
      const int v = digit <= '9' ? digit - '0' : digit - 'a' + 10;
      if (v >= base) {
        break;
      }
      value = value * base + v;
      ++pos_;
    }
    return value;
  }

  absl::StatusOr<Escape> ReadProperty(bool negated) {
    const size_t end = in_.find('}', pos_);
    if (end == absl::string_view::npos) {
      return Error("a property name without end");
    }
    absl::string_view name = in_.substr(pos_ + 1, end - pos_ - 1);
    if (absl::ConsumePrefix(&name, "^")) {
      negated = !negated;
    }
    pos_ = end + 1;
    return Escape{Property(name), negated, true, ""};
  }

  // A class, its "[" already read: unions of items and nested classes, joined by &&.
  absl::StatusOr<std::string> Class() {
    if (++depth_ > kMaxClassDepth) {
      return Error("classes nested too deep");
    }
    const bool negated = Peek() == '^';
    pos_ += negated ? 1 : 0;
    std::vector<std::string> factors;  // of an intersection, each matching one character
    std::string items;                 // class items of the current factor
    std::vector<std::string> others;   // its parts that are no items: nested classes, complements
    bool first = true;
    auto close_factor = [&] {
      std::string factor = Bracket(items, false);
      if (!others.empty()) {
        factor = items.empty() ? "(?:" : absl::StrCat("(?:", factor, "|");
        for (size_t i = 0; i < others.size(); ++i) {
          factor += absl::StrCat(i == 0 ? "" : "|", others[i]);
        }
        factor += ")";
      }
      factors.push_back(factor);
    };
    for (;; first = false) {
      if (AtEnd()) {
        return Error("a class without end");
      }
      if (Peek() == ']' && !first) {
        ++pos_;
        break;
      }
      if (Peek() == '&' && Peek(1) == '&') {
        pos_ += 2;
        close_factor();
        items.clear();
        others.clear();
        continue;
      }
      RETURN_IF_ERROR(ClassItem(&items, &others));
    }
    --depth_;
    if (factors.empty() && others.empty()) {
      return Bracket(items, negated);
    }
    close_factor();
    std::string all;
    for (size_t i = 0; i + 1 < factors.size(); ++i) {
      all += absl::StrCat("(?=", factors[i], ")");
    }
    all += factors.back();
    return negated ? absl::StrCat("(?:(?!", all, ")[\\x{0}-\\x{10ffff}])") : absl::StrCat("(?:", all, ")");
  }

  absl::Status ClassItem(std::string* items, std::vector<std::string>* others) {
    auto add_set = [&](const std::string& set, bool negated) {
      if (negated) {
        others->push_back(Bracket(set, true));
      } else {
        *items += set;
      }
    };
    if (Peek() == '[' && Peek(1) == ':') {
      const size_t end = in_.find(":]", pos_ + 2);
      if (end != absl::string_view::npos) {
        absl::string_view name = in_.substr(pos_ + 2, end - pos_ - 2);
        const bool negated = absl::ConsumePrefix(&name, "^");
        const std::string set = NamedSet(name);
        if (!set.empty()) {
          pos_ = end + 2;
          add_set(set, negated);
          return absl::OkStatus();
        }
      }
    }
    if (Peek() == '[') {
      ++pos_;
      ASSIGN_OR_RETURN(std::string nested, Class());
      others->push_back(nested);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(Escape low, ClassCharacter());
    if (low.is_set) {
      add_set(low.items, low.negated);
      return absl::OkStatus();
    }
    *items += low.literal;
    if (Peek() == '-' && Peek(1) != ']' && Peek(1) != '\0' && Peek(1) != '[') {
      const size_t dash = pos_++;
      ASSIGN_OR_RETURN(Escape high, ClassCharacter());
      if (high.is_set) {
        pos_ = dash + 1;  // [a-\d]: the dash is itself
        *items += Literal('-');
      } else {
        *items += "-" + high.literal;
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Escape> ClassCharacter() {
    if (Peek() == '\\') {
      return ReadEscape();
    }
    return Escape{.literal = Literal(NextChar(in_, &pos_))};
  }

  static constexpr int kMaxClassDepth = 50;

  absl::string_view in_;
  size_t pos_ = 0;
  int depth_ = 0;  // of nested classes
  std::string out_;
  size_t atom_ = 0;             // where the last atom begins in out_
  std::vector<size_t> groups_;  // where the open groups begin
};

}  // namespace

absl::StatusOr<std::string> TranslateRegex(absl::string_view oniguruma) {
  if (ToValidUtf8(oniguruma) != oniguruma) {
    return absl::InvalidArgumentError("regular expression: is not UTF-8");
  }
  return Translator(oniguruma).Run();
}

}  // namespace sluice::text
