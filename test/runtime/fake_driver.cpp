#include "test/runtime/fake_driver.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "runtime/cuda/driver.h"

namespace sluice::test {
namespace {

using namespace cuda;

struct Kernel {
  std::vector<int> words;
  std::function<void(const FakeParams&)> run;
};
struct Node {
  const Kernel* kernel;
  FakeParams params;
};
using Graph = std::vector<Node>;

std::map<std::string, Kernel>& Kernels() {
  static std::map<std::string, Kernel> kernels;
  return kernels;
}
std::map<const uint8_t*, size_t>& Pinned() {
  static std::map<const uint8_t*, size_t> pinned;
  return pinned;
}

// All streams are one queue; an event is how much of it had been given when it was recorded.
std::deque<std::function<void()>> queue;
std::atomic<int64_t> given = 0, run = 0;
std::mutex mutex;  // of the queue, the counts and what is pinned

void Give(std::function<void()> work) {
  const std::lock_guard<std::mutex> lock(mutex);
  queue.push_back(std::move(work));
  ++given;
}
void RunUntil(int64_t end) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (; run < end; ++run) {
    queue.front()();
    queue.pop_front();
  }
}

void Pin(void* data, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  Pinned()[static_cast<uint8_t*>(data)] = bytes;
}
void Unpin(void* data) {
  const std::lock_guard<std::mutex> lock(mutex);
  Pinned().erase(static_cast<uint8_t*>(data));
}
bool IsPinned(const void* p) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto next = Pinned().upper_bound(static_cast<const uint8_t*>(p));
  return next != Pinned().begin() && static_cast<const uint8_t*>(p) < std::prev(next)->first + std::prev(next)->second;
}

template <typename T>
T* As(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

}  // namespace

void FakeKernel(const std::string& entry, std::vector<int> words, std::function<void(const FakeParams&)> run_kernel) {
  Kernels()[entry] = {std::move(words), std::move(run_kernel)};
}

FakeCounts& Counts() {
  static FakeCounts counts;
  return counts;
}

extern "C" {

#define FAKE(name, params) __attribute__((visibility("default"))) CUresult name params

// What is asked of the machine: one device of compute capability 9.0 with a driver for CUDA 13.
FAKE(cuDriverGetVersion, (int* version)) { return *version = 13000, kCudaSuccess; }
FAKE(cuDeviceGetCount, (int* count)) { return *count = 1, kCudaSuccess; }
FAKE(cuDeviceGet, (CUdevice * device, int)) { return *device = 0, kCudaSuccess; }
FAKE(cuDeviceGetName, (char* name, int, CUdevice)) { return std::strcpy(name, "fake"), kCudaSuccess; }
FAKE(cuDeviceGetAttribute, (int* value, int attribute, CUdevice)) {
  *value = attribute == kAttributeMajor ? 9 : 0;
  return kCudaSuccess;
}
FAKE(cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice)) { return *context = nullptr, kCudaSuccess; }
FAKE(cuMemGetInfo_v2, (size_t* free, size_t* total)) { return *free = *total = size_t{1} << 30, kCudaSuccess; }
FAKE(cuGetErrorName, (CUresult, const char** name)) { return *name = "CUDA_ERROR", kCudaSuccess; }
FAKE(cuGetErrorString, (CUresult, const char** text)) { return *text = "an error", kCudaSuccess; }

// What has no effect here.
#define NOTHING(name, params) \
  FAKE(name, params) { return kCudaSuccess; }
NOTHING(cuInit, (unsigned))
NOTHING(cuDevicePrimaryCtxRelease_v2, (CUdevice))
NOTHING(cuCtxSetCurrent, (CUcontext))
NOTHING(cuStreamDestroy_v2, (CUstream))
NOTHING(cuModuleUnload, (CUmodule))
NOTHING(cuFuncSetAttribute, (CUfunction, int, int))
NOTHING(cuGraphKernelNodeSetAttribute, (CUgraphNode, int, const void*))
NOTHING(cuGraphAddDependencies_v2, (CUgraph, const CUgraphNode*, const CUgraphNode*, const CUgraphEdgeData*, size_t))
NOTHING(cuEventElapsedTime, (float*, CUevent, CUevent))

// What these programs do not use.
#define UNUSED(name, params) \
  FAKE(name, params) { return kCudaSuccess + 1; }
UNUSED(cuLaunchKernelEx, (const CUlaunchConfig*, CUfunction, void**, void**))
UNUSED(cuTensorMapEncodeTiled, (CUtensorMap*, int, unsigned, void*, const uint64_t*, const uint64_t*, const uint32_t*,
                                const uint32_t*, int, int, int, int))
UNUSED(cuTensorMapEncodeIm2col, (CUtensorMap*, int, unsigned, void*, const uint64_t*, const uint64_t*, const int*,
                                 const int*, uint32_t, uint32_t, const uint32_t*, int, int, int, int))

// Memory.  Freeing it waits, as the driver does.
FAKE(cuMemAlloc_v2, (CUdeviceptr * address, size_t bytes)) {
  *address = reinterpret_cast<CUdeviceptr>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
  return kCudaSuccess;
}
FAKE(cuMemFree_v2, (CUdeviceptr address)) {
  RunUntil(given);
  std::free(As<void>(address));
  return kCudaSuccess;
}
FAKE(cuMemHostAlloc, (void** data, size_t bytes, unsigned)) {
  *data = std::calloc(bytes, 1);
  return Pin(*data, bytes), kCudaSuccess;
}
FAKE(cuMemHostRegister_v2, (void* data, size_t bytes, unsigned)) { return Pin(data, bytes), kCudaSuccess; }
FAKE(cuMemHostUnregister, (void* data)) { return Unpin(data), kCudaSuccess; }
FAKE(cuMemFreeHost, (void* data)) {
  Unpin(data);
  std::free(data);
  return kCudaSuccess;
}

