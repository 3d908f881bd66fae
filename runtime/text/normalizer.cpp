#include "runtime/text/normalizer.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/strings/match.h"
#include "runtime/text/byte_level.h"
#include "runtime/text/regex.h"

namespace sluice::text {
namespace {

// Rewrites whole strings, independently of what stands before: the origin run is what its own text becomes.
class Rewrite final : public Normalizer {
 public:
  explicit Rewrite(std::function<std::string(absl::string_view)> f) : f_(std::move(f)) {}
  absl::Status Apply(NormalizedText* text) const override {
    text->origin_run = f_(absl::string_view(text->text).substr(0, text->origin_run)).size();
    text->text = f_(text->text);
    return absl::OkStatus();
  }

 private:
  std::function<std::string(absl::string_view)> f_;
};

// A Rewrite that looks at one character at a time; f(c, out) appends what c becomes.
template <typename F>
std::unique_ptr<Normalizer> PerCharacter(F f) {
  return std::make_unique<Rewrite>([f](absl::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t pos = 0; pos < text.size();) {
      f(NextChar(text, &pos), &out);
    }
    return out;
  });
}

void CleanBertText(char32_t c, std::string* out) {
  const bool spacing = c == '\t' || c == '\n' || c == '\r';
  if (c == 0 || c == 0xFFFD || (!spacing && IsControl(c))) {
    return;
  }
  AppendUtf8(IsWhitespace(c) ? ' ' : c, out);
}

bool IsChinese(char32_t c) {  // BERT's own list of blocks
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void SpaceChinese(char32_t c, std::string* out) {
  if (IsChinese(c)) {
    out->push_back(' ');
  }
  AppendUtf8(c, out);
  if (IsChinese(c)) {
    out->push_back(' ');
  }
}

void DropNonspacingMark(char32_t c, std::string* out) {
  if (!IsNonspacingMark(c)) {
    AppendUtf8(c, out);
  }
}

void CleanNmt(char32_t c, std::string* out) {  // the rules of Google's NMT models
  if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F) {
    return;
  }
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  AppendUtf8(space ? ' ' : c, out);
}

class Sequence final : public Normalizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Normalizer>> parts) : parts_(std::move(parts)) {}
  absl::Status Apply(NormalizedText* text) const override {
    for (const auto& part : parts_) {
      RETURN_IF_ERROR(part->Apply(text));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  absl::Status Apply(NormalizedText* text) const override {
    const absl::string_view view = text->text;
    size_t begin = 0, end = view.size();
    while (left_ && begin < view.size()) {
      size_t next = begin;
      if (!IsWhitespace(NextChar(view, &next))) {
        break;
      }
      begin = next;
    }
    while (right_ && end > begin) {
      size_t last = end - 1;
      while (last > begin && (static_cast<unsigned char>(view[last]) & 0xC0) == 0x80) {
        --last;
      }
      size_t next = last;
      if (!IsWhitespace(NextChar(view, &next))) {
        break;
      }
      end = last;
    }
    text->text = std::string(view.substr(begin, end - begin));
    text->origin_run = std::min(text->origin_run - std::min(text->origin_run, begin), text->text.size());
    return absl::OkStatus();
  }

 private:
  bool left_, right_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string text) : prefix_(std::move(text)) {}
  absl::Status Apply(NormalizedText* text) const override {
    if (!text->text.empty()) {
      text->text.insert(0, prefix_);
      text->origin_run += text->origin_run > 0 ? prefix_.size() : 0;
    }
    return absl::OkStatus();
  }

 private:
  std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  absl::Status Apply(NormalizedText* text) const override {
    std::vector<Match> parts;
    RETURN_IF_ERROR(pattern_.Split(text->text, &parts));
    std::string out;
    out.reserve(text->text.size());
    size_t run = 0;
    for (const Match& part : parts) {
      if (part.is_match) {  // what is put in comes from the match's last character
        run += part.end <= text->origin_run ? content_.size() : 0;
        out += content_;
      } else {
        run += std::min(part.end, text->origin_run) - std::min(part.begin, text->origin_run);
        out.append(text->text, part.begin, part.end - part.begin);
      }
    }
    text->text = std::move(out);
    text->origin_run = run;
    return absl::OkStatus();
  }

 private:
  Pattern pattern_;
  std::string content_;
};

