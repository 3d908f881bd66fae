#include "runtime/text/tokenizer.h"

#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "runtime/text/added_tokens.h"
#include "runtime/text/decoder.h"
#include "runtime/text/json.h"
#include "runtime/text/model.h"
#include "runtime/text/normalizer.h"
#include "runtime/text/post_processor.h"
#include "runtime/text/pre_tokenizer.h"
#include "runtime/text/unicode.h"

namespace sluice::text {

namespace {
constexpr int64_t kMaxPadding = int64_t{1} << 24;  // ids; beyond any context
}  // namespace

struct Tokenizer::Impl {
  absl::Status Init(const JsonField& root);
  absl::Status InitLimits(const JsonField& root);
  absl::Status InitSpecialTokens(const std::string& dir);
  absl::StatusOr<std::vector<int32_t>> Tokens(absl::string_view text) const;
  absl::string_view Spelling(int32_t id) const;
  int32_t TokenToId(absl::string_view token) const;

  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<Model> model;
  std::unique_ptr<Decoder> decoder;
  PostProcessor post_processor;
  AddedTokens added;
  SpecialTokens special;
  int64_t id_limit = 0;

  int64_t max_length = -1;  // "truncation": ids kept, special ones counted; -1: all
  bool cut_left = false;
  int64_t pad_length = 0, pad_multiple = 0;  // "padding"
  int32_t pad_id = 0;
  bool pad_left = false;
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

absl::Status Tokenizer::Impl::Init(const JsonField& root) {
  RETURN_IF_ERROR(root.Expect(JsonKind::kObject));
  ASSIGN_OR_RETURN(std::string version, root.StringOr("version", "1.0"));
  if (version != "1.0") {
    return root.Find("version").Unknown(absl::StrCat("\"", version, "\", this build reads 1.0"));
  }
  ASSIGN_OR_RETURN(JsonField model_field, root.At("model"));
  ASSIGN_OR_RETURN(model, MakeModel(model_field));
  ASSIGN_OR_RETURN(normalizer, MakeNormalizer(root.Find("normalizer")));
  ASSIGN_OR_RETURN(pre_tokenizer, MakePreTokenizer(root.Find("pre_tokenizer")));
  ASSIGN_OR_RETURN(post_processor, PostProcessor::Make(root.Find("post_processor")));
  ASSIGN_OR_RETURN(decoder, MakeDecoder(root.Find("decoder")));
  RETURN_IF_ERROR(added.Init(root.Find("added_tokens"), *model, normalizer.get()));
  id_limit = model->vocab().id_limit();
  for (const AddedToken& token : added.tokens()) {
    id_limit = std::max<int64_t>(id_limit, token.id + 1);
  }
  return InitLimits(root);
}

absl::Status Tokenizer::Impl::InitLimits(const JsonField& root) {
  if (const JsonField truncation = root.Find("truncation"); truncation.present()) {
    ASSIGN_OR_RETURN(max_length, truncation.IntegerOr("max_length", 512));
    ASSIGN_OR_RETURN(std::string direction, truncation.StringOr("direction", "Right"));
    cut_left = direction == "Left";
  }
  if (const JsonField padding = root.Find("padding"); padding.present()) {
    const JsonField fixed = padding.Find("strategy").Find("Fixed");
    if (fixed.present()) {
      ASSIGN_OR_RETURN(pad_length, fixed.Integer());
    }
    ASSIGN_OR_RETURN(pad_multiple, padding.IntegerOr("pad_to_multiple_of", 0));
    if (std::max(pad_length, pad_multiple) > kMaxPadding || std::min(pad_length, pad_multiple) < 0) {
      return padding.Error(absl::StrCat("a length of ", pad_length, " or a multiple of ", pad_multiple));
    }
    ASSIGN_OR_RETURN(int64_t id, padding.IntegerOr("pad_id", 0));
    ASSIGN_OR_RETURN(std::string direction, padding.StringOr("direction", "Right"));
    pad_id = static_cast<int32_t>(id);
    pad_left = direction == "Left";
  }
  return absl::OkStatus();
}

// "eos_token": "</s>", or {"content": "</s>", …}; tokenizer_config.json's word counts before special_tokens_map.json's.
absl::Status Tokenizer::Impl::InitSpecialTokens(const std::string& dir) {
  const std::pair<const char*, int32_t*> roles[] = {{"bos_token", &special.bos},  {"eos_token", &special.eos},
                                                    {"unk_token", &special.unk},  {"sep_token", &special.sep},
                                                    {"pad_token", &special.pad},  {"cls_token", &special.cls},
                                                    {"mask_token", &special.mask}};
  for (const char* file : {"/tokenizer_config.json", "/special_tokens_map.json"}) {
    absl::StatusOr<JsonDocument> doc = JsonDocument::Read(dir + file);
    if (absl::IsNotFound(doc.status())) {
      continue;
    }
    RETURN_IF_ERROR(doc.status());
    const JsonField root = doc->root();
    RETURN_IF_ERROR(root.Expect(JsonKind::kObject));
    for (const auto& [key, id] : roles) {
      JsonField token = root.Find(key);
      if (*id >= 0 || !token.present()) {
        continue;
      }
      if (token.value().kind() == JsonKind::kObject) {
        ASSIGN_OR_RETURN(token, token.At("content"));
      }
      ASSIGN_OR_RETURN(std::string content, token.String());
      *id = TokenToId(content);
    }
  }
  return absl::OkStatus();
}

int32_t Tokenizer::Impl::TokenToId(absl::string_view token) const {
  const int32_t id = added.Find(token);
  return id >= 0 ? id : model->vocab().Find(token);
}

absl::string_view Tokenizer::Impl::Spelling(int32_t id) const {
  const AddedToken* token = added.Find(static_cast<int64_t>(id));
  return token != nullptr ? added.Spelling(*token) : model->vocab().Token(id);
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Impl::Tokens(absl::string_view text) const {
  PieceList list;
  list.text.reserve(text.size() + 16);
  RETURN_IF_ERROR(added.Extract(ToValidUtf8(text), normalizer.get(), &list));
  if (pre_tokenizer != nullptr) {
    RETURN_IF_ERROR(pre_tokenizer->Apply(&list));
  }
  std::vector<int32_t> ids;
  ids.reserve(list.pieces.size() * 2);
  for (const Piece& piece : list.pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else if (piece.begin < piece.end) {
      RETURN_IF_ERROR(model->Tokenize(list.View(piece), &ids));
    }
  }
  return ids;
}

absl::StatusOr<Tokenizer> Tokenizer::Load(const std::string& path) {
  struct stat info;
  const bool folder = stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  const size_t slash = path.rfind('/');
  const std::string dir = folder ? path : slash == std::string::npos ? "." : path.substr(0, slash);
  ASSIGN_OR_RETURN(JsonDocument doc, JsonDocument::Read(folder ? path + "/tokenizer.json" : path));
  auto impl = std::make_unique<Impl>();
  RETURN_IF_ERROR(impl->Init(doc.root()));
  RETURN_IF_ERROR(impl->InitSpecialTokens(dir));
  return Tokenizer(std::move(impl));
}

absl::StatusOr<Tokenizer> Tokenizer::Parse(absl::string_view json) {
  ASSIGN_OR_RETURN(JsonDocument doc, JsonDocument::Parse(json, "tokenizer.json"));
  auto impl = std::make_unique<Impl>();
  RETURN_IF_ERROR(impl->Init(doc.root()));
  return Tokenizer(std::move(impl));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(absl::string_view text, bool add_special_tokens) const {
  ASSIGN_OR_RETURN(std::vector<int32_t> ids, impl_->Tokens(text));
  return impl_->post_processor.Apply(ids, add_special_tokens);
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::EncodeFitted(absl::string_view text) const {
  ASSIGN_OR_RETURN(std::vector<int32_t> ids, impl_->Tokens(text));
  if (impl_->max_length >= 0) {
    const size_t room = static_cast<size_t>(std::max<int64_t>(0, impl_->max_length - impl_->post_processor.added()));
    if (ids.size() > room) {
      const auto cut = static_cast<std::ptrdiff_t>(ids.size() - room);
      impl_->cut_left ? ids.erase(ids.begin(), ids.begin() + cut) : ids.erase(ids.end() - cut, ids.end());
    }
  }
  ids = impl_->post_processor.Apply(ids, true);
  size_t length = std::max(ids.size(), static_cast<size_t>(impl_->pad_length));
  if (const size_t multiple = static_cast<size_t>(impl_->pad_multiple); multiple > 0) {
    length = (length + multiple - 1) / multiple * multiple;
  }
  ids.insert(impl_->pad_left ? ids.begin() : ids.end(), length - ids.size(), impl_->pad_id);
  return ids;
}

absl::StatusOr<std::string> Tokenizer::Decode(absl::Span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (int32_t id : ids) {
    const absl::string_view spelling = impl_->Spelling(id);
    if (spelling.data() != nullptr && !(skip_special_tokens && impl_->added.IsSpecial(spelling))) {
      tokens.emplace_back(spelling);
    }
  }
  if (impl_->decoder == nullptr) {
    return absl::StrJoin(tokens, " ");
  }
  RETURN_IF_ERROR(impl_->decoder->Apply(&tokens));
  return absl::StrJoin(tokens, "");
}

int32_t Tokenizer::TokenToId(absl::string_view token) const { return impl_->TokenToId(token); }

std::string Tokenizer::IdToToken(int32_t id) const { return std::string(impl_->Spelling(id)); }

bool Tokenizer::IsSpecial(int32_t id) const { return impl_->added.IsSpecial(impl_->Spelling(id)); }

int64_t Tokenizer::id_limit() const { return impl_->id_limit; }

const SpecialTokens& Tokenizer::special_tokens() const { return impl_->special; }

}  // namespace sluice::text
