// The CUDA driver API, opened with dlopen: every tool starts on a machine without a driver.
//
//   ASSIGN_OR_RETURN(const Driver* cuda, Driver::Open());
//   RETURN_IF_ERROR(cuda->Check(cuda->cuMemAlloc_v2(&address, bytes), "cuMemAlloc"));
//
// As much of cuda.h as is used, under its own names; the layouts are those of CUDA 13.
#ifndef SLUICE_RUNTIME_CUDA_DRIVER_H_
#define SLUICE_RUNTIME_CUDA_DRIVER_H_

#include <cstddef>
#include <cstdint>

#include "runtime/base/status.h"

namespace sluice::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUkernel = struct CUkern_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphNode = struct CUgraphNode_st*;
using CUgraphExec = struct CUgraphExec_st*;

inline constexpr CUresult kCudaSuccess = 0;
inline constexpr CUresult kCudaOutOfMemory = 2;
inline constexpr int kAttributeMajor = 75, kAttributeMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
inline constexpr int kAttributeClockKilohertz = 13, kAttributeProcessors = 16;  // …_CLOCK_RATE, …_MULTIPROCESSOR_COUNT
inline constexpr int kFunctionSharedBytes = 8;                // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
inline constexpr int kLaunchCluster = 4, kLaunchOverlap = 6;  // CU_LAUNCH_ATTRIBUTE_*
inline constexpr unsigned kStreamNonBlocking = 1, kHostPortable = 1, kEventWithoutTime = 2;

struct alignas(64) CUtensorMap {
  uint64_t opaque[16];
};

struct CUlaunchAttribute {
  int id;
  char pad[4];
  union {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } cluster;
    int flag;
  };
};

struct CUlaunchConfig {
  unsigned grid[3], block[3];
  unsigned shared_bytes;
  CUstream stream;
  CUlaunchAttribute* attributes;
  unsigned attribute_count;
};

struct CUkernelNodeParams {  // CUDA_KERNEL_NODE_PARAMS_v2
  CUfunction function;
  unsigned grid[3], block[3];
  unsigned shared_bytes;
  void** params;
  void** extra;
  CUkernel kernel;
  CUcontext context;
};

struct CUmemcpy2D {  // CUDA_MEMCPY2D_v2
  size_t from_x, from_y;
  unsigned from_kind;
  const void* from_host;
  CUdeviceptr from;
  void* from_array;
  size_t from_pitch;
  size_t to_x, to_y;
  unsigned to_kind;
  void* to_host;
  CUdeviceptr to;
  void* to_array;
  size_t to_pitch;
  size_t width, height;
};
inline constexpr unsigned kMemoryHost = 1, kMemoryDevice = 2;  // CU_MEMORYTYPE_*

struct CUgraphEdgeData {
  unsigned char from_port, to_port, type, reserved[5];
};

