// WordLevel: a piece is a token or unknown.  WordPiece: the longest token that begins the piece, then the longest
// "##"-token that continues it, and so on; a piece that cannot be finished is unknown as a whole.
#include <algorithm>

#include "runtime/text/model.h"
#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

class WordModel : public Model {
 public:
  absl::Status Init(const JsonField& field) {
    ASSIGN_OR_RETURN(unk_token_, field.StringAt("unk_token"));
    ASSIGN_OR_RETURN(JsonField vocab, field.At("vocab"));
    RETURN_IF_ERROR(vocab_.FromObject(vocab));
    unk_ = vocab_.Find(unk_token_);
    return absl::OkStatus();
  }

 protected:
  absl::Status AppendUnknown(absl::string_view piece, std::vector<int32_t>* ids) const {
    if (unk_ < 0) {
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: model.unk_token: \"", unk_token_,
                                                     "\" is not in model.vocab, and \"", piece, "\" needs it"));
    }
    ids->push_back(unk_);
    return absl::OkStatus();
  }

 private:
  std::string unk_token_;
  int32_t unk_ = -1;
};

class WordLevel final : public WordModel {
 public:
  absl::Status Tokenize(absl::string_view piece, std::vector<int32_t>* ids) const override {
    const int32_t id = vocab_.Find(piece);
    if (id < 0) {
      return AppendUnknown(piece, ids);
    }
    ids->push_back(id);
    return absl::OkStatus();
  }
};

class WordPiece final : public WordModel {
 public:
  absl::Status Init(const JsonField& field) {
    RETURN_IF_ERROR(WordModel::Init(field));
    ASSIGN_OR_RETURN(prefix_, field.StringAt("continuing_subword_prefix"));
    ASSIGN_OR_RETURN(max_characters_, field.IntegerOr("max_input_chars_per_word", 100));
    return absl::OkStatus();
  }

  absl::Status Tokenize(absl::string_view piece, std::vector<int32_t>* ids) const override {
    const int64_t characters = std::count_if(piece.begin(), piece.end(), [](char c) { return (c & 0xC0) != 0x80; });
    if (characters > max_characters_) {
      return AppendUnknown(piece, ids);
    }
    const size_t before = ids->size();
    std::string text;  // what is left, with the prefix from the second token on
    for (size_t begin = 0; begin < piece.size();) {
      const size_t prefix = begin > 0 ? prefix_.size() : 0;
      text.assign(prefix_, 0, prefix);
      text.append(piece.data() + begin, piece.size() - begin);
      int32_t id = -1;
      while (text.size() > prefix && (id = vocab_.Find(text)) < 0) {
        do {  // one character off the end
          text.pop_back();
        } while (text.size() > prefix && (piece[begin + text.size() - prefix] & 0xC0) == 0x80);
      }
      if (id < 0) {
        ids->resize(before);
        return AppendUnknown(piece, ids);
      }
      ids->push_back(id);
      begin += text.size() - prefix;
    }
    return absl::OkStatus();
  }

 private:
  std::string prefix_;
  int64_t max_characters_ = 100;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeWordLevel(const JsonField& field) {
  auto model = std::make_unique<WordLevel>();
  RETURN_IF_ERROR(model->Init(field));
  return model;
}

absl::StatusOr<std::unique_ptr<Model>> MakeWordPiece(const JsonField& field) {
  auto model = std::make_unique<WordPiece>();
  RETURN_IF_ERROR(model->Init(field));
  return model;
}

}  // namespace sluice::text
