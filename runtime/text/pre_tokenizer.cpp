#include "runtime/text/pre_tokenizer.h"

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "runtime/text/byte_level.h"
#include "runtime/text/split.h"

namespace sluice::text {

void PieceList::Append(const NormalizedText& part, size_t begin, size_t end) {
  Piece whole{.begin = text.size(), .end = 0, .id = -1, .origin_run = part.origin_run, .at_origin = part.at_origin};
  Piece piece = Slice(whole, begin, end);
  piece.begin = text.size();
  piece.end = piece.begin + (end - begin);
  if (begin < end) {
    text.append(part.text, begin, end - begin);
    pieces.push_back(piece);
  }
}

Piece Slice(const Piece& whole, size_t begin, size_t end) {
  Piece piece{.begin = whole.begin + begin, .end = whole.begin + end};
  if (begin < whole.origin_run) {
    piece.at_origin = whole.at_origin;
    piece.origin_run = std::min(whole.origin_run, end) - begin;
  }
  return piece;
}

namespace {

// Cuts every piece that is no added token; the text stays as it is.
class Cutter : public PreTokenizer {
 public:
  absl::Status Apply(PieceList* list) const override {
    std::vector<Piece> pieces;
    pieces.reserve(list->pieces.size());
    std::vector<Match> parts;
    for (const Piece& piece : list->pieces) {
      if (piece.id >= 0) {
        pieces.push_back(piece);
        continue;
      }
      RETURN_IF_ERROR(Cut(list->View(piece), &parts));
      for (const Match& part : parts) {
        if (part.begin < part.end) {
          pieces.push_back(Slice(piece, part.begin, part.end));
        }
      }
    }
    list->pieces = std::move(pieces);
    return absl::OkStatus();
  }

 private:
  virtual absl::Status Cut(absl::string_view text, std::vector<Match>* parts) const = 0;
};

class Split final : public Cutter {
 public:
  Split(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

 private:
  absl::Status Cut(absl::string_view text, std::vector<Match>* parts) const override {
    RETURN_IF_ERROR(pattern_.Split(text, parts));
    for (Match& part : *parts) {
      part.is_match = part.is_match != invert_;
    }
    ApplyBehavior(behavior_, parts);
    return absl::OkStatus();
  }

  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class CharacterSplit final : public Cutter {
 public:
  CharacterSplit(std::function<bool(char32_t)> is_delimiter, SplitBehavior behavior)
      : is_delimiter_(std::move(is_delimiter)), behavior_(behavior) {}

 private:
  absl::Status Cut(absl::string_view text, std::vector<Match>* parts) const override {
    SplitCharacters(text, is_delimiter_, parts);
    ApplyBehavior(behavior_, parts);
    return absl::OkStatus();
  }

  std::function<bool(char32_t)> is_delimiter_;
  SplitBehavior behavior_;
};

// Runs of word characters, and runs of what is neither word nor space: /\w+|[^\w\s]+/.
class Whitespace final : public Cutter {
  absl::Status Cut(absl::string_view text, std::vector<Match>* parts) const override {
    parts->clear();
    int previous = 0;  // 0 space, 1 word, 2 other
    for (size_t pos = 0; pos < text.size();) {
      const size_t begin = pos;
      const char32_t c = NextChar(text, &pos);
      const int kind = IsWhitespace(c) ? 0 : IsWordChar(c) ? 1 : 2;
      if (kind != 0 && kind == previous) {
        parts->back().end = pos;
      } else if (kind != 0) {
        parts->push_back({begin, pos, false});
      }
      previous = kind;
    }
    return absl::OkStatus();
  }
};

class FixedLength final : public Cutter {
 public:
  explicit FixedLength(int64_t length) : length_(length) {}

 private:
  absl::Status Cut(absl::string_view text, std::vector<Match>* parts) const override {
    parts->clear();
    int64_t n = 0;
    for (size_t pos = 0; pos < text.size(); ++n) {
      const size_t begin = pos;
      NextChar(text, &pos);
      if (n % length_ == 0) {
        parts->push_back({begin, pos, false});
      }
      parts->back().end = pos;
    }
    return absl::OkStatus();
  }

  int64_t length_;
};

// Rebuilds the list's text with every piece rewritten by f(view, piece, &out); f may change the piece's origin run.
template <typename F>
void RewritePieces(PieceList* list, F f) {
  std::string out;
  out.reserve(list->text.size() * 5 / 4 + 16);
  for (Piece& piece : list->pieces) {
    const absl::string_view view = list->View(piece);
    const size_t begin = out.size();
    if (piece.id < 0) {
      f(view, &piece, &out);
    }
    piece.begin = begin;
    piece.end = out.size();
  }
  list->text = std::move(out);
}

class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::unique_ptr<PreTokenizer> words)
      : add_prefix_space_(add_prefix_space), words_(std::move(words)) {}

