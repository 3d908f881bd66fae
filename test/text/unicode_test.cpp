#include "runtime/text/unicode.h"

#include <gtest/gtest.h>

namespace sluice::text {
namespace {

TEST(Unicode, ReplacesEachMaximalBrokenPartByOneCharacter) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\u00E9\u20AC\U0001F600", "\u00E9\u20AC\U0001F600"},
      {"a\xff"
       "b",
       "a\uFFFDb"},
      {"\xe2\x82", "\uFFFD"},  // a started character
      {"\xe2\x82"
       "a",
       "\uFFFDa"},
      {"\xc0\xaf", "\uFFFD\uFFFD"},                      // overlong: no byte of it starts anything
      {"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},            // a surrogate
      {"\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},  // beyond U+10FFFF
      {"\xf0\x9f\x98", "\uFFFD"},
      {"\x80", "\uFFFD"},
  };
  for (const auto& [bytes, want] : cases) {
    EXPECT_EQ(ToValidUtf8(bytes), want);
  }
}

TEST(Unicode, RoundTripsEveryCharacter) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) {
      continue;
    }
    std::string text;
    AppendUtf8(c, &text);
    size_t pos = 0;
    ASSERT_EQ(NextChar(text, &pos), c);
    ASSERT_EQ(pos, text.size());
    ASSERT_EQ(static_cast<size_t>(Utf8Length(text[0])), text.size());
  }
}

TEST(Unicode, NormalizesAndLeavesCharactersTooNewForTheLibraryAlone) {
  EXPECT_EQ(Normalize(NormalForm::kNfd, "\u00E9"), "e\u0301");
  EXPECT_EQ(Normalize(NormalForm::kNfc, "e\u0301"), "\u00E9");
  EXPECT_EQ(Normalize(NormalForm::kNfkc, "\uFB01\u00BD"), "fi1\u20442");
  EXPECT_EQ(Normalize(NormalForm::kNfkd, "\uAC01"), "\u1100\u1161\u11A8");
  EXPECT_EQ(Normalize(NormalForm::kNfd, "a\u0301\u0323"), "a\u0323\u0301");   // by combining class
  EXPECT_EQ(Normalize(NormalForm::kNfkc, "\u32FF\u00BD"), "\u32FF1\u20442");  // U+32FF is of Unicode 12.1
}

TEST(Unicode, StandInsKeepLengthAndCategory) {
  EXPECT_EQ(StandIn('a'), U'a');
  EXPECT_EQ(StandIn(0x4E00), 0x4E00u);
  EXPECT_EQ(StandIn(0x31350), 0x20000u);  // Han, Unicode 15
  EXPECT_EQ(WithStandIns("x\U0001CCF0y").size(), 6u);
  EXPECT_TRUE(IsNumeric(0x1CCF0));  // outlined digit zero, Unicode 16
  EXPECT_FALSE(IsNumeric(0x31350));
}

TEST(Unicode, LowersCharacterByCharacter) {
  std::string out;
  for (char32_t c : U"A\u0130\u03A3\u1E9E\uA7DC") {
    if (c != 0) {
      AppendLower(c, &out);
    }
  }
  EXPECT_EQ(out, "ai\u0307\u03C3\u00DF\u019B");
}

TEST(Unicode, FindsGraphemes) {
  EXPECT_EQ(GraphemeEnd("e\u0301x", 0), 3u);
  EXPECT_EQ(GraphemeEnd("\r\nx", 0), 2u);
  EXPECT_EQ(GraphemeEnd("\U0001F1E9\U0001F1EA\U0001F1EB", 0), 8u);
}

}  // namespace
}  // namespace sluice::text
