// What the fixtures do not say: errors by name, roles, truncation and padding, broken input, speed.
#include "runtime/text/tokenizer.h"

#include <ctime>
#include <thread>

#include "test/support/shared.h"
#include "test/text/text_test_util.h"

namespace sluice::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kWords[] =
    R"({"version": "1.0", "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1, "b": 2}},
        "pre_tokenizer": {"type": "Whitespace"},)";

std::string Words(const std::string& rest) { return kWords + rest + "}"; }

Tokenizer Make(const std::string& json) {
  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Parse(json);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return std::move(tokenizer).value();
}

TEST(Tokenizer, NamesTheFieldThatIsWrong) {
  const std::pair<std::string, std::string> cases[] = {
      {"{", "tokenizer.json: not valid JSON: parse error at line 1"},
      {"[]", "tokenizer.json: expected an object, found an array"},
      {"{}", "tokenizer.json: model: missing"},
      {R"({"version": "2.0", "model": {}})", "tokenizer.json: version: \"2.0\""},
      {R"({"model": {"type": "Markov"}})", "tokenizer.json: model.type: \"Markov\" is no model"},
      {R"({"model": {"type": "BPE", "vocab": {"a": "x"}, "merges": []}})",
       "tokenizer.json: model.vocab: the id of \"a\" is no integer"},
      {R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})", "model.vocab: \"a\" has the id -1"},
      {R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}})",
       "model.merges: [0]: \"ab\" is not in model.vocab"},
      {R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}})", "model.merges: [0]: expected two tokens"},
      {R"({"model": {"type": "BPE", "vocab": {}, "merges": [], "dropout": 0.1}})", "model.dropout: random merges"},
      {R"({"model": {"type": "Unigram", "unk_id": 3, "vocab": [["a", 0.0]]}})", "model.unk_id: 3 is outside"},
      {R"({"model": {"type": "Unigram", "vocab": [["a"]]}})", "model.vocab: expected pairs"},
      {R"({"model": {"type": "WordPiece", "vocab": {}}})", "model.unk_token: missing"},
      {Words(R"("normalizer": {"type": "NFX"})"), "tokenizer.json: normalizer.type: \"NFX\" is no normalizer"},
      {Words(R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip"}]})"),
       "normalizer.normalizers[1].strip_left: missing"},
      {Words(R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "!"})"), "not valid base64"},
      {Words(R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="})"), "a trie of"},
      {Words(R"("decoder": {"type": "Sequence", "decoders": [{"type": "X"}]})"),
       "tokenizer.json: decoder.decoders[0].type: \"X\" is no decoder"},
      {Words(R"("post_processor": {"type": "X"})"), "post_processor.type: \"X\" is no post-processor"},
      {Words(R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[S]"}}],
                "special_tokens": {}})"),
       "post_processor.special_tokens.[S]: missing"},
      {Words(R"("added_tokens": [{"id": 3}])"), "added_tokens[0].content: missing"},
  };
  for (const auto& [json, message] : cases) {
    const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Parse(json);
    ASSERT_FALSE(tokenizer.ok()) << json;
    EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr(message));
  }
}

TEST(Tokenizer, NamesAPreTokenizerItDoesNotKnow) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Parse(
      R"({"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer":
          {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "Telepathy"}]}})");
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(tokenizer.status().message()),
              HasSubstr("tokenizer.json: pre_tokenizer.pretokenizers[1].type: \"Telepathy\""));
}

TEST(Tokenizer, SaysThatAFolderHasNoTokenizer) {
  EXPECT_EQ(Tokenizer::Load("/nonexistent").status().code(), absl::StatusCode::kNotFound);
}

TEST(Tokenizer, SaysThatUnknownTextHasNoToken) {
  const Tokenizer tokenizer = Make(R"({"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"a": 0}}})");
  EXPECT_THAT(*tokenizer.Encode("a"), ElementsAre(0));
  EXPECT_THAT(std::string(tokenizer.Encode("b").status().message()), HasSubstr("model.unk_token: \"?\""));
}

TEST(Tokenizer, EmptyTextHasOnlySpecialTokens) {
  const Tokenizer tokenizer =
      Make(Words(R"("post_processor": {"type": "BertProcessing", "cls": ["a", 1], "sep": ["b", 2]})"));
  EXPECT_THAT(*tokenizer.Encode(""), ElementsAre(1, 2));
  EXPECT_THAT(*tokenizer.Encode("", false), ElementsAre());
  EXPECT_EQ(*tokenizer.Decode({}), "");
}

TEST(Tokenizer, FitsToTheFilesLength) {
  const std::string rest =
      R"("post_processor": {"type": "BertProcessing", "cls": ["a", 1], "sep": ["b", 2]},
         "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Left"},
         "padding": {"strategy": {"Fixed": 5}, "direction": "Right", "pad_to_multiple_of": 3, "pad_id": 9})";
  const Tokenizer tokenizer = Make(Words(rest));
  EXPECT_THAT(*tokenizer.Encode("a b b a"), ElementsAre(1, 1, 2, 2, 1, 2));
  EXPECT_THAT(*tokenizer.EncodeFitted("a b b a"), ElementsAre(1, 2, 1, 2, 9, 9));
}

