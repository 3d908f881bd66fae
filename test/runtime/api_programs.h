// Artifacts for tests of the API, which see none of the runtime's own headers.
#ifndef SLUICE_TEST_RUNTIME_API_PROGRAMS_H_
#define SLUICE_TEST_RUNTIME_API_PROGRAMS_H_

#include <cstdint>
#include <vector>

namespace sluice::test {

// y = 2 x + z, all f32 [n, 4].
std::vector<uint8_t> DoubleAddArtifact();
// tokens [batch, seq] of a vocabulary of 8; the largest logit behind token t is that of t + 1.  Has a cache.
std::vector<uint8_t> CountingDecoderArtifact();

}  // namespace sluice::test

#endif  // SLUICE_TEST_RUNTIME_API_PROGRAMS_H_
