// Stands for libcuda.so.1 in tests without a GPU.  Its device memory is the host's, its kernels are functions of the
// test.
//
// What a stream is given waits in a queue until somebody waits for the stream or an event, as it may on a GPU: who
// changes pinned memory before its copy has run, or reads it, sees the difference.
#ifndef SLUICE_TEST_RUNTIME_FAKE_DRIVER_H_
#define SLUICE_TEST_RUNTIME_FAKE_DRIVER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sluice::test {

// The values of a launch's parameters.
using FakeParams = std::vector<std::vector<int64_t>>;

// Kernels of this name run `run`; `words`: 8-byte words of each of their parameters.
void FakeKernel(const std::string& entry, std::vector<int> words, std::function<void(const FakeParams&)> run);

struct FakeCounts {
  int copies_in = 0, copies_within = 0, copies_out = 0, graphs_made = 0, graphs_launched = 0;
};
FakeCounts& Counts();

}  // namespace sluice::test

#endif  // SLUICE_TEST_RUNTIME_FAKE_DRIVER_H_
