// Weights from a seed.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/base/cpu.h"
#include "runtime/base/half.h"
#include "runtime/base/pack_weight.h"

namespace sluice {
namespace {

uint64_t Mix(uint64_t x) {  // SplitMix64's finaliser
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// 32 bits from a counter and a key, cheap where many are computed at once (Wellons' lowbias32).
SLUICE_INLINE uint32_t Bits(uint32_t counter, uint32_t key) {
  uint32_t x = counter ^ key;
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// Elements first, first + 1 …: the sum of four bytes is near enough to normal; `mean`, `deviation`.
SLUICE_INLINE void NormalLike(uint32_t key, uint32_t first, int64_t n, float mean, float deviation, float* out) {
  constexpr float kBytesDeviation = 147.8f;  // of the sum of four uniform bytes, whose mean is 510
  const float scale = deviation / kBytesDeviation;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t b = Bits(first + static_cast<uint32_t>(i), key);
    const int sum = static_cast<int>((b & 255) + ((b >> 8) & 255) + ((b >> 16) & 255) + (b >> 24)) - 510;
    out[i] = static_cast<float>(sum) * scale + mean;
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void NormalLikeV3(uint32_t key, uint32_t first, int64_t n, float mean, float deviation,
                                                  float* out) {
  NormalLike(key, first, n, mean, deviation, out);
}
#endif

void FillNormal(uint32_t key, uint32_t first, int64_t n, float mean, float deviation, float* out) {
#if defined(__x86_64__)
  if (Cpu().v3()) {
    return NormalLikeV3(key, first, n, mean, deviation, out);
  }
#endif
  NormalLike(key, first, n, mean, deviation, out);
}

void Store(DType dtype, const float* from, int64_t n, uint8_t* to) {
  switch (dtype) {
    case DType::kF16:
      return F32ToF16(from, reinterpret_cast<uint16_t*>(to), n);
    case DType::kBF16:
      return F32ToBF16(from, reinterpret_cast<uint16_t*>(to), n);
    case DType::kF64:
      std::copy(from, from + n, reinterpret_cast<double*>(to));
      return;
    default:
      std::memcpy(to, from, n * sizeof(float));
  }
}

}  // namespace

absl::Status RandomPackReader::Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) {
  // Elements are numbered from the file's beginning, so that two sources that overlap agree.
  const uint64_t stream = Mix(seed_ * 0x9e3779b97f4a7c15ull + static_cast<uint64_t>(source.file) + 1);
  const int bits = BitWidth(source.dtype);
  const int64_t at = source.offset + offset;
  if (IsFloat(source.dtype) && bits >= 16) {
    constexpr int64_t kPiece = 1024;
    const int64_t width = bits / 8;
    const int64_t widest = source.sizes.empty() ? 1 : *std::max_element(source.sizes.begin(), source.sizes.end());
    const bool matrix = source.sizes.size() > 1;
    const float mean = matrix ? 0.0f : 1.0f;
    const float deviation = matrix ? 1.0f / std::sqrt(static_cast<float>(std::max<int64_t>(widest, 1))) : 0.1f;
    float values[kPiece];
    alignas(8) uint8_t stored[kPiece * 8];
    const int64_t total = static_cast<int64_t>(out.size()) / width;
    for (int64_t done = 0; done < total;) {
      // The counter has 32 bits; its upper half goes into the key.
      const uint64_t number = static_cast<uint64_t>(at / width + done);
      const int64_t until = static_cast<int64_t>((uint64_t{1} << 32) - (number & 0xffffffffu));
      const int64_t n = std::min({kPiece, total - done, until});
      FillNormal(static_cast<uint32_t>(Mix(stream + (number >> 32))), static_cast<uint32_t>(number), n, mean, deviation,
                 values);
      Store(source.dtype, values, n, stored);
      std::memcpy(out.data() + done * width, stored, n * width);
      done += n;
    }
    return absl::OkStatus();
  }
  if (bits > 8) {
    std::fill(out.begin(), out.end(), uint8_t{0});
    return absl::OkStatus();
  }
  // Eight bytes of one number; the block a byte lies in depends on its place in the file alone.
  for (size_t i = 0; i < out.size();) {
    const uint64_t word = Mix(stream ^ Mix(static_cast<uint64_t>(at + static_cast<int64_t>(i)) / 8 + 1));
    uint8_t bytes[8];
    std::memcpy(bytes, &word, 8);
    for (size_t b = static_cast<size_t>(at + static_cast<int64_t>(i)) % 8; b < 8 && i < out.size(); ++b, ++i) {
      out[i] = source.dtype == DType::kBool ? bytes[b] & 1 : bytes[b];
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice
