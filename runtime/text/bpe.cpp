// Byte-pair encoding: a word starts as its characters and the pair of lowest rank is merged until none is left.
#include <algorithm>
#include <queue>

#include "absl/strings/str_split.h"
#include "runtime/text/model.h"
#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

struct Merge {
  int32_t rank, id;
};

uint64_t PairKey(int32_t a, int32_t b) {
  return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
}

// A token of the word in progress, in a doubly linked list.  Dead once merged into its left neighbour.
struct Symbol {
  int32_t id;
  int32_t previous, next;  // -1 at the ends
  bool alive;
};

struct Candidate {
  int32_t rank, position, id;
  bool operator>(const Candidate& o) const { return rank != o.rank ? rank > o.rank : position > o.position; }
};

class Bpe final : public Model {
 public:
  absl::Status Init(const JsonField& field);
  absl::Status Tokenize(absl::string_view piece, std::vector<int32_t>* ids) const override;

 private:
  absl::Status AddMerges(const JsonField& field);
  absl::Status AddMerge(const JsonField& field, absl::string_view a, absl::string_view b, int32_t rank);
  absl::Status Characters(absl::string_view piece, std::vector<int32_t>* ids) const;
  int32_t CharacterId(absl::string_view c, bool first, bool last) const;
  const Merge* FindMerge(int32_t a, int32_t b) const {
    auto it = merges_.find(PairKey(a, b));
    return it == merges_.end() ? nullptr : &it->second;
  }
  void MergeAll(std::vector<int32_t>* ids) const;

  absl::flat_hash_map<uint64_t, Merge> merges_;
  std::string prefix_, suffix_, unk_token_;
  int32_t unk_ = -1;
  bool has_unk_ = false, fuse_unk_ = false, byte_fallback_ = false, ignore_merges_ = false;
  std::vector<int32_t> byte_tokens_;
  std::vector<int32_t> short_ids_;  // by code point below 0x400, where no prefix or suffix applies
};

absl::Status Bpe::Init(const JsonField& field) {
  if (const JsonField dropout = field.Find("dropout"); dropout.present()) {
    ASSIGN_OR_RETURN(double p, dropout.Number());
    if (p != 0) {
      return dropout.Unknown("random merges are for training (set it to null)");
    }
  }
  ASSIGN_OR_RETURN(prefix_, field.StringOr("continuing_subword_prefix", ""));
  ASSIGN_OR_RETURN(suffix_, field.StringOr("end_of_word_suffix", ""));
  ASSIGN_OR_RETURN(unk_token_, field.StringOr("unk_token", ""));
  ASSIGN_OR_RETURN(fuse_unk_, field.BoolOr("fuse_unk", false));
  ASSIGN_OR_RETURN(byte_fallback_, field.BoolOr("byte_fallback", false));
  ASSIGN_OR_RETURN(ignore_merges_, field.BoolOr("ignore_merges", false));
  ASSIGN_OR_RETURN(JsonField vocab, field.At("vocab"));
  RETURN_IF_ERROR(vocab_.FromObject(vocab));
  has_unk_ = field.Find("unk_token").present();
  unk_ = vocab_.Find(unk_token_);
  byte_tokens_ = ByteTokens(vocab_);
  short_ids_.resize(0x400);
  for (char32_t c = 0; c < 0x400; ++c) {
    std::string text;
    AppendUtf8(c, &text);
    short_ids_[c] = vocab_.Find(text);
  }
  ASSIGN_OR_RETURN(JsonField merges, field.At("merges"));
  return AddMerges(merges);
}

// [["a", "b"], …], or ["a b", …] in older files.
absl::Status Bpe::AddMerges(const JsonField& field) {
  RETURN_IF_ERROR(field.Expect(JsonKind::kArray));
  merges_.reserve(field.value().size());
  absl::Status status;
  int32_t rank = 0;
  field.value().ForEachElement([&](JsonValue merge) {
    if (!status.ok()) {
      return;
    }
    std::vector<absl::string_view> parts;
    if (merge.kind() == JsonKind::kString) {
      if (absl::StartsWith(merge.text(), "#version")) {
        return;
      }
      parts = absl::StrSplit(merge.text(), ' ');
    } else if (merge.kind() == JsonKind::kArray) {
      merge.ForEachElement(
          [&](JsonValue v) { parts.push_back(v.kind() == JsonKind::kString ? v.text() : absl::string_view()); });
    }
    status = parts.size() == 2 ? AddMerge(field, parts[0], parts[1], rank)
                               : field.Error(absl::StrCat("[", rank, "]: expected two tokens"));
    ++rank;
  });
  return status;
}

