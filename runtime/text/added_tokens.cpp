#include "runtime/text/added_tokens.h"

#include <algorithm>

namespace sluice::text {
namespace {

bool EndsInWord(absl::string_view text) {
  if (text.empty()) {
    return false;
  }
  size_t last = text.size() - 1;
  while (last > 0 && (text[last] & 0xC0) == 0x80) {
    --last;
  }
  return IsWordChar(NextChar(text, &last));
}

bool StartsWithWord(absl::string_view text) {
  size_t pos = 0;
  return !text.empty() && IsWordChar(NextChar(text, &pos));
}

// Where the white space at the end of text begins.
size_t TrailingSpace(absl::string_view text) {
  size_t begin = 0;
  for (size_t pos = 0; pos < text.size();) {
    if (!IsWhitespace(NextChar(text, &pos))) {
      begin = pos;
    }
  }
  return begin;
}

size_t LeadingSpace(absl::string_view text) {
  size_t pos = 0;
  while (pos < text.size()) {
    size_t next = pos;
    if (!IsWhitespace(NextChar(text, &next))) {
      break;
    }
    pos = next;
  }
  return pos;
}

absl::StatusOr<AddedToken> ParseToken(const JsonField& field) {
  AddedToken token;
  ASSIGN_OR_RETURN(token.content, field.StringAt("content"));
  ASSIGN_OR_RETURN(token.single_word, field.BoolOr("single_word", false));
  ASSIGN_OR_RETURN(token.lstrip, field.BoolOr("lstrip", false));
  ASSIGN_OR_RETURN(token.rstrip, field.BoolOr("rstrip", false));
  ASSIGN_OR_RETURN(token.special, field.BoolOr("special", false));
  ASSIGN_OR_RETURN(token.normalized, field.BoolOr("normalized", !token.special));
  return token;
}

}  // namespace

void AddedTokens::Matcher::Add(absl::string_view text, int32_t token) {
  if (text.empty()) {
    return;
  }
  uint32_t node = 0;
  for (char c : text) {
    auto& next = nodes[node].next;
    auto it = std::find_if(next.begin(), next.end(), [c](const auto& edge) { return edge.first == c; });
    if (it != next.end()) {
      node = it->second;
      continue;
    }
    const uint32_t made = static_cast<uint32_t>(nodes.size());
    next.emplace_back(c, made);
    nodes.emplace_back();
    node = made;
  }
  nodes[node].token = token;
  first[static_cast<unsigned char>(text[0])] = true;
  empty = false;
}

int32_t AddedTokens::Matcher::Longest(absl::string_view text, size_t pos, size_t* end) const {
  if (!first[static_cast<unsigned char>(text[pos])]) {
    return -1;
  }
  int32_t token = -1;
  uint32_t node = 0;
  for (size_t i = pos; i < text.size(); ++i) {
    const auto& next = nodes[node].next;
    auto it = std::find_if(next.begin(), next.end(), [&](const auto& edge) { return edge.first == text[i]; });
    if (it == next.end()) {
      break;
    }
    node = it->second;
    if (nodes[node].token >= 0) {
      token = nodes[node].token;
      *end = i + 1;
    }
  }
  return token;
}

absl::Status AddedTokens::Init(const JsonField& field, const Model& model, const Normalizer* normalizer) {
  if (!field.present()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::vector<JsonField> elements, field.Elements());
  int64_t next_id = model.size();
  for (const JsonField& element : elements) {
    ASSIGN_OR_RETURN(AddedToken token, ParseToken(element));
    if (token.content.empty()) {
      continue;
    }
    const int32_t known = Find(token.content);
    token.id = known >= 0 ? known : model.vocab().Find(token.content);
    if (token.id < 0) {
      token.id = static_cast<int32_t>(next_id++);
    }
    NormalizedText spelling = NormalizedText::Original(token.content, true);
    if (token.normalized && normalizer != nullptr) {
      RETURN_IF_ERROR(normalizer->Apply(&spelling));
    }
    if (token.special) {
      special_.insert(token.content);
    }
    const auto [it, added] = by_id_.try_emplace(token.id, static_cast<int32_t>(tokens_.size()));
    by_content_[token.content] = token.id;
    if (added) {
      tokens_.push_back(std::move(token));
      spellings_.push_back(std::move(spelling.text));
    } else {  // the later of two with the same id counts
      tokens_[it->second] = std::move(token);
      spellings_[it->second] = std::move(spelling.text);
    }
  }
  for (size_t i = 0; i < tokens_.size(); ++i) {
    (tokens_[i].normalized ? normalized_ : plain_).Add(spellings_[i], static_cast<int32_t>(i));
  }
  return absl::OkStatus();
}

std::vector<AddedTokens::Found> AddedTokens::Split(absl::string_view text, const Matcher& matcher) const {
  std::vector<Found> found;
  size_t start = 0;  // behind the last token
  for (size_t pos = 0; !matcher.empty && pos < text.size();) {
    size_t match_end = 0;
    const int32_t index = matcher.Longest(text, pos, &match_end);
    if (index < 0) {
      ++pos;
      continue;
    }
    size_t begin = pos, end = match_end;
    pos = match_end;  // even if the match is refused: the search does not look into it again
    const AddedToken& token = tokens_[index];
    if (token.single_word && (EndsInWord(text.substr(0, begin)) || StartsWithWord(text.substr(end)))) {
      continue;
    }
    if (token.lstrip) {
      begin = start < begin ? start + TrailingSpace(text.substr(start, begin - start)) : start;
    }
    if (token.rstrip) {
      end += LeadingSpace(text.substr(end));
    }
    if (start < begin) {
      found.push_back({-1, start, begin});
    }
    found.push_back({index, begin, end});
    start = end;
  }
  if (start < text.size()) {
    found.push_back({-1, start, text.size()});
  }
  return found;
}

absl::Status AddedTokens::Extract(absl::string_view text, const Normalizer* normalizer, PieceList* list) const {
  for (const Found& part : Split(text, plain_)) {
    if (part.token >= 0) {
      list->AppendToken(tokens_[part.token].id);
      continue;
    }
    NormalizedText normalized =
        NormalizedText::Original(text.substr(part.begin, part.end - part.begin), part.begin == 0);
    if (normalizer != nullptr) {
      RETURN_IF_ERROR(normalizer->Apply(&normalized));
    }
    for (const Found& inner : Split(normalized.text, normalized_)) {
      if (inner.token >= 0) {
        list->AppendToken(tokens_[inner.token].id);
      } else {
        list->Append(normalized, inner.begin, inner.end);
      }
    }
  }
  return absl::OkStatus();
}

const AddedToken* AddedTokens::Find(int64_t id) const {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &tokens_[it->second];
}

int32_t AddedTokens::Find(absl::string_view content) const {
  auto it = by_content_.find(content);
  return it == by_content_.end() ? -1 : it->second;
}

absl::string_view AddedTokens::Spelling(const AddedToken& token) const {
  return spellings_[by_id_.find(token.id)->second];
}

}  // namespace sluice::text
