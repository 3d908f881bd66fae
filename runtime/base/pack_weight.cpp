#include "runtime/base/pack_weight.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "runtime/base/hash.h"
#include "runtime/base/pack_block.h"

namespace sluice {
namespace {

using pack_internal::Block;
using pack_internal::Box;
using pack_internal::Evaluate;

constexpr int64_t kTile = 16;
constexpr int64_t kChunkBytes = 16 << 20;
constexpr int64_t kMaxUnitBytes = 1 << 20;

int64_t Product(const std::vector<int64_t>& sizes, size_t begin = 0) {
  int64_t n = 1;
  for (size_t d = begin; d < sizes.size(); ++d) {
    n *= sizes[d];
  }
  return n;
}

const PackNode& Result(const PackExpr& expr) { return expr.nodes.back(); }

// Elements of a block in row-major order, as packed bytes.
void PutElements(Block block, std::span<uint8_t> out) {
  if (BitWidth(block.dtype) != 4) {
    if (!out.empty()) {
      pack_internal::CopyStrided(block.data.get(), block.sizes, block.strides, block.width(), out.data());
    }
    return;
  }
  block = pack_internal::Densify(std::move(block));
  std::fill(out.begin(), out.end(), uint8_t{0});
  for (int64_t i = 0; i < block.stored; ++i) {
    out[i / 2] |= static_cast<uint8_t>((block.data[i] & 15) << (i % 2 * 4));
  }
}

// How many leading dimensions number the units of a row-major weight: one, or more while a unit is too large to hold.
// A unit of 4-bit elements ends with a whole byte.
size_t UnitRank(const PackExpr& expr) {
  const PackNode& result = Result(expr);
  const auto whole_bytes = [&](size_t rank) { return BitWidth(result.dtype) * Product(result.sizes, rank) % 8 == 0; };
  for (size_t rank = 1; rank <= result.sizes.size(); ++rank) {
    if (whole_bytes(rank) && ByteSize(result.dtype, Product(result.sizes, rank)) <= kMaxUnitBytes) {
      return rank;
    }
  }
  for (size_t rank = result.sizes.size(); rank > 0; --rank) {
    if (whole_bytes(rank)) {
      return rank;
    }
  }
  return 0;
}

// Rows of one group (kOihwTile16; the other tiled layout has one group of all rows) and its tiles.
int64_t RowsPerGroup(const PackExpr& expr) { return Result(expr).sizes[0] / expr.groups; }
int64_t TilesPerGroup(const PackExpr& expr) { return (RowsPerGroup(expr) + kTile - 1) / kTile; }

// Writes the elements whose leading `rank` indices, numbered row-major from dimension `d` on, are [begin, end); the
// indices before `d` are fixed in `box`.  A range is at most three boxes a dimension: a partial row, whole ones, a
// partial one.
absl::Status PutRange(const PackExpr& expr, PackReader& reader, size_t d, size_t rank, int64_t begin, int64_t end,
                      Box box, uint8_t* out) {
  const std::vector<int64_t>& sizes = Result(expr).sizes;
  int64_t inner = 1;
  for (size_t i = d + 1; i < rank; ++i) {
    inner *= sizes[i];
  }
  const int64_t unit = UnitBytes(expr);
  while (begin < end) {
    const int64_t row = d < rank ? begin / inner : 0;
    int64_t stop = end;
    if (d < rank && (begin % inner != 0 || end - begin < inner)) {
      stop = std::min(end, (row + 1) * inner);
      box.starts[d] = row;
      box.sizes[d] = 1;
      RETURN_IF_ERROR(PutRange(expr, reader, d + 1, rank, begin - row * inner, stop - row * inner, box, out));
    } else {
      if (d < rank) {
        stop = end - end % inner;
        box.starts[d] = row;
        box.sizes[d] = (stop - begin) / inner;
      }
      ASSIGN_OR_RETURN(Block block, Evaluate(expr, expr.nodes.size() - 1, box, reader));
      PutElements(std::move(block), {out, static_cast<size_t>((stop - begin) * unit)});
    }
    out += (stop - begin) * unit;
    begin = stop;
  }
  return absl::OkStatus();
}

}  // namespace

int64_t PackedUnits(const PackExpr& expr) {
  if (expr.layout != WeightLayout::kRowMajor) {
    return expr.groups * TilesPerGroup(expr);
  }
  int64_t units = 1;
  for (size_t d = 0; d < UnitRank(expr); ++d) {
    units *= Result(expr).sizes[d];
  }
  return units;
}

int64_t UnitBytes(const PackExpr& expr) {
  const PackNode& result = Result(expr);
  if (expr.layout != WeightLayout::kRowMajor) {
    return ByteSize(result.dtype, kTile * Product(result.sizes, 1));
  }
  return ByteSize(result.dtype, Product(result.sizes, UnitRank(expr)));
}

int64_t PackedBytes(const PackExpr& expr) { return PackedUnits(expr) * UnitBytes(expr); }

absl::Status ExecutePack(const PackExpr& expr, PackReader& reader, int64_t begin, int64_t end, std::span<uint8_t> out) {
  if (begin >= end || UnitBytes(expr) == 0) {
    return absl::OkStatus();
  }
  Box box = Box::Whole(Result(expr).sizes);
  if (expr.layout == WeightLayout::kRowMajor) {
    return PutRange(expr, reader, 0, UnitRank(expr), begin, end, std::move(box), out.data());
  }
  const int64_t rows = RowsPerGroup(expr);
  const int64_t tiles = TilesPerGroup(expr);
  const int64_t unit = UnitBytes(expr);
  // A group's tiles at a time: a tile never holds rows of two groups.
  for (int64_t tile = begin; tile < end;) {
    const int64_t group = tile / tiles;
    const int64_t stop = std::min(end, (group + 1) * tiles);
    const int64_t first = (tile - group * tiles) * kTile;
    const int64_t last = std::min(rows, (stop - group * tiles) * kTile);
    box.starts[0] = group * rows + first;
    box.sizes[0] = last - first;
    ASSIGN_OR_RETURN(Block block, Evaluate(expr, expr.nodes.size() - 1, box, reader));
    pack_internal::CopyTiles(block, last - first, out.data() + (tile - begin) * unit);
    tile = stop;
  }
  return absl::OkStatus();
}

absl::Status StreamPack(const PackExpr& expr, PackReader& reader, ThreadPool* pool,
                        const std::function<absl::Status(std::span<const uint8_t>)>& sink) {
  const int64_t units = PackedUnits(expr);
  const int64_t bytes = UnitBytes(expr);
  if (units * bytes == 0) {
    return absl::OkStatus();
  }
  const int64_t step = std::clamp<int64_t>(kChunkBytes / bytes, 1, units);
  const int64_t threads = pool == nullptr ? 1 : pool->threads();
  const std::unique_ptr<uint8_t[]> buffer(new uint8_t[static_cast<size_t>(step * bytes)]);
  for (int64_t begin = 0; begin < units; begin += step) {
    const int64_t count = std::min(step, units - begin);
    std::mutex mutex;
    absl::Status status;
    // One part a thread: wide parts read a transposed source in long runs.
    const auto make = [&](int64_t from, int64_t to) {
      const absl::Status part = ExecutePack(expr, reader, begin + from, begin + to,
                                            {buffer.get() + from * bytes, static_cast<size_t>((to - from) * bytes)});
      const std::lock_guard lock(mutex);
      status.Update(part);
    };
    if (threads == 1) {
      make(0, count);
    } else {
      pool->ParallelFor(count, (count + threads - 1) / threads, make);
    }
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(sink({buffer.get(), static_cast<size_t>(count * bytes)}));
  }
  return absl::OkStatus();
}

uint64_t PackKey(const PackExpr& expr) { return Hash64(SerializePack(expr)); }

absl::StatusOr<uint64_t> ContentHash(const PackExpr& expr, PackReader& reader) {
  PackExpr plain = expr;
  plain.layout = WeightLayout::kRowMajor;
  Hasher hasher;
  RETURN_IF_ERROR(StreamPack(plain, reader, nullptr, [&](std::span<const uint8_t> bytes) {
    hasher.Add(bytes);
    return absl::OkStatus();
  }));
  return hasher.Digest();
}

absl::StatusOr<FilePackReader> FilePackReader::Open(const std::vector<std::string>& paths) {
  FilePackReader reader;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(RandomAccessFile file, RandomAccessFile::Open(path));
    reader.files_.push_back(std::move(file));
  }
  return reader;
}

absl::Status FilePackReader::Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) {
  if (source.file < 0 || source.file >= static_cast<int64_t>(files_.size())) {
    return absl::InvalidArgumentError(absl::StrCat("weight file ", source.file, ": there are ", files_.size(),
                                                   " files (give the model the artifact was made from)"));
  }
  return files_[source.file].Read(source.offset + offset, out);
}

}  // namespace sluice