TEST(Tokenizer, GivesAddedTokensTheNextIds) {
  const Tokenizer tokenizer = Make(Words(
      R"("added_tokens": [{"id": 77, "content": "<x>", "special": true}, {"id": 1, "content": "a"}, {"id": 5, "content": "<y>"}])"));
  EXPECT_THAT(*tokenizer.Encode("a<x>b<y>"), ElementsAre(1, 3, 2, 4));
  EXPECT_EQ(*tokenizer.Decode(std::vector<int32_t>{1, 3, 2, 4, 99, -1}), "a b <y>");
  EXPECT_EQ(tokenizer.TokenToId("<x>"), 3);
  EXPECT_EQ(tokenizer.IdToToken(4), "<y>");
  EXPECT_EQ(tokenizer.IdToToken(-7), "");
  EXPECT_TRUE(tokenizer.IsSpecial(3));
  EXPECT_FALSE(tokenizer.IsSpecial(4));
  EXPECT_FALSE(tokenizer.IsSpecial(99));
  EXPECT_EQ(tokenizer.id_limit(), 5);
}

TEST(Tokenizer, ReadsBrokenUtf8AsReplacementCharacters) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/gpt2");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(*tokenizer->Encode("a\xff\xe2\x82z"), *tokenizer->Encode("a\uFFFD\uFFFDz"));
  // Bytes of one character in two tokens, the second one missing.
  std::vector<int32_t> ids = *tokenizer->Encode("\u20AC");
  ASSERT_GT(ids.size(), 1u);
  ids.pop_back();
  EXPECT_EQ(*tokenizer->Decode(ids), "\uFFFD");
}

TEST(Tokenizer, ReadsRolesFromBothFiles) {
  const std::string dir = testing::TempDir() + "/roles";
  mkdir(dir.c_str(), 0755);
  std::ofstream(dir + "/tokenizer.json") << Words(R"("added_tokens": [{"content": "</s>", "special": true}])");
  std::ofstream(dir + "/tokenizer_config.json") << R"({"eos_token": {"content": "</s>"}, "pad_token": null})";
  std::ofstream(dir + "/special_tokens_map.json") << R"({"eos_token": "a", "pad_token": "b", "bos_token": "none"})";
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(dir);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(tokenizer->special_tokens().eos, 3);
  EXPECT_EQ(tokenizer->special_tokens().pad, 2);
  EXPECT_EQ(tokenizer->special_tokens().bos, -1);
  std::ofstream(dir + "/tokenizer_config.json") << R"({"eos_token": 5})";
  EXPECT_THAT(std::string(Tokenizer::Load(dir).status().message()),
              HasSubstr("tokenizer_config.json: eos_token: expected a string, found an integer"));
}

TEST(Tokenizer, ServesManyThreads) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/xlmr");
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<std::string> lines = ReadJson(DataDir() + "/lines.json");
  std::vector<std::vector<int32_t>> want;
  for (size_t i = 0; i < 200; ++i) {
    want.push_back(*tokenizer->Encode(lines[i]));
  }
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 200; ++i) {
        wrong[t] += *tokenizer->Encode(lines[i]) != want[i];
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

// Processor time, which other work on the machine hardly changes.
double Seconds(std::clock_t since) { return static_cast<double>(std::clock() - since) / CLOCKS_PER_SEC; }

// Bounds with room for a busy machine; the times printed are what to watch.
TEST(Speed, LoadsAndEncodesInTime) {
  const std::string dir = test::SharedModel("smollm2-135m-tokenizer").string();
  ASSERT_TRUE(test::IsThere(dir));
  std::clock_t start = std::clock();
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(dir);
  const double load = Seconds(start);
  ASSERT_TRUE(tokenizer.ok());
  std::string text;
  const std::vector<std::string> lines = ReadJson(DataDir() + "/lines.json");
  for (size_t i = 0; text.size() < 1000000; ++i) {
    text += lines[i % lines.size()] + "\n";
  }
  start = std::clock();
  const std::vector<int32_t> ids = *tokenizer->Encode(text);
  const double encode = Seconds(start);
  start = std::clock();
  const std::string decoded = *tokenizer->Decode(ids, false);
  const double decode = Seconds(start);
  std::printf("load %.0f ms, encode %.0f ms, decode %.0f ms a megabyte (%zu ids, %zu bytes)\n", load * 1e3,
              encode * 1e3, decode * 1e3, ids.size(), decoded.size());
  EXPECT_LT(load, 0.3);
  EXPECT_LT(encode, 2);
  EXPECT_LT(decode, 2);
}

// Long runs are where quadratic steps show: one word, one space run, one line of special tokens.
TEST(Speed, LongRunsStayLinear) {
  for (const char* kind : {"gpt2", "llama2", "xlmr", "bert", "openai_gpt", "gemma", "qwen"}) {
    const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/" + kind);
    ASSERT_TRUE(tokenizer.ok());
    for (const std::string unit :
         {"ab", " ", "\n", "<s>", "\u0301", "\u4E00", "\U0001F600", "  x", "1", "'", "\xff", "<mask> "}) {
      std::string text;
      while (text.size() < 100000) {
        text += unit;
      }
      const std::clock_t start = std::clock();
      const absl::StatusOr<std::vector<int32_t>> ids = tokenizer->Encode(text);
      ASSERT_TRUE(ids.ok()) << kind << ": " << ids.status();
      ASSERT_TRUE(tokenizer->Decode(*ids).ok());
      EXPECT_LT(Seconds(start), 5) << kind << ": " << unit;
    }
  }
}

}  // namespace
}  // namespace sluice::text
