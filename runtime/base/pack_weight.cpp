#include "runtime/base/pack_weight.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/base/hash.h"
#include "runtime/base/pack_block.h"

namespace sluice {
namespace {

using pack_internal::Block;
using pack_internal::Box;
using pack_internal::Evaluate;

constexpr int64_t kTile = 16;

int64_t Product(const std::vector<int64_t>& sizes, size_t begin = 0) {
  int64_t n = 1;
  for (size_t d = begin; d < sizes.size(); ++d) {
    n *= sizes[d];
  }
  return n;
}

const PackNode& Result(const PackExpr& expr) { return expr.nodes.back(); }
bool IsNibble(const PackExpr& expr) { return BitWidth(Result(expr).dtype) == 4; }

// Elements of a row-major block to packed bytes.
void PutElements(const Block& block, std::span<uint8_t> out) {
  if (BitWidth(block.dtype) != 4) {
    std::memcpy(out.data(), block.data.data(), block.data.size());
    return;
  }
  std::fill(out.begin(), out.end(), uint8_t{0});
  for (size_t i = 0; i < block.data.size(); ++i) {
    out[i / 2] |= static_cast<uint8_t>((block.data[i] & 15) << (i % 2 * 4));
  }
}

// Rows [n][k] to tiles [n/16][k][16], missing rows zero.
template <typename T>
void TileRows(const T* rows, int64_t count, int64_t k, T* tiles) {
  const int64_t groups = (count + kTile - 1) / kTile;
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t lane = 0; lane < kTile; ++lane) {
        const int64_t row = g * kTile + lane;
        *tiles++ = row < count ? rows[row * k + i] : T(0);
      }
    }
  }
}

void PutTiles(const Block& block, int64_t rows, uint8_t* out) {
  const int64_t k = rows == 0 ? 0 : block.elements() / rows;
  switch (block.element_bytes()) {
    case 1:
      TileRows(block.data.data(), rows, k, out);
      break;
    case 2:
      TileRows(reinterpret_cast<const uint16_t*>(block.data.data()), rows, k, reinterpret_cast<uint16_t*>(out));
      break;
    case 4:
      TileRows(reinterpret_cast<const uint32_t*>(block.data.data()), rows, k, reinterpret_cast<uint32_t*>(out));
      break;
    default:
      TileRows(reinterpret_cast<const uint64_t*>(block.data.data()), rows, k, reinterpret_cast<uint64_t*>(out));
      break;
  }
}

// Rows of one group (kOihwTile16; the other tiled layout has one group of all rows) and its tiles.
int64_t RowsPerGroup(const PackExpr& expr) { return Result(expr).sizes[0] / expr.groups; }
int64_t TilesPerGroup(const PackExpr& expr) { return (RowsPerGroup(expr) + kTile - 1) / kTile; }

absl::StatusOr<Block> Rows(const PackExpr& expr, PackReader& reader, int64_t begin, int64_t end) {
  Box box = Box::Whole(Result(expr).sizes);
  if (!box.sizes.empty()) {
    box.starts[0] = begin;
    box.sizes[0] = end - begin;
  }
  return Evaluate(expr, expr.nodes.size() - 1, box, reader);
}

}  // namespace

int64_t PackedUnits(const PackExpr& expr) {
  const PackNode& result = Result(expr);
  if (expr.layout == WeightLayout::kRowMajor) {
    return result.sizes.empty() || IsNibble(expr) ? 1 : result.sizes[0];
  }
  return expr.groups * TilesPerGroup(expr);
}

int64_t UnitBytes(const PackExpr& expr) {
  const PackNode& result = Result(expr);
  if (expr.layout == WeightLayout::kRowMajor) {
    const bool whole = result.sizes.empty() || IsNibble(expr);
    return ByteSize(result.dtype, whole ? Product(result.sizes) : Product(result.sizes, 1));
  }
  return ByteSize(result.dtype, kTile * Product(result.sizes, 1));
}

int64_t PackedBytes(const PackExpr& expr) { return PackedUnits(expr) * UnitBytes(expr); }

