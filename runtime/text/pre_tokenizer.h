// tokenizer.json's "pre_tokenizer": cuts normalized text into the pieces that the model tokenizes one by one.
//
//   PieceList pieces;                            // "Hello world", one piece
//   RETURN_IF_ERROR(byte_level->Apply(&pieces)); // "Hello" "Ġworld"
#ifndef SLUICE_RUNTIME_TEXT_PRE_TOKENIZER_H_
#define SLUICE_RUNTIME_TEXT_PRE_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/text/json.h"
#include "runtime/text/normalizer.h"

namespace sluice::text {

// A part of PieceList::text, or an added token (id >= 0), which nothing may cut or change any more.
struct Piece {
  size_t begin = 0, end = 0;
  int32_t id = -1;
  size_t origin_run = 0;  // as NormalizedText's, counted from begin
  bool at_origin = false;
};

// Pieces in order; empty ones are dropped as soon as they appear.
struct PieceList {
  std::string text;
  std::vector<Piece> pieces;

  absl::string_view View(const Piece& piece) const {
    return absl::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
  // Appends [begin, end) of `part` as a piece of its own.
  void Append(const NormalizedText& part, size_t begin, size_t end);
  void AppendToken(int32_t id) { pieces.push_back({.begin = text.size(), .end = text.size(), .id = id}); }
};

// The piece that [begin, end) of `whole` (offsets from its begin) makes.
Piece Slice(const Piece& whole, size_t begin, size_t end);

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual absl::Status Apply(PieceList* list) const = 0;
};

// Null for a field that is null or missing.  Errors name the field; an unknown "type" is kUnimplemented.
absl::StatusOr<std::unique_ptr<PreTokenizer>> MakePreTokenizer(const JsonField& field);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_PRE_TOKENIZER_H_
