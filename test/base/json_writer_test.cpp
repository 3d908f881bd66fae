#include "runtime/base/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace sluice {
namespace {

TEST(JsonWriter, NestsAndSeparates) {
  JsonWriter w;
  w.BeginObject().Field("a", 1).Key("b").BeginArray().Value(true).Null().BeginObject().EndObject().EndArray();
  w.Field("c", std::vector<int64_t>{1, 2}).Field("d", "x").EndObject();
  EXPECT_EQ(w.text(), R"({"a":1,"b":[true,null,{}],"c":[1,2],"d":"x"})");
}

TEST(JsonWriter, Numbers) {
  JsonWriter w;
  w.BeginArray().Value(0.1).Value(0.1f).Value(1e300).Value(std::numeric_limits<double>::quiet_NaN());
  w.Value(-std::numeric_limits<double>::infinity()).Value(std::numeric_limits<int64_t>::min());
  w.Value(std::numeric_limits<uint64_t>::max()).EndArray();
  EXPECT_EQ(w.text(), "[0.1,0.1,1e+300,null,null,-9223372036854775808,18446744073709551615]");
}

TEST(JsonWriter, EscapesAndRepairsText) {
  JsonWriter w;
  w.Value(std::string("a\"\\\n\t\x01\0é\xff\xc0\x80\xed\xa0\x80", 15));
  EXPECT_EQ(
      w.text(),
      "\"a\\\"\\\\\\n\\u0009\\u0001\\u0000é\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(JsonWriterDeathTest, MisuseAborts) {
  EXPECT_DEATH(JsonWriter().BeginObject().Value(1), "without a key");
  EXPECT_DEATH(JsonWriter().Value(1).Value(2), "second JSON document");
}

}  // namespace
}  // namespace sluice