  absl::Status Apply(PieceList* list) const override {
    if (add_prefix_space_) {
      RewritePieces(list, [](absl::string_view view, Piece* piece, std::string* out) {
        if (!absl::StartsWith(view, " ")) {
          out->push_back(' ');
          piece->origin_run += 1;
        }
        out->append(view.data(), view.size());
      });
    }
    if (words_ != nullptr) {
      RETURN_IF_ERROR(words_->Apply(list));
    }
    RewritePieces(list, [](absl::string_view view, Piece* piece, std::string* out) {
      const size_t begin = out->size();
      AppendByteChars(view.substr(0, piece->origin_run), out);
      const size_t run = out->size() - begin;
      AppendByteChars(view.substr(piece->origin_run), out);
      piece->origin_run = run;
    });
    return absl::OkStatus();
  }

 private:
  bool add_prefix_space_;
  std::unique_ptr<PreTokenizer> words_;  // null: whole pieces
};

enum class PrependScheme { kFirst, kNever, kAlways };

class Metaspace final : public PreTokenizer {
 public:
  Metaspace(char32_t replacement, PrependScheme scheme, bool split) : scheme_(scheme), split_(split) {
    AppendUtf8(replacement, &mark_);
    cut_ = std::make_unique<Split>(Pattern::Literal(mark_), SplitBehavior::kMergedWithNext, false);
  }

  absl::Status Apply(PieceList* list) const override {
    RewritePieces(list, [this](absl::string_view view, Piece* piece, std::string* out) {
      const bool marked = view[0] == ' ' || absl::StartsWith(view, mark_);
      const bool wanted = scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && piece->at_origin);
      size_t run = 0;
      if (!marked && wanted) {
        out->append(mark_);
        run = mark_.size();
      }
      for (size_t i = 0; i < view.size(); ++i) {
        const size_t before = out->size();
        if (view[i] == ' ') {
          out->append(mark_);
        } else {
          out->push_back(view[i]);
        }
        run += i < piece->origin_run ? out->size() - before : 0;
      }
      piece->origin_run = run;
    });
    return split_ ? cut_->Apply(list) : absl::OkStatus();
  }

