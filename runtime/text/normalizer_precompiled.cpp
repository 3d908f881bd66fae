// SentencePiece's charsmap: 4 bytes with the size of a double-array trie, the trie (32-bit units), then NUL-ended
// replacements.  The trie's keys are the UTF-8 of what is replaced, its values offsets into the replacements.
#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "runtime/text/normalizer.h"

namespace sluice::text {
namespace {

class Precompiled final : public Normalizer {
 public:
  Precompiled(std::vector<uint32_t> trie, std::string replacements)
      : trie_(std::move(trie)), replacements_(std::move(replacements)) {}

  absl::Status Apply(NormalizedText* text) const override {
    const absl::string_view in = text->text;
    std::string out;
    out.reserve(in.size());
    size_t run = 0;  // made from the first grapheme; later ones come from later characters
    for (size_t pos = 0; pos < in.size();) {
      const bool plain = static_cast<unsigned char>(in[pos]) < 0x80 && in[pos] != '\r' && pos + 1 < in.size() &&
                         static_cast<unsigned char>(in[pos + 1]) < 0x80;
      const size_t end = plain ? pos + 1 : GraphemeEnd(in, pos);
      AppendGrapheme(in.substr(pos, end - pos), &out);
      run = pos == 0 ? out.size() : run;
      pos = end;
    }
    const bool from_first = text->origin_run > 0 && !out.empty();
    const size_t first = from_first ? static_cast<size_t>(Utf8Length(out[0])) : 0;
    const bool single = !in.empty() && static_cast<size_t>(Utf8Length(in[0])) == text->origin_run;
    text->origin_run = from_first && single && run > first ? run : first;
    text->text = std::move(out);
    return absl::OkStatus();
  }

 private:
  // A grapheme of up to 5 bytes is replaced whole if the trie knows a beginning of it (as the reference does);
  // otherwise each of its characters is looked up.
  void AppendGrapheme(absl::string_view grapheme, std::string* out) const {
    if (grapheme.size() < 6 && AppendReplacement(grapheme, out)) {
      return;
    }
    for (size_t pos = 0; pos < grapheme.size();) {
      const absl::string_view c = grapheme.substr(pos, Utf8Length(grapheme[pos]));
      if (!AppendReplacement(c, out)) {
        out->append(c.data(), c.size());
      }
      pos += c.size();
    }
  }

  // The shortest key that begins `text` decides.
  bool AppendReplacement(absl::string_view text, std::string* out) const {
    size_t node = Offset(trie_[0]);
    for (char ch : text) {
      const unsigned char c = static_cast<unsigned char>(ch);
      node ^= c;
      if (c == 0 || node >= trie_.size() || (trie_[node] & 0x800000FFu) != c) {
        return false;
      }
      const uint32_t unit = trie_[node];
      node ^= Offset(unit);
      if ((unit >> 8 & 1) != 0) {
        const size_t value = node < trie_.size() ? trie_[node] & 0x7FFFFFFFu : replacements_.size();
        const bool inside = value < replacements_.size() && (replacements_[value] & 0xC0) != 0x80;
        out->append(inside ? replacements_.c_str() + value : "");
        return true;
      }
    }
    return false;
  }

  static size_t Offset(uint32_t unit) { return static_cast<size_t>(unit >> 10) << ((unit & 0x200u) >> 6); }

  std::vector<uint32_t> trie_;
  std::string replacements_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Normalizer>> MakePrecompiledNormalizer(const JsonField& field) {
  ASSIGN_OR_RETURN(JsonField map, field.At("precompiled_charsmap"));
  ASSIGN_OR_RETURN(std::string base64, map.String());
  std::string bytes;
  if (!absl::Base64Unescape(base64, &bytes)) {
    return map.Error("not valid base64");
  }
  uint32_t trie_bytes = 0;
  if (bytes.size() >= sizeof(trie_bytes)) {
    std::memcpy(&trie_bytes, bytes.data(), sizeof(trie_bytes));
  }
  if (trie_bytes < 4 || trie_bytes % 4 != 0 || trie_bytes > bytes.size() - 4) {
    return map.Error(absl::StrCat("a trie of ", trie_bytes, " bytes in ", bytes.size()));
  }
  std::vector<uint32_t> trie(trie_bytes / 4);
  std::memcpy(trie.data(), bytes.data() + 4, trie_bytes);
  std::string replacements = bytes.substr(4 + trie_bytes);
  if (ToValidUtf8(replacements) != replacements) {
    return map.Error("replacements that are not UTF-8");
  }
  return std::make_unique<Precompiled>(std::move(trie), std::move(replacements));
}

}  // namespace sluice::text
