// What a run brings to a GPU: a device that takes each range it is told of has what the host set, and nothing else
// moved.
#include "runtime/exec/staged.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sluice::exec {
namespace {

// The pinned block and its twin.
struct Sides {
  explicit Sides(std::vector<int64_t> rooms) { Place(rooms); }

  bool Place(const std::vector<int64_t>& rooms) {
    const bool moved = staged.Place(rooms);
    if (moved) {
      host.assign(static_cast<size_t>(staged.bytes()), 'h');
      device.assign(host.size(), 'd');
      staged.SetMemory(host.data());
    }
    return moved;
  }
  void Set(size_t part, const std::string& text) { staged.Set(part, text.data(), static_cast<int64_t>(text.size())); }
  // Bytes of each copy.
  std::vector<int64_t> Send() {
    std::vector<int64_t> copied;
    for (const auto& [begin, end] : staged.TakeChanged()) {
      std::copy(host.begin() + begin, host.begin() + end, device.begin() + begin);
      copied.push_back(end - begin);
    }
    return copied;
  }
  std::string OnDevice(size_t part, size_t bytes) const {
    const auto begin = device.begin() + staged.offset(part);
    return std::string(begin, begin + static_cast<std::ptrdiff_t>(bytes));
  }

  Staged staged;
  std::vector<uint8_t> host, device;
};

// Parts begin at multiples of 256: what was set in both goes in one copy, from the first byte of one to the last of the
// other, 256 + 3.
TEST(Staged, NeighboursTravelTogether) {
  Sides sides({5, 3});
  sides.Set(1, "xyz");
  sides.Set(0, "abcde");
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({259}));
  EXPECT_EQ(sides.OnDevice(0, 5), "abcde");
  EXPECT_EQ(sides.OnDevice(1, 3), "xyz");
  EXPECT_TRUE(sides.Send().empty());
}

// A mask that grows by one element a step, 100 KB behind its beginning.
TEST(Staged, OnlyWhatDiffersTravels) {
  Sides sides({200000});
  std::string mask(100000, '\1');
  sides.Set(0, mask);
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({100000}));
  sides.Set(0, mask);
  EXPECT_TRUE(sides.Send().empty());
  mask += std::string(8, '\1');
  sides.Set(0, mask);
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({8}));
  mask[50000] = '\0';
  sides.Set(0, mask);
  EXPECT_LT(sides.Send().at(0), 100008 - 50000 + 4096);
  EXPECT_EQ(sides.OnDevice(0, mask.size()), mask);
  // A shorter one leaves what is behind it, which is there when it grows again.
  sides.Set(0, mask.substr(0, 10));
  sides.Set(0, mask);
  EXPECT_TRUE(sides.Send().empty());
  EXPECT_EQ(sides.OnDevice(0, mask.size()), mask);
}

// The caller knows that a mask's beginning stayed: it is not even read (here it would differ), unless the device lost
// it.
TEST(Staged, WhatIsKeptIsNotRead) {
  Sides sides({8});
  sides.Set(0, "abcdef");
  sides.Send();
  sides.staged.Set(0, "___defgh", 8, /*kept=*/6);
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({2}));
  EXPECT_EQ(sides.OnDevice(0, 8), "abcdefgh");
  sides.staged.Forget(0);
  sides.staged.Set(0, "ABCdefgh", 8, /*kept=*/6);
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({8}));
  EXPECT_EQ(sides.OnDevice(0, 8), "ABCdefgh");
}

// The device may write a part itself.  It is not touched by what goes to its neighbours, and sent whole afterwards.
TEST(Staged, APartOfAnotherIsLeftAlone) {
  Sides sides({4, 4, 4});
  for (size_t part : {0, 1, 2}) {
    sides.Set(part, "host");
  }
  EXPECT_EQ(sides.Send().size(), 1u);
  sides.Set(1, "lost");
  sides.staged.Forget(1);
  std::copy_n("gpus", 4, sides.device.begin() + sides.staged.offset(1));
  sides.Set(0, "left");
  sides.Set(2, "last");
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({4, 4}));
  EXPECT_EQ(sides.OnDevice(0, 4), "left");
  EXPECT_EQ(sides.OnDevice(1, 4), "gpus");
  EXPECT_EQ(sides.OnDevice(2, 4), "last");
  sides.Set(1, "lost");
  sides.Send();
  EXPECT_EQ(sides.OnDevice(1, 4), "lost");
}

// More than the driver queues a copy in lies between them.
TEST(Staged, PartsFarFromEachOtherTravelAlone) {
  Sides sides({100000, 8});
  sides.Set(0, "near");
  sides.Set(1, "far away");
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({4, 8}));
  EXPECT_EQ(sides.OnDevice(1, 8), "far away");
}

// Two plans by turns, one with more tokens and one with a longer mask, move nothing; a larger one empties the block.
TEST(Staged, RoomOnlyGrows) {
  Sides sides({8, 64});
  EXPECT_TRUE(sides.Place({64, 8}));
  EXPECT_FALSE(sides.Place({8, 64}));
  sides.Set(0, "tokens");
  sides.Send();
  EXPECT_FALSE(sides.Place({64, 8}));
  sides.Set(0, "tokens");
  EXPECT_TRUE(sides.Send().empty());
  EXPECT_TRUE(sides.Place({8, 65}));
  sides.Set(0, "tokens");
  EXPECT_EQ(sides.Send(), std::vector<int64_t>({6}));
  EXPECT_EQ(sides.OnDevice(0, 6), "tokens");
}

}  // namespace
}  // namespace sluice::exec