absl::StatusOr<std::unique_ptr<Normalizer>> MakeReplace(const JsonField& field) {
  ASSIGN_OR_RETURN(Pattern pattern, PatternFromJson(field));
  ASSIGN_OR_RETURN(std::string content, field.StringAt("content"));
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}

absl::StatusOr<std::unique_ptr<Normalizer>> MakeBert(const JsonField& field) {
  ASSIGN_OR_RETURN(bool clean, field.BoolAt("clean_text"));
  ASSIGN_OR_RETURN(bool chinese, field.BoolAt("handle_chinese_chars"));
  ASSIGN_OR_RETURN(bool lower, field.BoolAt("lowercase"));
  ASSIGN_OR_RETURN(bool accents, field.BoolOr("strip_accents", lower));
  std::vector<std::unique_ptr<Normalizer>> parts;
  if (clean) {
    parts.push_back(PerCharacter(CleanBertText));
  }
  if (chinese) {
    parts.push_back(PerCharacter(SpaceChinese));
  }
  if (accents) {
    parts.push_back(std::make_unique<Rewrite>([](absl::string_view t) { return Normalize(NormalForm::kNfd, t); }));
    parts.push_back(PerCharacter(DropNonspacingMark));
  }
  if (lower) {
    parts.push_back(PerCharacter(AppendLower));
  }
  return std::make_unique<Sequence>(std::move(parts));
}

absl::StatusOr<std::unique_ptr<Normalizer>> MakeSequence(const JsonField& field) {
  ASSIGN_OR_RETURN(auto parts, MakeEach<Normalizer>(field, "normalizers", MakeNormalizer));
  return std::make_unique<Sequence>(std::move(parts));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Normalizer>> MakeNormalizer(const JsonField& field) {
  if (!field.present()) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(std::string type, field.StringAt("type"));
  for (auto [name, form] : {std::pair("NFC", NormalForm::kNfc), std::pair("NFD", NormalForm::kNfd),
                            std::pair("NFKC", NormalForm::kNfkc), std::pair("NFKD", NormalForm::kNfkd)}) {
    if (type == name) {
      return std::make_unique<Rewrite>([form = form](absl::string_view t) { return Normalize(form, t); });
    }
  }
  if (type == "Sequence") {
    return MakeSequence(field);
  }
  if (type == "BertNormalizer") {
    return MakeBert(field);
  }
  if (type == "Replace") {
    return MakeReplace(field);
  }
  if (type == "Precompiled") {
    return MakePrecompiledNormalizer(field);
  }
  if (type == "Lowercase") {
    return PerCharacter(AppendLower);
  }
  if (type == "StripAccents") {
    return PerCharacter([](char32_t c, std::string* out) {
      if (!IsCombiningMark(c)) {
        AppendUtf8(c, out);
      }
    });
  }
  if (type == "Nmt") {
    return PerCharacter(CleanNmt);
  }
  if (type == "ByteLevel") {
    return std::make_unique<Rewrite>([](absl::string_view t) {
      std::string out;
      AppendByteChars(t, &out);
      return out;
    });
  }
  if (type == "Strip") {
    ASSIGN_OR_RETURN(bool left, field.BoolAt("strip_left"));
    ASSIGN_OR_RETURN(bool right, field.BoolAt("strip_right"));
    return std::make_unique<Strip>(left, right);
  }
  if (type == "Prepend") {
    ASSIGN_OR_RETURN(std::string prefix, field.StringAt("prepend"));
    return std::make_unique<Prepend>(std::move(prefix));
  }
  return field.Find("type").Unknown(absl::StrCat("\"", type, "\" is no normalizer this build knows"));
}

}  // namespace sluice::text
