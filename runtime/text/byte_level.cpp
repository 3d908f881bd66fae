#include "runtime/text/byte_level.h"

#include <array>

#include "runtime/text/unicode.h"

namespace sluice::text {
namespace {

struct Alphabet {
  Alphabet() {
    int next = 0x100;
    of_char.fill(-1);
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      const int c = printable ? b : next++;
      AppendUtf8(static_cast<char32_t>(c), &chars[b]);
      of_char[c] = static_cast<int16_t>(b);
    }
  }
  std::array<std::string, 256> chars;
  std::array<int16_t, 0x144> of_char;  // 68 bytes are not printable: U+0100 … U+0143
};

const Alphabet& TheAlphabet() {
  static const Alphabet* alphabet = new Alphabet;
  return *alphabet;
}

}  // namespace

void AppendByteChars(absl::string_view bytes, std::string* out) {
  const Alphabet& alphabet = TheAlphabet();
  for (char b : bytes) {
    out->append(alphabet.chars[static_cast<unsigned char>(b)]);
  }
}

int ByteOfChar(char32_t c) {
  const Alphabet& alphabet = TheAlphabet();
  return c < alphabet.of_char.size() ? alphabet.of_char[c] : -1;
}

}  // namespace sluice::text
