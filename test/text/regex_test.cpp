// The translation itself; what it means is compared with Oniguruma through the fixtures (components.json, regex_…).
#include "runtime/text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Parts(const Pattern& pattern, const std::string& text) {
  std::vector<Match> parts;
  EXPECT_TRUE(pattern.Split(text, &parts).ok());
  std::vector<std::string> out;
  for (const Match& part : parts) {
    const std::string piece = text.substr(part.begin, part.end - part.begin);
    out.push_back(part.is_match ? "<" + piece + ">" : piece);
  }
  return out;
}

std::vector<std::string> Parts(const std::string& regex, const std::string& text) {
  absl::StatusOr<Pattern> pattern = Pattern::Regex(regex);
  EXPECT_TRUE(pattern.ok()) << pattern.status();
  return Parts(*pattern, text);
}

TEST(Regex, CoversTheWholeText) {
  EXPECT_THAT(Parts("b+", "abbcb"), ElementsAre("a", "<bb>", "c", "<b>"));
  EXPECT_THAT(Parts("b", ""), ElementsAre(""));
  EXPECT_THAT(Parts("x*", "axb"), ElementsAre("<>", "a", "<x>", "b", "<>"));
  EXPECT_THAT(Parts(Pattern::Literal("bb"), "abbbc"), ElementsAre("a", "<bb>", "bc"));
  EXPECT_THAT(Parts(Pattern::Literal(""), "ab"), ElementsAre("<>", "a", "<>", "b", "<>"));
}

TEST(Regex, IntervalsAreOnigurumas) {
  EXPECT_THAT(Parts(R"(\p{N}{1,3}+)", "1234567"), ElementsAre("<1234567>"));  // greedy twice, not possessive
  EXPECT_THAT(Parts("a{2}?", "aaa"), ElementsAre("<aa>", "a", "<>"));         // optional, not lazy
  EXPECT_THAT(Parts("(?:xa){,1}y", "xay"), ElementsAre("<xay>"));
  EXPECT_THAT(Parts("a{,b", "a{,b"), ElementsAre("<a{,b>"));
}

TEST(Regex, ClassesNestAndIntersect) {
  EXPECT_THAT(Parts("[a-z&&[^b-y]]+", "abza"), ElementsAre("<a>", "b", "<za>"));
  EXPECT_THAT(Parts("[^a[bc]]+", "abcd"), ElementsAre("abc", "<d>"));
  EXPECT_THAT(Parts("[^a-c&&b-d]", "ab"), ElementsAre("<a>", "b"));
}

TEST(Regex, RefusesByName) {
  for (const char* bad : {"[", "(", "a|*", "\\", "[b-a]", R"(\p{Foo})", R"(\p{L)", R"(\x{110000})"}) {
    const absl::StatusOr<Pattern> pattern = Pattern::Regex(bad);
    ASSERT_FALSE(pattern.ok()) << bad;
    EXPECT_THAT(std::string(pattern.status().message()), HasSubstr(std::string("regular expression /") + bad));
  }
}

TEST(Regex, RefusesWhatIsNoUtf8) {
  for (const char* bad : {"\xff", "a\xe9", "[\xf0\x9f\x98]", "\\\xc3"}) {
    EXPECT_EQ(Pattern::Regex(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(Regex, RefusesDeepNesting) {
  EXPECT_FALSE(Pattern::Regex(std::string(100000, '[')).ok());
  EXPECT_FALSE(Pattern::Regex(std::string(100000, '(')).ok());
  EXPECT_FALSE(Pattern::Regex(std::string(100000, '[') + "a" + std::string(100000, ']')).ok());
}

TEST(Regex, KnowsCharactersNewerThanPcre) {
  EXPECT_THAT(Parts(R"(\p{L}+)", "a\U00031350b."), ElementsAre("<a\U00031350b>", "."));
  EXPECT_THAT(Parts(R"(\p{Han})", "\U0002EBF0x"), ElementsAre("<\U0002EBF0>", "x"));
}

TEST(Regex, RunawayBacktrackingIsAnError) {
  absl::StatusOr<Pattern> pattern = Pattern::Regex("(?:a+)+[^ab]");
  ASSERT_TRUE(pattern.ok());
  std::vector<Match> parts;
  EXPECT_EQ(pattern->Split(std::string(200, 'a') + "b", &parts).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace sluice::text
