// tokenizer.json's "model": turns one piece of text into token ids.  Four kinds: BPE, Unigram, WordPiece, WordLevel.
#ifndef SLUICE_RUNTIME_TEXT_MODEL_H_
#define SLUICE_RUNTIME_TEXT_MODEL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/text/json.h"

namespace sluice::text {

// Token strings and their ids, both ways.  Ids may have holes; of equal strings the last one counts.
class Vocab {
 public:
  Vocab() = default;
  Vocab(const Vocab&) = delete;  // the map's keys point into the strings
  Vocab& operator=(const Vocab&) = delete;

  // {"token": id, …}, as BPE, WordPiece and WordLevel have it.
  absl::Status FromObject(const JsonField& field);
  // [["token", score], …]: the place is the id.  Fills `scores`.
  absl::Status FromScoredArray(const JsonField& field, std::vector<double>* scores);

  // -1 for a string that is no token.
  int32_t Find(absl::string_view token) const {
    auto it = ids_.find(token);
    return it == ids_.end() ? -1 : it->second;
  }
  // Whether id names a token, and its string ("" if not).
  bool Has(int64_t id) const { return id >= 0 && id < static_cast<int64_t>(tokens_.size()) && tokens_[id].data(); }
  absl::string_view Token(int64_t id) const { return Has(id) ? tokens_[id] : absl::string_view(); }

  size_t size() const { return ids_.size(); }          // different strings
  int64_t id_limit() const { return tokens_.size(); }  // largest id + 1

 private:
  absl::Status Add(const JsonField& field, absl::string_view token, int64_t id);

  std::string bytes_;
  std::vector<absl::string_view> tokens_;  // by id; data() == nullptr for a hole
  absl::flat_hash_map<absl::string_view, int32_t> ids_;
};

class Model {
 public:
  virtual ~Model() = default;

  // Appends the ids of one piece.  Errors: kInvalidArgument for text that the vocabulary cannot spell when it has no
  // unknown token.
  virtual absl::Status Tokenize(absl::string_view piece, std::vector<int32_t>* ids) const = 0;

  const Vocab& vocab() const { return vocab_; }
  // What the library counts as the model's size: the first id an added token outside the vocabulary may get.
  virtual int64_t size() const { return static_cast<int64_t>(vocab_.size()); }

 protected:
  Vocab vocab_;
};

// Errors name the field; an unknown "type" is kUnimplemented.
absl::StatusOr<std::unique_ptr<Model>> MakeModel(const JsonField& field);
absl::StatusOr<std::unique_ptr<Model>> MakeBpe(const JsonField& field);
absl::StatusOr<std::unique_ptr<Model>> MakeUnigram(const JsonField& field);
absl::StatusOr<std::unique_ptr<Model>> MakeWordPiece(const JsonField& field);
absl::StatusOr<std::unique_ptr<Model>> MakeWordLevel(const JsonField& field);

// The byte tokens "<0x00>" … "<0xFF>": ids by byte, -1 where the vocabulary lacks one.
std::vector<int32_t> ByteTokens(const Vocab& vocab);
// Appends the tokens of all bytes of `text` if every one exists.
bool AppendByteTokens(const std::vector<int32_t>& byte_tokens, absl::string_view text, std::vector<int32_t>* ids);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_MODEL_H_
