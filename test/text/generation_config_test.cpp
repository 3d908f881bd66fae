#include "runtime/text/generation_config.h"

#include <filesystem>

#include "test/text/text_test_util.h"

namespace sluice::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Config : public testing::Test {
 protected:
  Config() : dir_(testing::TempDir() + "/generation_config") {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directory(dir_);
    Write("tokenizer.json",
          R"({"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "</s>": 1, "x": 2}}})");
  }
  void Write(const std::string& name, const std::string& text) { std::ofstream(dir_ + "/" + name) << text; }
  absl::StatusOr<GenerationConfig> Load() {
    ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Load(dir_));
    return GenerationConfig::Load(dir_, tokenizer);
  }
  std::string dir_;
};

TEST_F(Config, NothingGivenMeansGreedyWithoutEnd) {
  const absl::StatusOr<GenerationConfig> config = Load();
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config->eos_ids, ElementsAre());
  EXPECT_EQ(config->Sampling(3).temperature, 0);
  EXPECT_EQ(config->Sampling(3).seed, 3u);
}

TEST_F(Config, EndTokensComeFromTheFirstFileThatHasThem) {
  Write("tokenizer_config.json", R"({"eos_token": "</s>", "pad_token": "?"})");
  EXPECT_THAT(Load()->eos_ids, ElementsAre(1));
  EXPECT_EQ(Load()->pad_id, 0);
  Write("config.json", R"({"eos_token_id": 2, "model_type": "any"})");
  EXPECT_THAT(Load()->eos_ids, ElementsAre(2));
  Write("generation_config.json", R"({"eos_token_id": [7, 1]})");
  EXPECT_THAT(Load()->eos_ids, ElementsAre(7, 1));
  EXPECT_TRUE(Load()->IsEos(7));
  EXPECT_FALSE(Load()->IsEos(2));
  Write("generation_config.json", R"({"eos_token_id": null})");
  EXPECT_THAT(Load()->eos_ids, ElementsAre(2));
}

TEST_F(Config, SamplingDefaults) {
  Write(
      "generation_config.json",
      R"({"do_sample": true, "temperature": 0.6, "top_p": 0.9, "max_length": 4096, "bos_token_id": 1, "eos_token_id": 2})");
  const absl::StatusOr<GenerationConfig> config = Load();
  ASSERT_TRUE(config.ok());
  EXPECT_FLOAT_EQ(config->Sampling(0).temperature, 0.6f);
  EXPECT_FLOAT_EQ(config->Sampling(0).top_p, 0.9f);
  EXPECT_EQ(config->Sampling(0).top_k, 50);
  EXPECT_EQ(config->max_length, 4096);
  EXPECT_EQ(config->bos_id, 1);
}

TEST_F(Config, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "generation_config.json: not valid JSON"},
      {R"({"eos_token_id": "x"})", "generation_config.json: eos_token_id: expected an integer, found a string"},
      {R"({"eos_token_id": [1, -2]})", "generation_config.json: eos_token_id[1]: -2 is no token id"},
      {R"({"do_sample": true, "temperature": -1})", "generation_config.json: temperature: -1"},
      {R"({"top_k": -1})", "generation_config.json: top_k: -1"},
  };
  for (const auto& [text, message] : cases) {
    Write("generation_config.json", text);
    EXPECT_THAT(std::string(Load().status().message()), HasSubstr(message));
  }
}

}  // namespace
}  // namespace sluice::text
