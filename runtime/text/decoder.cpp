#include "runtime/text/decoder.h"

#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "runtime/text/byte_level.h"
#include "runtime/text/regex.h"
#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

using Tokens = std::vector<std::string>;
using Made = absl::StatusOr<std::unique_ptr<Decoder>>;

// A decoder that cannot fail.
class Simple final : public Decoder {
 public:
  explicit Simple(std::function<void(Tokens*)> f) : f_(std::move(f)) {}
  absl::Status Apply(Tokens* tokens) const override {
    f_(tokens);
    return absl::OkStatus();
  }

 private:
  std::function<void(Tokens*)> f_;
};

// absl::StrReplaceAll with one pair, which may be empty (then nothing changes).
void ReplaceAll(absl::string_view from, absl::string_view to, std::string* text) {
  if (!from.empty()) {
    absl::StrReplaceAll({{from, to}}, text);
  }
}

void DecodeByteLevel(Tokens* tokens) {
  std::string bytes;
  for (const std::string& token : *tokens) {
    const size_t before = bytes.size();
    for (size_t pos = 0; pos < token.size();) {
      const int byte = ByteOfChar(NextChar(token, &pos));
      if (byte < 0) {  // not a byte string: an added token, taken as it is
        bytes.resize(before);
        bytes += token;
        break;
      }
      bytes.push_back(static_cast<char>(byte));
    }
  }
  *tokens = {ToValidUtf8(bytes)};
}

int ByteOfToken(absl::string_view token) {  // "<0x41>" → 0x41, else -1
  if (token.size() != 6 || !absl::StartsWith(token, "<0x") || token[5] != '>') {
    return -1;
  }
  int value = 0;
  for (char c : token.substr(3, 2)) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return -1;
    }
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    value = value * 16 + (lower <= '9' ? lower - '0' : lower - 'a' + 10);
  }
  return value;
}

void DecodeByteFallback(Tokens* tokens) {
  Tokens out;
  std::string bytes;
  size_t n = 0;
  auto flush = [&] {
    if (n > 0 && ToValidUtf8(bytes) == bytes) {
      out.push_back(bytes);
    } else {
      out.insert(out.end(), n, "\xEF\xBF\xBD");  // one for each byte
    }
    bytes.clear();
    n = 0;
  };
  for (std::string& token : *tokens) {
    const int byte = ByteOfToken(token);
    if (byte >= 0) {
      bytes.push_back(static_cast<char>(byte));
      ++n;
    } else {
      flush();
      out.push_back(std::move(token));
    }
  }
  flush();
  *tokens = std::move(out);
}

