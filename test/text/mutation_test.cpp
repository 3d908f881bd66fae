// Whatever a tokenizer.json says, loading and using it ends in a result or a Status.  Run under the asan preset too.
#include <algorithm>
#include <random>
#include <sstream>

#include "test/text/text_test_util.h"

namespace sluice::text {
namespace {

std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Values as they are and as they should not be, put in place of others.
constexpr const char* kValues[] = {"null",
                                   "true",
                                   "-1",
                                   "0",
                                   "1",
                                   "65536",
                                   "4194305",
                                   "1e999",
                                   "[]",
                                   "{}",
                                   "\"\"",
                                   "\"a\"",
                                   "[[]]",
                                   "0.5",
                                   "\"▁\"",
                                   "[1,2]",
                                   "{\"a\":1}",
                                   "99999999999999999999",
                                   "\"[a-\"",
                                   "\"(?<=a*)b\"",
                                   "\"\\u0000\"",
                                   "\"always\"",
                                   "\"Sequence\"",
                                   "\"Unigram\"",
                                   "\"BPE\""};

std::string Mutated(std::string text, std::mt19937& random) {
  auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  switch (below(4)) {
    case 0:
      text[below(text.size())] = static_cast<char>(below(256));
      break;
    case 1:
      text.resize(below(text.size()));
      break;
    case 2: {  // one byte of the configuration, which is small beside the vocabulary
      const size_t head = std::min<size_t>(text.size(), 3000);
      text[below(head)] = static_cast<char>(below(256));
      break;
    }
    default: {  // another value behind one of the first colons
      size_t at = 0;
      for (size_t n = 1 + below(120); n > 0 && text.find(':', at) != std::string::npos; --n) {
        at = text.find(':', at) + 1;
      }
      const size_t end = text.find_first_of(",}]", at);
      text.replace(at, end == std::string::npos ? 0 : end - at, kValues[below(std::size(kValues))]);
    }
  }
  return text;
}

TEST(Mutations, NeverCrash) {
  const std::vector<std::string> lines = ReadJson(DataDir() + "/lines.json");
  std::mt19937 random(1);
  int loaded = 0, refused = 0;
  for (const char* kind : {"gpt2", "llama3", "clip", "openai_gpt", "bpe_prefix", "llama2", "gemma", "t5",
                           "unigram_bytes", "bert", "wordlevel"}) {
    const std::string text = ReadText(DataDir() + "/" + kind + "/tokenizer.json");
    for (int i = 0; i < 60; ++i) {
      const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Parse(Mutated(text, random));
      if (!tokenizer.ok()) {
        ++refused;
        EXPECT_EQ(tokenizer.status().message().find("tokenizer.json: "), 0u) << tokenizer.status();
        continue;
      }
      ++loaded;
      for (int k = 0; k < 5; ++k) {
        const absl::StatusOr<std::vector<int32_t>> ids = tokenizer->Encode(lines[random() % lines.size()]);
        if (ids.ok()) {
          (void)tokenizer->Decode(*ids, k % 2 == 0);
          (void)tokenizer->EncodeFitted(lines[k]);
        }
      }
    }
  }
  EXPECT_GT(loaded, 50);
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace sluice::text
