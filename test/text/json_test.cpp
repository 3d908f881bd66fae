#include "runtime/text/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::text {
namespace {

using testing::HasSubstr;

TEST(Json, ReadsEveryKind) {
  const absl::StatusOr<JsonDocument> doc = JsonDocument::Parse(
      R"({"s": "a\u00e9\n", "i": -3, "f": 1.5e2, "t": true, "n": null, "a": [1, [2, 3], {"x": "y"}], "o": {}, "big": 18446744073709551615})",
      "f.json");
  ASSERT_TRUE(doc.ok()) << doc.status();
  const JsonField root = doc->root();
  EXPECT_EQ(*root.StringAt("s"), "a\u00e9\n");
  EXPECT_EQ(*root.IntegerOr("i", 0), -3);
  EXPECT_EQ(*root.Find("f").Number(), 150.0);
  EXPECT_TRUE(*root.BoolAt("t"));
  EXPECT_FALSE(root.Find("n").present());
  EXPECT_EQ(*root.IntegerOr("none", 7), 7);
  EXPECT_EQ(*root.Find("big").Number(), 18446744073709551615.0);
  const std::vector<JsonField> elements = *root.Find("a").Elements();
  ASSERT_EQ(elements.size(), 3u);
  EXPECT_EQ(*elements[1].Elements()->at(1).Integer(), 3);
  EXPECT_EQ(*elements[2].StringAt("x"), "y");
}

TEST(Json, TheLastOfEqualKeysCounts) {
  const absl::StatusOr<JsonDocument> doc = JsonDocument::Parse(R"({"a": 1, "a": 2})", "f.json");
  ASSERT_TRUE(doc.ok());
  EXPECT_EQ(*doc->root().IntegerOr("a", 0), 2);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\": 1,}", "// c\n1", "'a'", "01", "\"\xff\"", "nul", "1 2", "[NaN]"}) {
    const absl::StatusOr<JsonDocument> doc = JsonDocument::Parse(text, "f.json");
    ASSERT_FALSE(doc.ok()) << text;
    EXPECT_THAT(std::string(doc.status().message()), HasSubstr("f.json: not valid JSON: parse error at line"));
  }
}

TEST(Json, DeepNestingIsAnError) {
  EXPECT_TRUE(JsonDocument::Parse(std::string(100, '[') + std::string(100, ']'), "f.json").ok());
  const absl::StatusOr<JsonDocument> deep = JsonDocument::Parse(std::string(1 << 20, '['), "f.json");
  EXPECT_EQ(deep.status().message(), "f.json: not valid JSON: nested deeper than 100");
}

TEST(Json, MessagesNameTheWay) {
  const absl::StatusOr<JsonDocument> doc = JsonDocument::Parse(R"({"a": [{"b": 1}], "c": "xy"})", "f.json");
  ASSERT_TRUE(doc.ok());
  const JsonField b = doc->root().Find("a").Elements()->at(0).Find("b");
  EXPECT_EQ(b.String().status().message(), "f.json: a[0].b: expected a string, found an integer");
  EXPECT_EQ(doc->root().At("d").status().message(), "f.json: d: missing");
  EXPECT_EQ(doc->root().Find("c").Character().status().message(), "f.json: c: expected one character, found \"xy\"");
}

}  // namespace
}  // namespace sluice::text