absl::Status Bpe::AddMerge(const JsonField& field, absl::string_view a, absl::string_view b, int32_t rank) {
  const int32_t left = vocab_.Find(a), right = vocab_.Find(b);
  const absl::string_view tail = b.substr(std::min(prefix_.size(), b.size()));
  std::string merged(a);
  merged.append(tail.data(), tail.size());
  const int32_t id = vocab_.Find(merged);
  if (left < 0 || right < 0 || id < 0) {
    const absl::string_view missing = left < 0 ? a : right < 0 ? b : absl::string_view(merged);
    return field.Error(absl::StrCat("[", rank, "]: \"", missing, "\" is not in model.vocab"));
  }
  merges_[PairKey(left, right)] = {rank, id};
  return absl::OkStatus();
}

int32_t Bpe::CharacterId(absl::string_view c, bool first, bool last) const {
  const bool with_prefix = !first && !prefix_.empty(), with_suffix = last && !suffix_.empty();
  if (!with_prefix && !with_suffix) {
    size_t pos = 0;
    const char32_t code = c.size() <= 2 ? NextChar(c, &pos) : 0x400;
    return code < 0x400 ? short_ids_[code] : vocab_.Find(c);
  }
  return vocab_.Find(absl::StrCat(with_prefix ? prefix_ : "", c, with_suffix ? suffix_ : ""));
}

absl::Status Bpe::Characters(absl::string_view piece, std::vector<int32_t>* ids) const {
  bool pending_unk = false;
  for (size_t pos = 0; pos < piece.size();) {
    const absl::string_view c = piece.substr(pos, Utf8Length(piece[pos]));
    const bool first = pos == 0, last = pos + c.size() == piece.size();
    pos += c.size();
    const int32_t id = CharacterId(c, first, last);
    if (id >= 0) {
      if (pending_unk) {
        ids->push_back(unk_);
        pending_unk = false;
      }
      ids->push_back(id);
      continue;
    }
    // NOTE: byte tokens overtake a pending unknown token, as they do in the library.
    if (byte_fallback_ &&
        AppendByteTokens(byte_tokens_, absl::StrCat(first ? "" : prefix_, c, last ? suffix_ : ""), ids)) {
      continue;
    }
    if (!has_unk_) {
      continue;  // the character is dropped
    }
    if (unk_ < 0) {
      return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: model.unk_token: \"", unk_token_,
                                                     "\" is not in model.vocab, and \"", c, "\" needs it"));
    }
    if (pending_unk && !fuse_unk_) {
      ids->push_back(unk_);
    }
    pending_unk = true;
  }
  if (pending_unk) {
    ids->push_back(unk_);
  }
  return absl::OkStatus();
}

void Bpe::MergeAll(std::vector<int32_t>* ids) const {
  const int32_t n = static_cast<int32_t>(ids->size());
  if (n < 2) {
    return;
  }
  std::vector<Symbol> symbols(n);
  std::vector<Candidate> heap;
  heap.reserve(2 * n);
  for (int32_t i = 0; i < n; ++i) {
    symbols[i] = {(*ids)[i], i - 1, i + 1 < n ? i + 1 : -1, true};
    if (const Merge* m = i + 1 < n ? FindMerge((*ids)[i], (*ids)[i + 1]) : nullptr; m != nullptr) {
      heap.push_back({m->rank, i, m->id});
    }
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<Candidate>> queue(std::greater<Candidate>(),
                                                                                        std::move(heap));
  auto consider = [&](int32_t left) {
    if (const Merge* m = FindMerge(symbols[left].id, symbols[symbols[left].next].id); m != nullptr) {
      queue.push({m->rank, left, m->id});
    }
  };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[top.position];
    if (!left.alive || left.next < 0) {
      continue;
    }
    Symbol& right = symbols[left.next];
    const Merge* m = FindMerge(left.id, right.id);
    if (m == nullptr || m->id != top.id) {
      continue;  // the pair has changed since
    }
    left.id = top.id;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) {
      symbols[left.next].previous = top.position;
    }
    if (left.previous >= 0) {
      consider(left.previous);
    }
    if (left.next >= 0) {
      consider(top.position);
    }
  }
  ids->clear();
  for (int32_t i = 0; i >= 0; i = symbols[i].next) {
    ids->push_back(symbols[i].id);
  }
}

absl::Status Bpe::Tokenize(absl::string_view piece, std::vector<int32_t>* ids) const {
  if (ignore_merges_) {
    if (const int32_t id = vocab_.Find(piece); id >= 0) {
      ids->push_back(id);
      return absl::OkStatus();
    }
  }
  thread_local std::vector<int32_t> word;
  word.clear();
  RETURN_IF_ERROR(Characters(piece, &word));
  MergeAll(&word);
  ids->insert(ids->end(), word.begin(), word.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeBpe(const JsonField& field) {
  auto model = std::make_unique<Bpe>();
  RETURN_IF_ERROR(model->Init(field));
  return model;
}

}  // namespace sluice::text
