#include "runtime/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

// What one thread needs to match: made once, used for every pattern.
struct Scratch {
  Scratch() {
    data = pcre2_match_data_create(1, nullptr);
    context = pcre2_match_context_create(nullptr);
    stack = pcre2_jit_stack_create(64 << 10, 8 << 20, nullptr);
    if (context != nullptr && stack != nullptr) {
      pcre2_jit_stack_assign(context, nullptr, stack);
    }
  }
  ~Scratch() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  pcre2_match_data* data;
  pcre2_match_context* context;
  pcre2_jit_stack* stack;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

std::string ErrorText(int code) {
  PCRE2_UCHAR buffer[160];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct Pattern::Compiled {
  ~Compiled() { pcre2_code_free(code); }
  pcre2_code* code = nullptr;
  bool stand_ins = true;  // false if the pattern itself names a character that has one
};

Pattern::Pattern() = default;
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

absl::StatusOr<Pattern> Pattern::Regex(absl::string_view oniguruma) {
  ASSIGN_OR_RETURN(std::string perl, TranslateRegex(oniguruma));
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(perl.data()), perl.size(), options, &error, &offset, context);
  pcre2_compile_context_free(context);
  if (code == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("regular expression /", oniguruma, "/: ", ErrorText(error),
                                                   " (as PCRE2, byte ", offset, ": /", perl, "/)"));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, the interpreter runs the pattern
  Pattern pattern;
  pattern.compiled_ = std::make_unique<Compiled>();
  pattern.compiled_->code = code;
  pattern.compiled_->stand_ins = WithStandIns(oniguruma) == oniguruma;
  return pattern;
}

Pattern Pattern::Literal(absl::string_view text) {
  Pattern pattern;
  pattern.literal_ = std::string(text);
  return pattern;
}

absl::Status Pattern::Find(absl::string_view text, size_t from, size_t* begin, size_t* end, bool* found) const {
  if (compiled_ == nullptr) {
    *begin = text.find(literal_, from);
    *found = *begin != absl::string_view::npos;
    *end = *begin + literal_.size();
    return absl::OkStatus();
  }
  Scratch& scratch = ThreadScratch();
  const int rc = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                             PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
  *found = rc >= 0;
  if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
    return absl::ResourceExhaustedError(
        absl::StrCat("regular expression on ", text.size(), " bytes of text: ", ErrorText(rc)));
  }
  if (*found) {
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(scratch.data);
    *begin = span[0];
    *end = span[1];
  }
  return absl::OkStatus();
}

absl::Status Pattern::Split(absl::string_view original, std::vector<Match>* parts) const {
  parts->clear();
  if (original.empty()) {
    parts->push_back({0, 0, false});
    return absl::OkStatus();
  }
  std::string replaced;
  absl::string_view text = original;
  if (compiled_ != nullptr && compiled_->stand_ins && MayNeedStandIns(original)) {
    replaced = WithStandIns(original);  // same lengths, so the same offsets
    text = replaced;
  }
  size_t previous = 0, from = 0;
  bool any = false;
  while (from <= text.size()) {
    size_t begin = 0, end = 0;
    bool found = false;
    RETURN_IF_ERROR(Find(text, from, &begin, &end, &found));
    if (!found) {
      break;
    }
    if (begin == end && any && end == previous) {  // an empty match right behind a match does not count
      from += from < text.size() ? Utf8Length(text[from]) : 1;
      continue;
    }
    if (previous != begin) {
      parts->push_back({previous, begin, false});
    }
    parts->push_back({begin, end, true});
    previous = from = end;
    any = true;
  }
  if (previous != text.size()) {
    parts->push_back({previous, text.size(), false});
  }
  return absl::OkStatus();
}

absl::StatusOr<Pattern> PatternFromJson(const JsonField& component) {
  ASSIGN_OR_RETURN(JsonField field, component.At("pattern"));
  if (const JsonField literal = field.Find("String"); literal.present()) {
    ASSIGN_OR_RETURN(std::string text, literal.String());
    return Pattern::Literal(text);
  }
  const JsonField regex = field.Find("Regex");
  if (!regex.present()) {
    return field.Error("expected {\"String\": …} or {\"Regex\": …}");
  }
  ASSIGN_OR_RETURN(std::string text, regex.String());
  absl::StatusOr<Pattern> pattern = Pattern::Regex(text);
  return pattern.ok() ? std::move(pattern) : regex.Error(pattern.status().message());
}

}  // namespace sluice::text