// English spacing, undone one rule after the other (a joint replacement would give other results).
void CleanUp(std::string* text) {
  static constexpr const char* kRules[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                              {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                              {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) {
    ReplaceAll(from, to, text);
  }
}

Made MakeWordPiece(const JsonField& field) {
  ASSIGN_OR_RETURN(std::string prefix, field.StringAt("prefix"));
  ASSIGN_OR_RETURN(bool cleanup, field.BoolAt("cleanup"));
  return std::make_unique<Simple>([=](Tokens* tokens) {
    for (size_t i = 0; i < tokens->size(); ++i) {
      std::string& token = (*tokens)[i];
      if (i > 0 && absl::StartsWith(token, prefix)) {
        token.erase(0, prefix.size());
      } else if (i > 0) {
        token.insert(0, " ");
      }
      if (cleanup) {
        CleanUp(&token);
      }
    }
  });
}

Made MakeMetaspace(const JsonField& field) {
  ASSIGN_OR_RETURN(JsonField replacement_field, field.At("replacement"));
  ASSIGN_OR_RETURN(char32_t replacement, replacement_field.Character());
  ASSIGN_OR_RETURN(std::string scheme, field.StringOr("prepend_scheme", "always"));
  ASSIGN_OR_RETURN(bool prefix, field.BoolOr("add_prefix_space", true));
  const bool strip_first = prefix && scheme != "never";
  std::string mark;
  AppendUtf8(replacement, &mark);
  return std::make_unique<Simple>([=](Tokens* tokens) {
    for (size_t i = 0; i < tokens->size(); ++i) {
      ReplaceAll(mark, i == 0 && strip_first ? "" : " ", &(*tokens)[i]);
    }
  });
}

Made MakeCtc(const JsonField& field) {
  ASSIGN_OR_RETURN(std::string pad, field.StringAt("pad_token"));
  ASSIGN_OR_RETURN(std::string word, field.StringAt("word_delimiter_token"));
  ASSIGN_OR_RETURN(bool cleanup, field.BoolAt("cleanup"));
  return std::make_unique<Simple>([=](Tokens* tokens) {
    Tokens out;
    for (size_t i = 0; i < tokens->size(); ++i) {
      if (i > 0 && (*tokens)[i] == (*tokens)[i - 1]) {
        continue;
      }
      std::string token = (*tokens)[i];
      ReplaceAll(pad, "", &token);
      if (cleanup) {
        CleanUp(&token);
        ReplaceAll(word, " ", &token);
      }
      if (!token.empty()) {
        out.push_back(std::move(token));
      }
    }
    *tokens = std::move(out);
  });
}

Made MakeBpeDecoder(const JsonField& field) {
  ASSIGN_OR_RETURN(std::string suffix, field.StringAt("suffix"));
  return std::make_unique<Simple>([=](Tokens* tokens) {
    for (size_t i = 0; i < tokens->size(); ++i) {
      ReplaceAll(suffix, i + 1 == tokens->size() ? "" : " ", &(*tokens)[i]);
    }
  });
}

Made MakeStrip(const JsonField& field) {
  ASSIGN_OR_RETURN(JsonField content_field, field.At("content"));
  ASSIGN_OR_RETURN(char32_t content, content_field.Character());
  ASSIGN_OR_RETURN(int64_t start, field.IntegerOr("start", 0));
  ASSIGN_OR_RETURN(int64_t stop, field.IntegerOr("stop", 0));
  std::string mark;
  AppendUtf8(content, &mark);
  return std::make_unique<Simple>([=](Tokens* tokens) {
    for (std::string& token : *tokens) {
      absl::string_view rest = token;
      for (int64_t i = 0; i < start && absl::ConsumePrefix(&rest, mark); ++i) {
      }
      for (int64_t i = 0; i < stop && absl::ConsumeSuffix(&rest, mark); ++i) {
      }
      token = std::string(rest);
    }
  });
}

class Replace final : public Decoder {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  absl::Status Apply(Tokens* tokens) const override {
    std::vector<Match> parts;
    for (std::string& token : *tokens) {
      RETURN_IF_ERROR(pattern_.Split(token, &parts));
      std::string out;
      for (const Match& part : parts) {
        out.append(part.is_match ? content_ : token.substr(part.begin, part.end - part.begin));
      }
      token = std::move(out);
    }
    return absl::OkStatus();
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Sequence final : public Decoder {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Decoder>> parts) : parts_(std::move(parts)) {}
  absl::Status Apply(Tokens* tokens) const override {
    for (const auto& part : parts_) {
      RETURN_IF_ERROR(part->Apply(tokens));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
};

Made MakeReplace(const JsonField& field) {
  ASSIGN_OR_RETURN(Pattern pattern, PatternFromJson(field));
  ASSIGN_OR_RETURN(std::string content, field.StringAt("content"));
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}

Made MakeSequence(const JsonField& field) {
  ASSIGN_OR_RETURN(auto parts, MakeEach<Decoder>(field, "decoders", MakeDecoder));
  return std::make_unique<Sequence>(std::move(parts));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Decoder>> MakeDecoder(const JsonField& field) {
  if (!field.present()) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(std::string type, field.StringAt("type"));
  if (type == "Sequence") {
    return MakeSequence(field);
  }
  if (type == "ByteLevel") {
    return std::make_unique<Simple>(DecodeByteLevel);
  }
  if (type == "Metaspace") {
    return MakeMetaspace(field);
  }
  if (type == "WordPiece") {
    return MakeWordPiece(field);
  }
  if (type == "ByteFallback") {
    return std::make_unique<Simple>(DecodeByteFallback);
  }
  if (type == "Fuse") {
    return std::make_unique<Simple>([](Tokens* tokens) { *tokens = {absl::StrJoin(*tokens, "")}; });
  }
  if (type == "Replace") {
    return MakeReplace(field);
  }
  if (type == "Strip") {
    return MakeStrip(field);
  }
  if (type == "BPEDecoder") {
    return MakeBpeDecoder(field);
  }
  if (type == "CTC") {
    return MakeCtc(field);
  }
  return field.Find("type").Unknown(absl::StrCat("\"", type, "\" is no decoder this build knows"));
}

}  // namespace sluice::text
