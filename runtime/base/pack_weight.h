// Pack expressions: how a weight of an artifact is made from the model's files.
//
// What the compiler's passes do to weights only (slice, transpose, cast, concat, dequantize …) becomes a list of nodes
// in postorder, the last of which is the weight; `layout` says how its elements lie in the artifact (docs/layouts.md).
// The compiler executes it chunk by chunk while it writes an artifact; the runtime does the same to bind the weights of
// a stripped one.  Nothing is ever held whole.
//
//   PackNode w{.kind = PackKind::kSource, .dtype = DType::kF32, .sizes = {64, 128}, .file = 0, .offset = 4096};
//   PackNode t{.kind = PackKind::kTranspose, .dtype = DType::kF32, .sizes = {128, 64}, .inputs = {0}, .ints = {1, 0}};
//   PackExpr e{.nodes = {w, t}, .layout = WeightLayout::kNkTile16};
//   PackedBytes(e)                                      // 128 · 64 · 4
//   StreamPack(e, reader, nullptr, [&](std::span<const uint8_t> bytes) { return out.Append(bytes); })
//
// Views (slices, transposes, reshapes, broadcasts) of a source become strided reads of the file; an element of the
// result is read once, whatever the chunk.
//
// A *unit* is what the packed form is cut into: a tile of 16 rows, or (kRowMajor) a row of the first dimension, of the
// first two where such a row has more than 1 MB, and so on.
// Errors: kInvalidArgument (an expression that contradicts itself, found by Validate), what the reader returns.
#ifndef SLUICE_RUNTIME_BASE_PACK_WEIGHT_H_
#define SLUICE_RUNTIME_BASE_PACK_WEIGHT_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/file.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"

namespace sluice {

// The numbers are those of kernels::Layout and of the artifact.
enum class WeightLayout : uint8_t { kRowMajor = 0, kNkTile16 = 1, kOihwTile16 = 3 };

enum class PackKind : uint8_t {
  kSource,     // elements in a file: `file`, `offset`; row-major, little-endian, 4-bit types low nibble first
  kLiteral,    // `bytes`, like a source
  kSlice,      // ints: starts, then steps (each of the rank)
  kTranspose,  // ints: permutation; result dimension d is input dimension ints[d]
  kReshape,    // same elements, row-major
  kConcat,     // ints: {axis}
  kBroadcast,  // ints: the result's dimensions that are new
  kCast,       // to `dtype`
  kAdd,
  kSub,
  kMul,
  kDiv,  // numbers of equal sizes and types
  kNeg,
  kSqrt,
  kReciprocal,  // floats (kNeg: integers too)
  kDequantize,  // inputs: q, scale, zero point or none; ints: {axis, block}: (q − zero) · scale, as nn.dequantize
  kLinear,      // integers x [m, k], w [n, k]: [m, n], summed exactly, low bits kept
};

struct PackNode {
  PackKind kind = PackKind::kSource;
  DType dtype = DType::kUndefined;  // of the result
  std::vector<int64_t> sizes;       // of the result
  std::vector<int64_t> inputs;      // earlier nodes
  std::vector<int64_t> ints;
  int64_t file = 0;
  int64_t offset = 0;
  std::string bytes;
};

struct PackExpr {
  std::vector<PackNode> nodes;
  WeightLayout layout = WeightLayout::kRowMajor;
  int64_t groups = 1;  // kOihwTile16
};

// Where sources come from.  Read may be called from several threads.
class PackReader {
 public:
  virtual ~PackReader() = default;
  // Fills `out` with bytes [offset, offset + out.size()) of the node's elements (0: the node's first byte).
  virtual absl::Status Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) = 0;
};

// Checks an expression from outside: kinds, ranks, sizes, types, that the layout fits.  The others below trust it.
absl::Status ValidatePack(const PackExpr& expr);

int64_t PackedBytes(const PackExpr& expr);
int64_t PackedUnits(const PackExpr& expr);
// Bytes of one unit.
int64_t UnitBytes(const PackExpr& expr);

// Writes units [begin, end) to `out` (their bytes exactly).
absl::Status ExecutePack(const PackExpr& expr, PackReader& reader, int64_t begin, int64_t end, std::span<uint8_t> out);

// Makes the whole weight in chunks of a few megabytes and gives each to `sink`, in order.  Memory: a small multiple of
// 16 MB, whatever the weight's size.  `pool` (may be null) shares the work of a chunk; the bytes are the same.
absl::Status StreamPack(const PackExpr& expr, PackReader& reader, ThreadPool* pool,
                        const std::function<absl::Status(std::span<const uint8_t>)>& sink);

// XXH3-64 of the expression itself: equal expressions are one weight, without reading a byte.
uint64_t PackKey(const PackExpr& expr);

// XXH3-64 of the logical elements in row-major order, whatever the layout: two weights with equal hashes, types and
// sizes are one weight (a tied embedding stored twice, once transposed).
absl::StatusOr<uint64_t> ContentHash(const PackExpr& expr, PackReader& reader);

std::string SerializePack(const PackExpr& expr);
absl::StatusOr<PackExpr> ParsePack(std::span<const uint8_t> bytes);  // validated

// Reads from files by position: nothing of them counts as this process' memory.
class FilePackReader : public PackReader {
 public:
  // One file each number a source may name.  kNotFound and others name the path.
  static absl::StatusOr<FilePackReader> Open(const std::vector<std::string>& paths);
  // kInvalidArgument: no such file; kDataLoss: the file ends before.  Both name it.
  absl::Status Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) override;

 private:
  std::vector<RandomAccessFile> files_;
};

// Values made from a seed instead of files.  Floats: normal-like around 0, deviation 1/√(largest dimension), in
// matrices; near 1 in vectors.  Integers of at most 8 bits: any (bool: 0 or 1).  Wider ones: 0, since they may be
// indices.  The same seed, file, place and type give the same values, in whatever pieces they are read.
class RandomPackReader : public PackReader {
 public:
  explicit RandomPackReader(uint64_t seed) : seed_(seed) {}
  absl::Status Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) override;

 private:
  uint64_t seed_;
};

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_PACK_WEIGHT_H_