 private:
  std::string mark_;
  PrependScheme scheme_;
  bool split_;
  std::unique_ptr<PreTokenizer> cut_;
};

class Sequence final : public PreTokenizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<PreTokenizer>> parts) : parts_(std::move(parts)) {}
  absl::Status Apply(PieceList* list) const override {
    for (const auto& part : parts_) {
      RETURN_IF_ERROR(part->Apply(list));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

using Made = absl::StatusOr<std::unique_ptr<PreTokenizer>>;

Made MakeSplit(const JsonField& field) {
  ASSIGN_OR_RETURN(Pattern pattern, PatternFromJson(field));
  ASSIGN_OR_RETURN(JsonField behavior_field, field.At("behavior"));
  ASSIGN_OR_RETURN(SplitBehavior behavior, SplitBehaviorFromJson(behavior_field));
  ASSIGN_OR_RETURN(bool invert, field.BoolAt("invert"));
  return std::make_unique<Split>(std::move(pattern), behavior, invert);
}

Made MakeByteLevel(const JsonField& field) {
  ASSIGN_OR_RETURN(bool prefix, field.BoolAt("add_prefix_space"));
  ASSIGN_OR_RETURN(bool use_regex, field.BoolOr("use_regex", true));
  std::unique_ptr<PreTokenizer> words;
  if (use_regex) {  // GPT-2's
    ASSIGN_OR_RETURN(Pattern pattern,
                     Pattern::Regex(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"));
    words = std::make_unique<Split>(std::move(pattern), SplitBehavior::kIsolated, false);
  }
  return std::make_unique<ByteLevel>(prefix, std::move(words));
}

Made MakeMetaspace(const JsonField& field) {
  ASSIGN_OR_RETURN(JsonField replacement_field, field.At("replacement"));
  ASSIGN_OR_RETURN(char32_t replacement, replacement_field.Character());
  ASSIGN_OR_RETURN(std::string name, field.StringOr("prepend_scheme", "always"));
  ASSIGN_OR_RETURN(bool prefix, field.BoolOr("add_prefix_space", true));
  ASSIGN_OR_RETURN(bool split, field.BoolOr("split", true));
  PrependScheme scheme = PrependScheme::kNever;
  if (name == "always" || name == "first") {
    scheme = name == "always" ? PrependScheme::kAlways : PrependScheme::kFirst;
  } else if (name != "never") {
    return field.Find("prepend_scheme").Unknown(absl::StrCat("\"", name, "\" is none of always, first, never"));
  }
  return std::make_unique<Metaspace>(replacement, prefix ? scheme : PrependScheme::kNever, split);
}

Made MakePunctuation(const JsonField& field) {
  SplitBehavior behavior = SplitBehavior::kIsolated;
  if (const JsonField given = field.Find("behavior"); given.present()) {
    ASSIGN_OR_RETURN(behavior, SplitBehaviorFromJson(given));
  }
  return std::make_unique<CharacterSplit>(IsPunctuation, behavior);
}

Made MakeSequence(const JsonField& field) {
  ASSIGN_OR_RETURN(auto parts, MakeEach<PreTokenizer>(field, "pretokenizers", MakePreTokenizer));
  return std::make_unique<Sequence>(std::move(parts));
}

std::unique_ptr<PreTokenizer> MakeBert() {
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  parts.push_back(std::make_unique<CharacterSplit>(IsWhitespace, SplitBehavior::kRemoved));
  parts.push_back(std::make_unique<CharacterSplit>(IsPunctuation, SplitBehavior::kIsolated));
  return std::make_unique<Sequence>(std::move(parts));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PreTokenizer>> MakePreTokenizer(const JsonField& field) {
  if (!field.present()) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(std::string type, field.StringAt("type"));
  if (type == "Sequence") {
    return MakeSequence(field);
  }
  if (type == "ByteLevel") {
    return MakeByteLevel(field);
  }
  if (type == "Split") {
    return MakeSplit(field);
  }
  if (type == "Metaspace") {
    return MakeMetaspace(field);
  }
  if (type == "BertPreTokenizer") {
    return MakeBert();
  }
  if (type == "Whitespace") {
    return std::make_unique<Whitespace>();
  }
  if (type == "WhitespaceSplit") {
    return std::make_unique<CharacterSplit>(IsWhitespace, SplitBehavior::kRemoved);
  }
  if (type == "Punctuation") {
    return MakePunctuation(field);
  }
  if (type == "Digits") {
    ASSIGN_OR_RETURN(bool individual, field.BoolAt("individual_digits"));
    return std::make_unique<CharacterSplit>(IsNumeric,
                                            individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (type == "CharDelimiterSplit") {
    ASSIGN_OR_RETURN(JsonField delimiter_field, field.At("delimiter"));
    ASSIGN_OR_RETURN(char32_t delimiter, delimiter_field.Character());
    return std::make_unique<CharacterSplit>([delimiter](char32_t c) { return c == delimiter; },
                                            SplitBehavior::kRemoved);
  }
  if (type == "FixedLength") {
    ASSIGN_OR_RETURN(int64_t length, field.IntegerOr("length", 5));
    if (length < 1) {
      return field.Find("length").Error("must be at least 1");
    }
    return std::make_unique<FixedLength>(length);
  }
  return field.Find("type").Unknown(absl::StrCat("\"", type, "\" is no pre-tokenizer this build knows"));
}

}  // namespace sluice::text