absl::Status ExecutePack(const PackExpr& expr, PackReader& reader, int64_t begin, int64_t end, std::span<uint8_t> out) {
  if (begin >= end) {
    return absl::OkStatus();
  }
  if (expr.layout == WeightLayout::kRowMajor) {
    const bool whole = Result(expr).sizes.empty() || IsNibble(expr);
    ASSIGN_OR_RETURN(Block block, Rows(expr, reader, whole ? 0 : begin,
                                       whole && !Result(expr).sizes.empty() ? Result(expr).sizes[0] : end));
    PutElements(block, out);
    return absl::OkStatus();
  }
  const int64_t rows = RowsPerGroup(expr), tiles = TilesPerGroup(expr), unit = UnitBytes(expr);
  // A group's tiles at a time: a tile never holds rows of two groups.
  for (int64_t tile = begin; tile < end;) {
    const int64_t group = tile / tiles, stop = std::min(end, (group + 1) * tiles);
    const int64_t first = (tile - group * tiles) * kTile, last = std::min(rows, (stop - group * tiles) * kTile);
    ASSIGN_OR_RETURN(Block block, Rows(expr, reader, group * rows + first, group * rows + last));
    PutTiles(block, last - first, out.data() + (tile - begin) * unit);
    tile = stop;
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ContentHash(const PackExpr& expr, PackReader& reader) {
  PackExpr plain = expr;
  plain.layout = WeightLayout::kRowMajor;
  constexpr int64_t kChunk = 8 << 20;
  const int64_t units = PackedUnits(plain), bytes = UnitBytes(plain);
  const int64_t step = std::max<int64_t>(1, kChunk / std::max<int64_t>(bytes, 1));
  std::vector<uint8_t> buffer;
  Hasher hasher;
  for (int64_t begin = 0; begin < units; begin += step) {
    const int64_t end = std::min(units, begin + step);
    buffer.resize((end - begin) * bytes);
    RETURN_IF_ERROR(ExecutePack(plain, reader, begin, end, buffer));
    hasher.Add(buffer);
  }
  return hasher.Digest();
}

namespace {

uint64_t Mix(uint64_t x) {  // SplitMix64's finaliser
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Sum of four uniforms: near enough to normal, mean 0, deviation 1.
double NormalLike(uint64_t bits) {
  double sum = 0;
  for (int part = 0; part < 4; ++part) {
    sum += static_cast<double>((bits >> (16 * part)) & 0xffff) / 65536.0 - 0.5;
  }
  return sum * 1.7320508;
}

}  // namespace

absl::Status RandomPackReader::Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) {
  const bool real = IsFloat(source.dtype) && BitWidth(source.dtype) >= 16;
  const int64_t width = real ? BitWidth(source.dtype) / 8 : 1;
  const int64_t widest = source.sizes.empty() ? 1 : *std::max_element(source.sizes.begin(), source.sizes.end());
  const bool matrix = source.sizes.size() > 1;
  PackExpr one{.nodes = {{.kind = PackKind::kLiteral, .dtype = DType::kF64, .bytes = std::string(8, '\0')},
                         {.kind = PackKind::kCast, .dtype = source.dtype, .inputs = {0}}}};
  for (size_t at = 0; at < out.size(); at += width) {
    const uint64_t bits = Mix(seed_ * 0x9e3779b97f4a7c15ull +
                              Mix(static_cast<uint64_t>(source.file) << 48 ^ (source.offset + offset + at)));
    if (!real) {
      out[at] = static_cast<uint8_t>(bits);
      continue;
    }
    const double value =
        matrix ? NormalLike(bits) / std::sqrt(static_cast<double>(widest)) : 1 + 0.1 * NormalLike(bits);
    if (source.dtype == DType::kF32) {
      const float v = static_cast<float>(value);
      std::memcpy(out.data() + at, &v, 4);
      continue;
    }
    std::memcpy(one.nodes[0].bytes.data(), &value, 8);
    ASSIGN_OR_RETURN(Block block, Evaluate(one, 1, Box{}, *this));
    std::memcpy(out.data() + at, block.data.data(), width);
  }
  return absl::OkStatus();
}

}  // namespace sluice
