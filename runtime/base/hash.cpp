#include "runtime/base/hash.h"

#include <xxhash.h>

namespace sluice {

uint64_t Hash64(const void* data, size_t size) { return XXH3_64bits(data, size); }

struct Hasher::Impl {
  XXH3_state_t* state = XXH3_createState();
  ~Impl() { XXH3_freeState(state); }
};

Hasher::Hasher() : impl_(std::make_unique<Impl>()) { XXH3_64bits_reset(impl_->state); }
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Add(const void* data, size_t size) { XXH3_64bits_update(impl_->state, data, size); }
uint64_t Hasher::Digest() const { return XXH3_64bits_digest(impl_->state); }

}  // namespace sluice
