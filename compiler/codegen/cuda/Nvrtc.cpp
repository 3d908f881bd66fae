#include "compiler/codegen/cuda/Nvrtc.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

namespace sluice::codegen {

namespace {

// nvrtc.h, as much of it as is used.
using Program = struct NvrtcProgram*;
constexpr int kSuccess = 0;

}  // namespace

// X(name, result, parameters)
#define SLUICE_NVRTC(X)                                                                                         \
  X(nvrtcVersion, int, (int*, int*))                                                                            \
  X(nvrtcCreateProgram, int, (Program*, const char*, const char*, int, const char* const*, const char* const*)) \
  X(nvrtcDestroyProgram, int, (Program*))                                                                       \
  X(nvrtcCompileProgram, int, (Program, int, const char* const*))                                               \
  X(nvrtcGetProgramLogSize, int, (Program, size_t*))                                                            \
  X(nvrtcGetProgramLog, int, (Program, char*))                                                                  \
  X(nvrtcGetCUBINSize, int, (Program, size_t*))                                                                 \
  X(nvrtcGetCUBIN, int, (Program, char*))                                                                       \
  X(nvrtcGetPTXSize, int, (Program, size_t*))                                                                   \
  X(nvrtcGetPTX, int, (Program, char*))                                                                         \
  X(nvrtcGetErrorString, const char*, (int))

struct Nvrtc::Api {
#define MEMBER(name, result, params) result(*name) params = nullptr;
  SLUICE_NVRTC(MEMBER)
#undef MEMBER
};

absl::StatusOr<const Nvrtc*> Nvrtc::Load() {
  std::vector<std::string> places;
  if (const char* given = std::getenv("SLUICE_NVRTC")) {
    places = {given};
  } else {
    places = {SLUICE_NVRTC_BUILT_WITH, "libnvrtc.so.13"};
  }
  void* handle = nullptr;
  std::string tried;
  for (const std::string& place : places) {
    if (handle == nullptr && !place.empty()) {
      handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
      absl::StrAppend(&tried, tried.empty() ? "" : ", ", place);
    }
  }
  if (handle == nullptr) {
    return absl::UnavailableError("NVRTC, which compiles CUDA kernels, was not found (tried " + tried +
                                  "; install the PyPI package nvidia-cuda-nvrtc or a CUDA 13 toolkit, or set "
                                  "SLUICE_NVRTC to libnvrtc.so.13)");
  }
  static Api api;
#define RESOLVE(name, result, params)                                     \
  api.name = reinterpret_cast<result(*) params>(dlsym(handle, #name));    \
  if (api.name == nullptr) {                                              \
    return absl::UnavailableError("NVRTC (" + tried + ") has no " #name); \
  }
  SLUICE_NVRTC(RESOLVE)
#undef RESOLVE
  int major = 0;
  int minor = 0;
  api.nvrtcVersion(&major, &minor);
  static const Nvrtc nvrtc(&api, absl::StrFormat("%d.%d", major, minor));
  return &nvrtc;
}

absl::StatusOr<const Nvrtc*> Nvrtc::Open() {
  static const absl::StatusOr<const Nvrtc*> opened = Load();
  return opened;
}

namespace {

// The log's first complaint, on one line.
std::string FirstError(const std::string& log) {
  const size_t error = log.find("error");
  const size_t begin = error == std::string::npos ? 0 : log.rfind('\n', error) + 1;
  return log.substr(begin, log.find('\n', error == std::string::npos ? 0 : error) - begin);
}

}  // namespace

absl::StatusOr<CudaImage> Nvrtc::Compile(const std::string& name, const std::string& text,
                                         const std::string& arch) const {
  std::vector<const char*> names;
  std::vector<const char*> texts;
  for (const CudaHeader& header : CudaHeaders()) {
    names.push_back(header.name);
    texts.push_back(header.text);
  }
  Program program = nullptr;
  if (const int error = api_->nvrtcCreateProgram(&program, text.c_str(), name.c_str(), static_cast<int>(names.size()),
                                                 texts.data(), names.data());
      error != kSuccess) {
    return absl::InternalError(absl::StrFormat("%s: NVRTC: %s", name, api_->nvrtcGetErrorString(error)));
  }
  const std::string architecture = "--gpu-architecture=" + arch;
  const char* options[] = {architecture.c_str(), "--std=c++17", "-default-device"};
  const int error = api_->nvrtcCompileProgram(program, 3, options);
  size_t size = 0;
  api_->nvrtcGetProgramLogSize(program, &size);
  std::string log(size, '\0');
  api_->nvrtcGetProgramLog(program, log.data());
  absl::StatusOr<CudaImage> result = CudaImage();
  if (error != kSuccess) {
    result = absl::InvalidArgumentError(FirstError(log));
  } else if (log.find("C75") != std::string::npos) {
    result = absl::InvalidArgumentError(name + ": ptxas serialises wgmma: " + log.substr(0, log.find('\n')));
  } else {
    api_->nvrtcGetCUBINSize(program, &size);
    result->cubin.resize(size);
    api_->nvrtcGetCUBIN(program, reinterpret_cast<char*>(result->cubin.data()));
    if (api_->nvrtcGetPTXSize(program, &size) == kSuccess && size > 0) {
      result->ptx.resize(size);
      api_->nvrtcGetPTX(program, result->ptx.data());
      result->ptx.resize(size - 1);  // its terminating zero
    }
  }
  api_->nvrtcDestroyProgram(&program);
  return result;
}

}  // namespace sluice::codegen
