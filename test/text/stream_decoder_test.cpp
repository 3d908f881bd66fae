#include "runtime/text/stream_decoder.h"

#include "runtime/text/unicode.h"
#include "test/text/text_test_util.h"

namespace sluice::text {
namespace {

std::string Streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip, bool* whole) {
  StreamDecoder stream(&tokenizer, {}, skip);
  std::string text;
  for (int32_t id : ids) {
    const std::string piece = *stream.Push(id);
    *whole = *whole && ToValidUtf8(piece) == piece;
    text += piece;
  }
  return text + *stream.Finish();
}

// On text that no broken bytes interrupt, the pieces are the text, whatever the decoder.
TEST(StreamDecoder, PiecesJoinToTheText) {
  const std::vector<std::string> lines = ReadJson(DataDir() + "/lines.json");
  for (const char* kind : {"gpt2", "llama3", "llama2", "gemma", "t5", "unigram_bytes", "bert", "bpe_prefix", "clip"}) {
    const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/" + kind);
    ASSERT_TRUE(tokenizer.ok());
    for (size_t i = 0; i < 300; ++i) {
      const std::vector<int32_t> ids = *tokenizer->Encode(lines[i], false);
      bool whole = true;
      const std::string text = Streamed(*tokenizer, ids, true, &whole);
      EXPECT_TRUE(whole) << kind << ": " << lines[i];
      EXPECT_EQ(text, *tokenizer->Decode(ids, true)) << kind << ", line " << i;
    }
  }
}

TEST(StreamDecoder, HoldsACharacterUntilItsLastByte) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/gpt2");
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<int32_t> ids = *tokenizer->Encode("\U0001F980");
  ASSERT_GT(ids.size(), 2u);
  StreamDecoder stream(&*tokenizer);
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    EXPECT_EQ(*stream.Push(ids[i]), "");
  }
  EXPECT_EQ(*stream.Push(ids.back()), "\U0001F980");
  EXPECT_EQ(*stream.Finish(), "");
}

TEST(StreamDecoder, FinishGivesWhatNeverBecameACharacter) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/gpt2");
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<int32_t> ids = *tokenizer->Encode("\U0001F980");
  StreamDecoder stream(&*tokenizer);
  EXPECT_EQ(*stream.Push(ids[0]), "");
  EXPECT_EQ(*stream.Finish(), "\uFFFD");
}

TEST(StreamDecoder, GarbageDoesNotHoldTextForever) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/gpt2");
  ASSERT_TRUE(tokenizer.ok());
  const int32_t lead = tokenizer->Encode("\U0001F980")->front();
  StreamDecoder stream(&*tokenizer);
  size_t bytes = 0;
  for (int i = 0; i < 100; ++i) {
    bytes += stream.Push(lead)->size();
  }
  EXPECT_GT(bytes, 200u);
}

TEST(StreamDecoder, KeepsTheSpaceBehindAPrompt) {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(DataDir() + "/llama2");
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<int32_t> prompt = *tokenizer->Encode("some of", false),
                             all = *tokenizer->Encode("some of the", false);
  ASSERT_GT(all.size(), prompt.size());
  StreamDecoder stream(&*tokenizer, prompt);
  std::string text;
  for (size_t i = prompt.size(); i < all.size(); ++i) {
    text += *stream.Push(all[i]);
  }
  EXPECT_EQ(text + *stream.Finish(), " the");
}

}  // namespace
}  // namespace sluice::text
