// The index arithmetic of tiles on a GPU: what of it does not need one.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/device/layout.cuh"

namespace sluice::kernels {
namespace {

TEST(Layout, SwizzleMovesEveryChunkOnceAndSpreadsAColumnOverTheBanks) {
  for (const int span : {32, 64, 128}) {
    std::set<int> offsets;
    for (int row = 0; row < 64; ++row) {
      for (int chunk = 0; chunk < span / 16; ++chunk) {
        offsets.insert(sl::SwizzledOffset(row, chunk, span));
      }
    }
    EXPECT_EQ(offsets.size(), 64u * span / 16);
    EXPECT_EQ(*offsets.rbegin(), 64 * span - 16);
    // Eight consecutive rows of one chunk (what ldmatrix and stmatrix touch at once) lie in eight different groups of
    // four banks.
    for (int chunk = 0; chunk < span / 16; ++chunk) {
      std::set<int> banks;
      for (int row = 8; row < 16; ++row) {
        banks.insert(sl::SwizzledOffset(row, chunk, span) / 16 % 8);
      }
      EXPECT_EQ(banks.size(), 8u) << "span " << span << " chunk " << chunk;
    }
  }
}

TEST(Layout, FragmentsOfAWarpgroupCoverTheTileOnce) {
  std::set<std::pair<int, int>> cells;
  for (int thread = 0; thread < 128; ++thread) {
    for (int i = 0; i < 24 / 2; ++i) {
      cells.insert({sl::FragmentRow(thread, i), sl::FragmentColumn(thread, i)});
    }
  }
  EXPECT_EQ(cells.size(), 64u * 24);
  EXPECT_EQ(*cells.rbegin(), std::make_pair(63, 23));
}

// What lets an epilogue of two parts stay in registers: columns and rows c and c + 8 of a block of 16 are one thread's.
TEST(Layout, AThreadHasBothPartsOfItsResults) {
  for (int thread = 0; thread < 128; ++thread) {
    for (int i = 0; i < 16; ++i) {
      const int first = i / 4 * 8 + i % 4;  // of finish_pair
      EXPECT_EQ(sl::FragmentColumn(thread, first) % 16 / 8, 0);
      EXPECT_EQ(sl::FragmentColumn(thread, first + 4), sl::FragmentColumn(thread, first) + 8);
      EXPECT_EQ(sl::FragmentRow(thread, first + 4), sl::FragmentRow(thread, first));
      EXPECT_EQ(sl::FragmentColumn(thread, first) / 16 * 8 + sl::FragmentColumn(thread, first) % 8,
                sl::FragmentColumn(thread, i));  // where the pair is stored
      if (i % 4 < 2) {                           // of store_stream
        EXPECT_EQ(sl::FragmentRow(thread, i) % 16 / 8, 0);
        EXPECT_EQ(sl::FragmentRow(thread, i + 2), sl::FragmentRow(thread, i) + 8);
        EXPECT_EQ(sl::FragmentColumn(thread, i + 2), sl::FragmentColumn(thread, i));
      }
    }
  }
}

TEST(Layout, DescriptorFieldsAreInUnitsOf16Bytes) {
  const unsigned long depth = sl::MatrixDescriptor(0x400 + 2048);
  EXPECT_EQ(depth & 0x3fff, (0x400u + 2048) / 16);
  EXPECT_EQ(depth >> 16 & 0x3fff, 1u);
  EXPECT_EQ(depth >> 32 & 0x3fff, 64u);  // 8 rows of 128 bytes
  EXPECT_EQ(depth >> 62, 1u);            // 128-byte swizzle
  EXPECT_EQ(sl::MatrixDescriptor(0, 8192) >> 16 & 0x3fff, 512u);
  // Stepping the start by whole k steps changes no other field, up to the end of shared memory.
  EXPECT_EQ(sl::MatrixDescriptor(227 << 10) + 3 * sl::kDepthStep, sl::MatrixDescriptor((227 << 10) + 96));
}

TEST(Layout, BandsVisitEveryTileOnceDownThenRight) {
  const sl::TileOrder order{4, 3, 1, 2};
  const int rows[] = {0, 1, 0, 1, 0, 1, 2, 3}, cols[] = {0, 0, 1, 1, 2, 2, 0, 0};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(order.at(i).row, rows[i]);
    EXPECT_EQ(order.at(i).col, cols[i]);
  }
  for (const int band : {1, 3, 5, 100}) {
    const sl::TileOrder ragged{7, 5, 3, band};
    std::set<std::tuple<int, int, int>> seen;
    for (int i = 0; i < ragged.count(); ++i) {
      const sl::TileIndex tile = ragged.at(i);
      EXPECT_TRUE(tile.row < 7 && tile.col < 5 && tile.batch < 3);
      seen.insert({tile.batch, tile.row, tile.col});
    }
    EXPECT_EQ(seen.size(), 7u * 5 * 3);
  }
}

TEST(Layout, SkippingSlotsOfARingIsSteppingOverThem) {
  for (int skip = 0; skip < 23; ++skip) {
    sl::Ring<5> stepped, skipped;
    stepped.skip(3);
    skipped.skip(3);
    for (int i = 0; i < skip; ++i) {
      stepped.next();
    }
    skipped.skip(skip);
    EXPECT_EQ(stepped.slot, skipped.slot);
    EXPECT_EQ(stepped.parity, skipped.parity);
  }
}

}  // namespace
}  // namespace sluice::kernels
