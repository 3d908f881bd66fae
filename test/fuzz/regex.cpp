// A tokenizer's regular expression, and a text cut by it.
#include "runtime/text/regex.h"

#include "test/fuzz/target.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() {
  return {R"((?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
          R"([a-z&&[^b]]++|(?<=a)b|\h{,2}(?<n>x)\k<n>)", R"([[:alpha:]_-]+?$|^\W)", R"((?m).(?-m).)",
          R"(\x{1F600}|\u00e9)"};
}

void Run(std::string_view bytes) {
  const auto pattern = text::Pattern::Regex({bytes.data(), bytes.size()});
  if (pattern.ok()) {
    std::vector<text::Match> parts;
    (void)pattern->Split("aab'll x12345  \n\n \xc3\xa9\xf0\x9f\x98\x80 abba", &parts);
  }
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(regex, sluice::fuzz::Seeds, sluice::fuzz::Run)
