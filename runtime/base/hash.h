// XXH3-64: checksums of artifact blobs and keys of equal weights.  Not for untrusted keys.
//
//   Hash64(bytes)                      // of one block
//   Hasher h; h.Add(a); h.Add(b); h.Digest()   // of a stream: equals Hash64 of a followed by b
#ifndef SLUICE_RUNTIME_BASE_HASH_H_
#define SLUICE_RUNTIME_BASE_HASH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace sluice {

uint64_t Hash64(const void* data, size_t size);
inline uint64_t Hash64(std::span<const uint8_t> bytes) { return Hash64(bytes.data(), bytes.size()); }
inline uint64_t Hash64(const std::string& text) { return Hash64(text.data(), text.size()); }

// Moves, does not copy.  Digest() may be asked at any time and does not end the stream.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Add(const void* data, size_t size);
  void Add(std::span<const uint8_t> bytes) { Add(bytes.data(), bytes.size()); }
  void Add(const std::string& text) { Add(text.data(), text.size()); }
  // The bytes of a number, little-endian.
  void AddInt(int64_t value) { Add(&value, sizeof(value)); }
  uint64_t Digest() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_HASH_H_
