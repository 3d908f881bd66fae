#include "runtime/cpu/native_library.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::cpu {

absl::StatusOr<std::unique_ptr<NativeLibrary>> NativeLibrary::Load(std::span<const uint8_t> elf,
                                                                   const std::string& where) {
  if (elf.size() < 4 || std::memcmp(elf.data(), "\177ELF", 4) != 0) {
    return absl::InvalidArgumentError(where + ": the library of generated kernels is no ELF file");
  }
  FileDescriptor file(memfd_create("sluice", MFD_CLOEXEC));
  if (!file.valid()) {
    return ErrnoStatus(errno, where, "make a file in memory for generated kernels");
  }
  while (!elf.empty()) {
    const ssize_t n = write(file.get(), elf.data(), elf.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return ErrnoStatus(errno, where, "write generated kernels to memory");
    }
    elf = elf.subspan(static_cast<size_t>(n));
  }
  void* handle = dlopen(absl::StrFormat("/proc/self/fd/%d", file.get()).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return absl::UnavailableError(absl::StrFormat("%s: cannot load the generated kernels: %s", where, dlerror()));
  }
  return std::unique_ptr<NativeLibrary>(new NativeLibrary(std::move(file), handle, where));
}

NativeLibrary::~NativeLibrary() { dlclose(handle_); }

absl::StatusOr<NativeEntry> NativeLibrary::Find(const std::string& name) const {
  void* symbol = dlsym(handle_, name.c_str());
  if (symbol == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: generated kernel '%s' is missing in its library", where_, name));
  }
  return reinterpret_cast<NativeEntry>(symbol);
}

absl::StatusOr<CpuLevel> ParseIsa(const std::string& isa) {
  for (CpuLevel level : {CpuLevel::kV2, CpuLevel::kV3, CpuLevel::kV4}) {
    if (isa == Name(level)) {
      return level;
    }
  }
  return absl::InvalidArgumentError(absl::StrFormat("instruction set '%s' is unknown to this runtime", isa));
}

}  // namespace sluice::cpu
