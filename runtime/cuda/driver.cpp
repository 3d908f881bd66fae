#include "runtime/cuda/driver.h"

#include <dlfcn.h>

namespace sluice::cuda {

absl::StatusOr<const Driver*> Driver::Load() {
  void* handle = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return absl::UnavailableError("this machine has no CUDA driver (libcuda.so.1 cannot be loaded)");
  }
  static Driver driver;
#define RESOLVE(name, params)                                                                                  \
  driver.name = reinterpret_cast<CUresult(*) params>(dlsym(handle, #name));                                    \
  if (driver.name == nullptr) {                                                                                \
    return absl::UnavailableError("the CUDA driver has no " #name ": it is too old (install a newer driver)"); \
  }
  SLUICE_CUDA_DRIVER(RESOLVE)
#undef RESOLVE
  if (const CUresult result = driver.cuInit(0); result != kCudaSuccess) {
    return absl::UnavailableError(
        absl::StrFormat("the CUDA driver does not start: %s", std::string(driver.Error(result, "cuInit").message())));
  }
  driver.cuDriverGetVersion(&driver.version_);
  return &driver;
}

absl::StatusOr<const Driver*> Driver::Open() {
  static const absl::StatusOr<const Driver*> opened = Load();
  return opened;
}

absl::Status Driver::Error(CUresult result, const char* call) const {
  const char* name = nullptr;
  const char* text = nullptr;
  cuGetErrorName(result, &name);
  cuGetErrorString(result, &text);
  const std::string message = absl::StrFormat("%s: %s (%s)", call, text == nullptr ? "unknown error" : text,
                                              name == nullptr ? absl::StrCat(result) : name);
  return result == kCudaOutOfMemory ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
}

}  // namespace sluice::cuda
