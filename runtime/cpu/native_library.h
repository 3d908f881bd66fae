// The machine code of generated kernels, loaded from the artifact's bytes: no file, no linker, no compiler.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<NativeLibrary> lib, NativeLibrary::Load(bytes, "model.sluice"));
//   ASSIGN_OR_RETURN(NativeEntry entry, lib->Find("ew_3"));
//   entry(ins, outs, params, 0, rows);
//
// The bytes are an ELF shared object without undefined symbols.  They are integrity-checked before they come here, not
// sandboxed.  Errors: kInvalidArgument (not such an object, no such entry), kUnavailable (the system refuses to map
// it).
#ifndef SLUICE_RUNTIME_CPU_NATIVE_LIBRARY_H_
#define SLUICE_RUNTIME_CPU_NATIVE_LIBRARY_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "runtime/base/cpu.h"
#include "runtime/base/file.h"
#include "runtime/base/status.h"

namespace sluice::cpu {

// Computes rows [begin, end) of a kernel's outermost parallel loop.  docs/internals.md, "Entry points".
using NativeEntry = void (*)(const void* const* ins, void* const* outs, const int64_t* params, int64_t begin,
                             int64_t end);

class NativeLibrary {
 public:
  static absl::StatusOr<std::unique_ptr<NativeLibrary>> Load(std::span<const uint8_t> elf, const std::string& where);
  ~NativeLibrary();
  NativeLibrary(const NativeLibrary&) = delete;
  NativeLibrary& operator=(const NativeLibrary&) = delete;

  absl::StatusOr<NativeEntry> Find(const std::string& name) const;

 private:
  NativeLibrary(FileDescriptor file, void* handle, std::string where)
      : file_(std::move(file)), handle_(handle), where_(std::move(where)) {}
  // NOTE: open as long as the library is: the loader knows libraries by path, and the path is this number's.
  FileDescriptor file_;
  void* handle_;
  std::string where_;
};

// The CPU level an artifact's library is for: "x86-64-v3" → kV3.  kInvalidArgument for a name this runtime does not
// know.
absl::StatusOr<CpuLevel> ParseIsa(const std::string& isa);

}  // namespace sluice::cpu

#endif  // SLUICE_RUNTIME_CPU_NATIVE_LIBRARY_H_
