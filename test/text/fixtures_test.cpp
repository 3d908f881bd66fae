// Ids and decoded text against what Hugging Face's library gave for the same lines (make_fixtures.py).
#include "test/support/shared.h"
#include "test/text/text_test_util.h"

namespace sluice::text {
namespace {

const std::vector<std::string>& Lines() {
  static const auto* lines = new std::vector<std::string>(ReadJson(DataDir() + "/lines.json"));
  return *lines;
}

const nlohmann::json& Expected() {
  static const auto* expected = new nlohmann::json(ReadJson(DataDir() + "/expected.json"));
  return *expected;
}

void ExpectEqual(const Tokenizer& tokenizer, const std::string& name) {
  const std::vector<std::string> want = Expected()[name];
  for (size_t block = 0; block < want.size(); ++block) {
    Fnv hash;
    for (size_t i = block * 100; i < (block + 1) * 100; ++i) {
      const absl::StatusOr<std::vector<int32_t>> plain = tokenizer.Encode(Lines()[i], false);
      std::string all, skipped;
      std::vector<int32_t> special;
      if (plain.ok()) {
        special = *tokenizer.Encode(Lines()[i], true);
        all = *tokenizer.Decode(special, false);
        skipped = *tokenizer.Decode(special, true);
      }
      hash.Add(plain.ok() ? *plain : std::vector<int32_t>());
      hash.Add("\xff");
      hash.Add(special);
      hash.Add("\xff");
      hash.Add(all + "\xff");
      hash.Add(skipped + "\xff");
    }
    EXPECT_EQ(hash.Hex(), want[block]) << name << ", lines " << block * 100 << " to " << block * 100 + 99
                                       << ": check_live.py shows which";
  }
}

class Trained : public testing::TestWithParam<const char*> {};

TEST_P(Trained, GivesTheLibrarysIdsAndText) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/" + GetParam());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ExpectEqual(*tokenizer, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Kinds, Trained,
                         testing::Values("gpt2", "llama3", "qwen", "deepseek", "falcon", "clip", "openai_gpt",
                                         "bpe_prefix", "llama2", "gemma", "t5", "xlmr", "unigram_first",
                                         "unigram_bytes", "bert", "bert_cased", "wordlevel"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Components, EachGivesTheLibrarysPieces) {
  const nlohmann::json file = ReadJson(DataDir() + "/components.json");
  for (const auto& [name, part] : file["parts"].items()) {
    nlohmann::json tree = file["base"];
    tree.update(part);
    const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Parse(tree.dump());
    ASSERT_TRUE(tokenizer.ok()) << name << ": " << tokenizer.status();
    ExpectEqual(*tokenizer, name);
  }
}

class Shared : public testing::TestWithParam<const char*> {};

TEST_P(Shared, GivesTheLibrarysIdsAndText) {
  const std::string dir = test::SharedModel(GetParam()).string();
  ASSERT_TRUE(test::IsThere(dir));
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(dir);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ExpectEqual(*tokenizer, std::string("shared/") + GetParam());
}

INSTANTIATE_TEST_SUITE_P(Models, Shared,
                         testing::Values("llama-tiny-tokenizer", "minilm-l6-v2-fp16", "smollm2-135m-tokenizer"));

TEST(SharedCases, AwkwardTexts) {
  const std::string dir = test::SharedModel("smollm2-135m-tokenizer").string();
  ASSERT_TRUE(test::IsThere(dir));
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(dir);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const nlohmann::json file = ReadJson(dir + "/tokenizer_cases.json");
  for (const char* group : {"cases", "chat"}) {
    for (const nlohmann::json& c : file[group]) {
      const std::string text = c["text"];
      EXPECT_EQ(*tokenizer->Encode(text, false), c["ids"].get<std::vector<int32_t>>()) << c["text"];
      EXPECT_EQ(*tokenizer->Decode(c["ids"].get<std::vector<int32_t>>(), false), text);
    }
  }
}

}  // namespace
}  // namespace sluice::text
