#include "runtime/exec/stale_views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::exec {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

// Three instructions; those of the test are the last two.  Views 1 and 2 are of an arena's buffer, 3 of an input, 4 of
// a cache, 5 is absent.  Slots: 0 a size, 1 an offset, 2 a stride, 3 the offset of an alias, 4 nobody's.
FunctionDesc Function() {
  FunctionDesc function;
  function.buffers.resize(3);
  function.buffers[1].kind = BufferKind::kInput;
  function.buffers[2].kind = BufferKind::kState;
  function.alias_offsets = {4, 3};
  function.views.resize(6);
  const int32_t buffers[] = {0, 0, 0, 1, 2, -1};
  for (size_t v = 0; v < function.views.size(); ++v) {
    function.views[v].buffer = buffers[v];
    function.views[v].rank = 1;
  }
  function.views[1].offset = 1;
  function.views[2].dense = false;
  function.views[2].strides[0] = 2;
  function.views[3].alias_begin = 1;
  function.views[3].alias_end = 2;
  function.instrs.resize(3);
  const uint32_t ends[] = {0, 1, 4, 6};
  for (size_t i = 0; i < 3; ++i) {
    function.instrs[i].ins = ends[i];
    function.instrs[i].end = ends[i + 1];
  }
  return function;
}

struct Views {
  std::vector<uint32_t> Find() {
    const std::span<const uint32_t> found = stale.Find(slots, roots);
    return {found.begin(), found.end()};
  }

  uint8_t bytes[16];
  std::vector<int64_t> slots = {4, 0, 1, 0, 7};
  std::vector<Memory> roots = {{bytes, 8}, {bytes + 8, 8}, {}};
  StaleViews stale{Function(), 1, 3};
};

TEST(StaleViews, AllAtFirstThenThoseOfCaches) {
  Views views;
  EXPECT_THAT(views.Find(), UnorderedElementsAre(1, 2, 3, 4));
  EXPECT_THAT(views.Find(), ElementsAre(4));
}

// A view follows from all that it is filled from, and from nothing else.
TEST(StaleViews, ThoseThatFollowFromWhatChanged) {
  Views views;
  views.Find();
  const std::vector<std::vector<uint32_t>> followers = {{1, 2, 3, 4}, {1, 4}, {2, 4}, {3, 4}, {4}};
  for (size_t slot = 0; slot < followers.size(); ++slot) {
    views.slots[slot] += 1;
    EXPECT_THAT(views.Find(), UnorderedElementsAreArray(followers[slot])) << slot;
    EXPECT_THAT(views.Find(), ElementsAre(4)) << slot;
  }
  views.roots[0].data += 8;
  EXPECT_THAT(views.Find(), UnorderedElementsAre(1, 2, 4));
  views.roots[1].bytes = 4;
  EXPECT_THAT(views.Find(), UnorderedElementsAre(3, 4));
}

// What changed in the call that failed is not lost, nor what it did not come to.
TEST(StaleViews, AllAfterOneCouldNotBeFilled) {
  Views views;
  views.Find();
  views.slots[1] = -1;
  EXPECT_THAT(views.Find(), UnorderedElementsAre(1, 4));
  views.stale.Forget();
  EXPECT_THAT(views.Find(), UnorderedElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace sluice::exec
