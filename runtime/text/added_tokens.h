// tokenizer.json's "added_tokens": strings with an id of their own, found before anything else looks at the text.
// "<|im_start|>user" is the token <|im_start|> and the text "user".
#ifndef SLUICE_RUNTIME_TEXT_ADDED_TOKENS_H_
#define SLUICE_RUNTIME_TEXT_ADDED_TOKENS_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "runtime/text/json.h"
#include "runtime/text/model.h"
#include "runtime/text/normalizer.h"
#include "runtime/text/pre_tokenizer.h"

namespace sluice::text {

struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // … and behind it
  bool normalized = false;   // is sought in the normalized text, in normalized spelling
  bool special = false;      // Decode may leave it out
};

class AddedTokens {
 public:
  // Ids: the model's for a string it knows, else the next free ones, in the file's order (the file's own "id" is not
  // trusted: neither does the library).  `normalizer` may be null.
  absl::Status Init(const JsonField& field, const Model& model, const Normalizer* normalizer);

  // Finds the tokens in valid UTF-8 and normalizes the text between them.
  absl::Status Extract(absl::string_view text, const Normalizer* normalizer, PieceList* list) const;

  // The added token with this id, or null; and by content, -1 if there is none.
  const AddedToken* Find(int64_t id) const;
  int32_t Find(absl::string_view content) const;
  // How Decode spells the token: as it looks after normalization.
  absl::string_view Spelling(const AddedToken& token) const;
  bool IsSpecial(absl::string_view spelling) const { return special_.contains(spelling); }

  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  // All strings to find, as a byte trie.
  struct Matcher {
    struct Node {
      std::vector<std::pair<char, uint32_t>> next;
      int32_t token = -1;  // index into tokens_
    };
    std::vector<Node> nodes = std::vector<Node>(1);
    bool first[256] = {};
    bool empty = true;

    void Add(absl::string_view text, int32_t token);
    // The longest string at text[pos]: its token, -1 if none; *end behind it.
    int32_t Longest(absl::string_view text, size_t pos, size_t* end) const;
  };
  struct Found {
    int32_t token;  // -1: text between tokens
    size_t begin, end;
  };

  std::vector<Found> Split(absl::string_view text, const Matcher& matcher) const;

  std::vector<AddedToken> tokens_;
  std::vector<std::string> spellings_;  // of tokens_
  absl::flat_hash_map<int64_t, int32_t> by_id_;
  absl::flat_hash_map<std::string, int32_t> by_content_;
  absl::flat_hash_set<std::string> special_;
  Matcher plain_, normalized_;
};

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_ADDED_TOKENS_H_
