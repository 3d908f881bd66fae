// Pack expressions, which a stripped artifact carries.
#include <algorithm>

#include "runtime/base/pack_weight.h"
#include "test/fuzz/target.h"

namespace sluice::fuzz {
namespace {

constexpr int64_t kMostBytes = 1 << 20;  // larger weights are right, and slow

std::vector<std::string> Seeds() {
  const PackNode w{.kind = PackKind::kSource, .dtype = DType::kF32, .sizes = {8, 20}};
  const PackNode t{.kind = PackKind::kTranspose, .dtype = DType::kF32, .sizes = {20, 8}, .inputs = {0}, .ints = {1, 0}};
  const PackNode half{.kind = PackKind::kCast, .dtype = DType::kF16, .sizes = {20, 8}, .inputs = {1}};
  const PackNode q{.kind = PackKind::kSource, .dtype = DType::kU4, .sizes = {2, 32}};
  const PackNode scale{.kind = PackKind::kSource, .dtype = DType::kF32, .sizes = {2, 2}, .offset = 32};
  const PackNode deq{
      .kind = PackKind::kDequantize, .dtype = DType::kF32, .sizes = {2, 32}, .inputs = {0, 1}, .ints = {1, 16}};
  const PackNode both{
      .kind = PackKind::kConcat, .dtype = DType::kF32, .sizes = {16, 20}, .inputs = {0, 0}, .ints = {0}};
  return {SerializePack({.nodes = {w, t}, .layout = WeightLayout::kNkTile16}), SerializePack({.nodes = {w, t, half}}),
          SerializePack({.nodes = {q, scale, deq}}), SerializePack({.nodes = {w, both}})};
}

void Run(std::string_view bytes) {
  const auto expr = ParsePack(Bytes(bytes));
  if (!expr.ok()) {
    return;
  }
  RandomPackReader reader(1);
  const bool small = std::all_of(expr->nodes.begin(), expr->nodes.end(), [](const PackNode& node) {
    int64_t elements = 1;
    for (const int64_t size : node.sizes) {
      elements = size == 0 ? 0 : std::min(kMostBytes, elements) * std::min(kMostBytes, size);
    }
    return elements < kMostBytes;
  });
  if (small && PackedBytes(*expr) < kMostBytes) {
    (void)StreamPack(*expr, reader, nullptr, [](std::span<const uint8_t>) { return absl::OkStatus(); });
  }
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(pack, sluice::fuzz::Seeds, sluice::fuzz::Run)