// X(name, parameters); all return CUresult.
#define SLUICE_CUDA_DRIVER(X)                                                                                       \
  X(cuInit, (unsigned))                                                                                             \
  X(cuDriverGetVersion, (int*))                                                                                     \
  X(cuDeviceGetCount, (int*))                                                                                       \
  X(cuDeviceGet, (CUdevice*, int))                                                                                  \
  X(cuDeviceGetName, (char*, int, CUdevice))                                                                        \
  X(cuDeviceGetAttribute, (int*, int, CUdevice))                                                                    \
  X(cuDevicePrimaryCtxRetain, (CUcontext*, CUdevice))                                                               \
  X(cuDevicePrimaryCtxRelease_v2, (CUdevice))                                                                       \
  X(cuCtxSetCurrent, (CUcontext))                                                                                   \
  X(cuMemGetInfo_v2, (size_t*, size_t*))                                                                            \
  X(cuMemAlloc_v2, (CUdeviceptr*, size_t))                                                                          \
  X(cuMemFree_v2, (CUdeviceptr))                                                                                    \
  X(cuMemHostAlloc, (void**, size_t, unsigned))                                                                     \
  X(cuMemFreeHost, (void*))                                                                                         \
  X(cuMemHostRegister_v2, (void*, size_t, unsigned))                                                                \
  X(cuMemHostUnregister, (void*))                                                                                   \
  X(cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void*, size_t, CUstream))                                             \
  X(cuMemcpyDtoHAsync_v2, (void*, CUdeviceptr, size_t, CUstream))                                                   \
  X(cuMemcpyDtoDAsync_v2, (CUdeviceptr, CUdeviceptr, size_t, CUstream))                                             \
  X(cuMemcpy2DAsync_v2, (const CUmemcpy2D*, CUstream))                                                              \
  X(cuMemsetD8Async, (CUdeviceptr, unsigned char, size_t, CUstream))                                                \
  X(cuStreamCreate, (CUstream*, unsigned))                                                                          \
  X(cuStreamSynchronize, (CUstream))                                                                                \
  X(cuStreamDestroy_v2, (CUstream))                                                                                 \
  X(cuEventCreate, (CUevent*, unsigned))                                                                            \
  X(cuEventRecord, (CUevent, CUstream))                                                                             \
  X(cuEventSynchronize, (CUevent))                                                                                  \
  X(cuEventElapsedTime, (float*, CUevent, CUevent))                                                                 \
  X(cuEventDestroy_v2, (CUevent))                                                                                   \
  X(cuModuleLoadData, (CUmodule*, const void*))                                                                     \
  X(cuModuleUnload, (CUmodule))                                                                                     \
  X(cuModuleGetFunction, (CUfunction*, CUmodule, const char*))                                                      \
  X(cuFuncSetAttribute, (CUfunction, int, int))                                                                     \
  X(cuLaunchKernelEx, (const CUlaunchConfig*, CUfunction, void**, void**))                                          \
  X(cuTensorMapEncodeTiled, (CUtensorMap*, int, unsigned, void*, const uint64_t*, const uint64_t*, const uint32_t*, \
                             const uint32_t*, int, int, int, int))                                                  \
  X(cuTensorMapEncodeIm2col, (CUtensorMap*, int, unsigned, void*, const uint64_t*, const uint64_t*, const int*,     \
                              const int*, uint32_t, uint32_t, const uint32_t*, int, int, int, int))                 \
  X(cuGraphCreate, (CUgraph*, unsigned))                                                                            \
  X(cuGraphDestroy, (CUgraph))                                                                                      \
  X(cuGraphAddKernelNode_v2, (CUgraphNode*, CUgraph, const CUgraphNode*, size_t, const CUkernelNodeParams*))        \
  X(cuGraphKernelNodeSetAttribute, (CUgraphNode, int, const void*))                                                 \
  X(cuGraphAddDependencies_v2, (CUgraph, const CUgraphNode*, const CUgraphNode*, const CUgraphEdgeData*, size_t))   \
  X(cuGraphInstantiateWithFlags, (CUgraphExec*, CUgraph, unsigned long long))                                       \
  X(cuGraphExecDestroy, (CUgraphExec))                                                                              \
  X(cuGraphLaunch, (CUgraphExec, CUstream))                                                                         \
  X(cuGetErrorName, (CUresult, const char**))                                                                       \
  X(cuGetErrorString, (CUresult, const char**))

class Driver {
 public:
  // Loads and initialises it, once.  kUnavailable says why not (no libcuda.so.1, no device, a driver too old).
  static absl::StatusOr<const Driver*> Open();

#define MEMBER(name, params) CUresult(*name) params = nullptr;
  SLUICE_CUDA_DRIVER(MEMBER)
#undef MEMBER

  int version() const { return version_; }  // 13000
  // Ok, or an error of this call: kResourceExhausted for memory, kInternal otherwise.
  absl::Status Check(CUresult result, const char* call) const {
    return result == kCudaSuccess ? absl::OkStatus() : Error(result, call);
  }

 private:
  Driver() = default;
  static absl::StatusOr<const Driver*> Load();
  absl::Status Error(CUresult result, const char* call) const;
  int version_ = 0;
};

}  // namespace sluice::cuda

#endif  // SLUICE_RUNTIME_CUDA_DRIVER_H_
