// Unigram: of all ways to spell a piece, the one whose token scores (log probabilities) sum highest.
#include <algorithm>
#include <limits>

#include "runtime/text/model.h"
#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

constexpr double kUnkPenalty = 10.0;  // an unknown character scores this much below the worst token

// The vocabulary's tokens as a byte trie in one array, children sorted by byte: a walk finds all tokens that begin a
// text.
class Trie {
 public:
  struct Node {
    uint32_t children = 0;  // first child
    uint16_t count = 0;
    uint8_t byte = 0;
    int32_t id = -1;  // of the token that ends here
  };

  // `tokens`: (token, id), of equal tokens only the one that counts.
  void Build(std::vector<std::pair<absl::string_view, int32_t>> tokens) {
    std::sort(tokens.begin(), tokens.end());
    nodes_.assign(1, Node{});
    struct Job {
      size_t node, begin, end, depth;
    };
    std::vector<Job> jobs{{0, 0, tokens.size(), 0}};
    for (size_t j = 0; j < jobs.size(); ++j) {  // breadth first, so that siblings lie together
      auto [node, begin, end, depth] = jobs[j];
      if (begin < end && tokens[begin].first.size() == depth) {
        nodes_[node].id = tokens[begin].second;
        ++begin;
      }
      nodes_[node].children = static_cast<uint32_t>(nodes_.size());
      while (begin < end) {
        const char byte = tokens[begin].first[depth];
        size_t last = begin;
        while (last < end && tokens[last].first[depth] == byte) {
          ++last;
        }
        ++nodes_[node].count;
        nodes_.push_back({.byte = static_cast<uint8_t>(byte)});
        jobs.push_back({nodes_.size() - 1, begin, last, depth + 1});
        begin = last;
      }
    }
  }

  const Node* root() const { return nodes_.data(); }
  const Node* Child(const Node* node, char c) const {
    const uint8_t byte = static_cast<uint8_t>(c);
    const Node* begin = nodes_.data() + node->children;
    const Node* end = begin + node->count;
    const Node* it = std::lower_bound(begin, end, byte, [](const Node& n, uint8_t b) { return n.byte < b; });
    return it != end && it->byte == byte ? it : nullptr;
  }

 private:
  std::vector<Node> nodes_;
};

class Unigram final : public Model {
 public:
  absl::Status Init(const JsonField& field);
  absl::Status Tokenize(absl::string_view piece, std::vector<int32_t>* ids) const override;
  int64_t size() const override { return static_cast<int64_t>(scores_.size()); }

 private:
  struct Best {  // path that ends at a byte
    double score = 0;
    int64_t begin = -1;  // of its last token; -1: no path yet
    int32_t id = 0;
  };
  absl::Status BestPaths(absl::string_view piece, std::vector<Best>* best) const;
  absl::Status AppendToken(absl::string_view text, std::vector<int32_t>* ids) const;

  Trie trie_;
  std::vector<double> scores_;
  std::vector<int32_t> byte_tokens_;
  double unk_score_ = 0;
  int32_t unk_ = -1;
  bool byte_fallback_ = false;
};

absl::Status Unigram::Init(const JsonField& field) {
  ASSIGN_OR_RETURN(byte_fallback_, field.BoolOr("byte_fallback", false));
  ASSIGN_OR_RETURN(JsonField vocab, field.At("vocab"));
  RETURN_IF_ERROR(vocab_.FromScoredArray(vocab, &scores_));
  ASSIGN_OR_RETURN(int64_t unk, field.IntegerOr("unk_id", -1));
  if (unk >= static_cast<int64_t>(scores_.size()) || unk < -1) {
    return field.Find("unk_id").Error(absl::StrCat(unk, " is outside the ", scores_.size(), " tokens"));
  }
  unk_ = static_cast<int32_t>(unk);
  byte_tokens_ = ByteTokens(vocab_);
  double lowest = std::numeric_limits<double>::infinity();
  std::vector<std::pair<absl::string_view, int32_t>> tokens;
  tokens.reserve(scores_.size());
  for (size_t id = 0; id < scores_.size(); ++id) {
    lowest = std::min(lowest, scores_[id]);
    const absl::string_view token = vocab_.Token(static_cast<int64_t>(id));
    if (vocab_.Find(token) == static_cast<int32_t>(id) && !token.empty()) {
      tokens.emplace_back(token, static_cast<int32_t>(id));
    }
  }
  unk_score_ = lowest - kUnkPenalty;
  trie_.Build(std::move(tokens));
  return absl::OkStatus();
}

absl::Status Unigram::BestPaths(absl::string_view piece, std::vector<Best>* best) const {
  best->assign(piece.size() + 1, Best{});
  auto offer = [best](size_t end, double score, size_t begin, int32_t id) {
    Best& b = (*best)[end];
    if (b.begin < 0 || score > b.score) {
      b = {score, static_cast<int64_t>(begin), id};
    }
  };
  for (size_t begin = 0; begin < piece.size();) {
    const double here = (*best)[begin].score;
    const size_t length = static_cast<size_t>(Utf8Length(piece[begin]));
    bool single = false;  // some token is exactly this character
    const Trie::Node* node = trie_.root();
    for (size_t i = begin; i < piece.size(); ++i) {
      node = trie_.Child(node, piece[i]);
      if (node == nullptr) {
        break;
      }
      if (node->id >= 0) {
        offer(i + 1, scores_[node->id] + here, begin, node->id);
        single = single || i + 1 - begin == length;
      }
    }
    if (!single) {
      if (unk_ < 0) {
        return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: model.unk_id: missing, and \"",
                                                       piece.substr(begin, length), "\" is in no token"));
      }
      offer(begin + length, unk_score_ + here, begin, unk_);
    }
    begin += length;
  }
  return absl::OkStatus();
}

absl::Status Unigram::AppendToken(absl::string_view text, std::vector<int32_t>* ids) const {
  if (const int32_t id = vocab_.Find(text); id >= 0) {
    ids->push_back(id);
  } else if (!byte_fallback_ || !AppendByteTokens(byte_tokens_, text, ids)) {
    ids->push_back(unk_);
  }
  return absl::OkStatus();
}

absl::Status Unigram::Tokenize(absl::string_view piece, std::vector<int32_t>* ids) const {
  std::vector<Best> best;
  RETURN_IF_ERROR(BestPaths(piece, &best));
  std::vector<std::pair<size_t, size_t>> spans;  // last to first; neighbouring unknown characters are one token
  bool in_unk = false;
  for (size_t end = piece.size(); end > 0;) {
    const size_t begin = static_cast<size_t>(best[end].begin);
    const bool unk = best[end].id == unk_;
    if (unk && in_unk) {
      spans.back().first = begin;
    } else {
      spans.emplace_back(begin, end);
    }
    in_unk = unk;
    end = begin;
  }
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    RETURN_IF_ERROR(AppendToken(piece.substr(span->first, span->second - span->first), ids));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeUnigram(const JsonField& field) {
  auto model = std::make_unique<Unigram>();
  RETURN_IF_ERROR(model->Init(field));
  return model;
}

}  // namespace sluice::text
