#include "test/cuda/pairwise.h"

#include "gmock/gmock.h"

namespace sluice::test {
namespace {

const Valid kAll = [](const Row&) { return true; };

// Three axes of three values have 27 rows, 27 pairs of two axes and 9 values; 9 rows are the fewest that can hold them.
TEST(Pairwise, FewRowsHoldEveryPair) {
  const Space space = {"s", {{"a", {"0", "1", "2"}}, {"b", {"0", "1", "2"}}, {"c", {"0", "1", "2"}}}};
  EXPECT_EQ(AllRows(space, kAll).size(), 27u);
  EXPECT_EQ(PairsOf(space, AllRows(space, kAll)).size(), 27u + 9u);
  const std::vector<Row> cover = Cover(space, kAll);
  EXPECT_EQ(PairsOf(space, cover), PairsOf(space, AllRows(space, kAll)));
  EXPECT_GE(cover.size(), 9u);
  EXPECT_LE(cover.size(), 11u);
}

// Ten axes of two values: six rows are the fewest that can hold all pairs (Katona 1973).
TEST(Pairwise, ManyAxesOfTwoValuesTakeFewRowsToo) {
  Space space = {"s", {}};
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}) {
    space.axes.push_back({name, {"0", "1"}});
  }
  const std::vector<Row> cover = Cover(space, kAll);
  EXPECT_EQ(PairsOf(space, cover).size(), 45u * 4 + 20);
  EXPECT_LE(cover.size(), 8u);
}

// What cannot be is in no row, and what can be only with it is in none either.
TEST(Pairwise, InvalidRowsAreNotTaken) {
  const Space space = {"s", {{"a", {"0", "1"}}, {"b", {"0", "1"}}}};
  const std::vector<Row> cover = Cover(space, [](const Row& row) { return row.is("a", "0") || row.is("b", "1"); });
  EXPECT_EQ(cover.size(), 3u);
  EXPECT_EQ(PairsOf(space, cover).size(), 3u + 4u);
  EXPECT_TRUE(Cover(space, [](const Row&) { return false; }).empty());
}

// One value in two spellings is one to pairs, but both are in some row; a row whose first alternative cannot be has the
// other.
TEST(Pairwise, EveryAlternativeIsInSomeRow) {
  const Space space = {"s", {{"type", {"f16|bf16|f64"}}, {"form", {"x", "y"}}}};
  const std::vector<Row> cover =
      Cover(space, [](const Row& row) { return !row.is("type", "f16") || row.is("form", "y"); });
  EXPECT_EQ(cover.size(), 3u);
  std::set<std::string> types;
  for (const Row& row : cover) {
    types.insert(row.at("type"));
  }
  EXPECT_EQ(types, (std::set<std::string>{"f16", "bf16", "f64"}));
  EXPECT_EQ(cover[0].Text().substr(0, 8), "s: type ");
}

}  // namespace
}  // namespace sluice::test