// Copies.  What is not pinned is staged at once on the way in, and waited for on the way out.
FAKE(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void* from, size_t bytes, CUstream)) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    Counts().copies_in += 1;
  }
  if (IsPinned(from)) {
    Give([=] { std::memcpy(As<void>(to), from, bytes); });
  } else {
    Give([=, staged = std::string(static_cast<const char*>(from), bytes)] {
      std::memcpy(As<void>(to), staged.data(), bytes);
    });
  }
  return kCudaSuccess;
}
FAKE(cuMemcpyDtoHAsync_v2, (void* to, CUdeviceptr from, size_t bytes, CUstream)) {
  Counts().copies_out += 1;
  Give([=] { std::memcpy(to, As<void>(from), bytes); });
  RunUntil(IsPinned(to) ? run : given);
  return kCudaSuccess;
}
FAKE(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream)) {
  Counts().copies_within += 1;
  Give([=] { std::memcpy(As<void>(to), As<void>(from), bytes); });
  return kCudaSuccess;
}
FAKE(cuMemcpy2DAsync_v2, (const CUmemcpy2D* copy, CUstream)) {
  Counts().copies_out += copy->to_kind == kMemoryHost ? 1 : 0;
  Give([c = *copy] {
    uint8_t* const to = c.to_kind == kMemoryHost ? static_cast<uint8_t*>(c.to_host) : As<uint8_t>(c.to);
    for (size_t row = 0; row < c.height; ++row) {
      std::memcpy(to + row * c.to_pitch, As<uint8_t>(c.from) + row * c.from_pitch, c.width);
    }
  });
  return kCudaSuccess;
}
FAKE(cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t bytes, CUstream)) {
  Give([=] { std::memset(As<void>(to), value, bytes); });
  return kCudaSuccess;
}

// Streams and events.
FAKE(cuStreamCreate, (CUstream * stream, unsigned)) { return *stream = As<CUstream_st>(8), kCudaSuccess; }
FAKE(cuStreamSynchronize, (CUstream)) { return RunUntil(given), kCudaSuccess; }
FAKE(cuEventCreate, (CUevent * event, unsigned)) {
  *event = reinterpret_cast<CUevent>(new int64_t(0));
  return kCudaSuccess;
}
FAKE(cuEventRecord, (CUevent event, CUstream)) { return *reinterpret_cast<int64_t*>(event) = given, kCudaSuccess; }
FAKE(cuEventSynchronize, (CUevent event)) { return RunUntil(*reinterpret_cast<int64_t*>(event)), kCudaSuccess; }
FAKE(cuEventDestroy_v2, (CUevent event)) { return delete reinterpret_cast<int64_t*>(event), kCudaSuccess; }

// Kernels and graphs.
FAKE(cuModuleLoadData, (CUmodule * module, const void*)) { return *module = As<CUmod_st>(8), kCudaSuccess; }
FAKE(cuModuleGetFunction, (CUfunction * function, CUmodule, const char* entry)) {
  const auto kernel = Kernels().find(entry);
  *function = kernel == Kernels().end() ? nullptr : reinterpret_cast<CUfunction>(&kernel->second);
  return *function == nullptr ? kCudaSuccess + 1 : kCudaSuccess;
}
FAKE(cuGraphCreate, (CUgraph * graph, unsigned)) {
  Counts().graphs_made += 1;
  *graph = reinterpret_cast<CUgraph>(new Graph);
  return kCudaSuccess;
}
FAKE(cuGraphDestroy, (CUgraph graph)) { return delete reinterpret_cast<Graph*>(graph), kCudaSuccess; }
FAKE(cuGraphAddKernelNode_v2,
     (CUgraphNode*, CUgraph graph, const CUgraphNode*, size_t, const CUkernelNodeParams* params)) {
  const Kernel* kernel = reinterpret_cast<const Kernel*>(params->function);
  Node node{kernel, {}};
  for (size_t p = 0; p < kernel->words.size(); ++p) {
    const int64_t* words = static_cast<const int64_t*>(params->params[p]);
    node.params.emplace_back(words, words + kernel->words[p]);
  }
  reinterpret_cast<Graph*>(graph)->push_back(std::move(node));
  return kCudaSuccess;
}
FAKE(cuGraphInstantiateWithFlags, (CUgraphExec * exec, CUgraph graph, unsigned long long)) {
  *exec = reinterpret_cast<CUgraphExec>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return kCudaSuccess;
}
FAKE(cuGraphExecDestroy, (CUgraphExec exec)) {
  RunUntil(given);
  delete reinterpret_cast<Graph*>(exec);
  return kCudaSuccess;
}
FAKE(cuGraphLaunch, (CUgraphExec exec, CUstream)) {
  Counts().graphs_launched += 1;
  Give([graph = reinterpret_cast<const Graph*>(exec)] {
    for (const Node& node : *graph) {
      node.kernel->run(node.params);
    }
  });
  return kCudaSuccess;
}

}  // extern "C"

}  // namespace sluice::test
