// LLD as a library: one object → one shared object without undefined symbols.
#include <fstream>
#include <mutex>

#include "compiler/codegen/cpu/GeneratedKernels.h"
#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "mlir/IR/Diagnostics.h"

LLD_HAS_DRIVER(elf)

namespace mlir::sluice::codegen {
namespace {

// A directory for the linker's files, gone with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() { error_ = llvm::sys::fs::createUniqueDirectory("sluice-link", path_); }
  ~ScratchDirectory() {
    if (!error_) {
      // A destructor has nobody to tell.
      // NOLINTNEXTLINE(bugprone-unused-return-value)
      llvm::sys::fs::remove_directories(path_);
    }
  }
  std::string file(StringRef name) const { return (path_ + "/" + name).str(); }
  std::error_code error() const { return error_; }

 private:
  SmallString<128> path_;
  std::error_code error_;
};

bool writeFile(const std::string& path, ArrayRef<char> bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return file.good();
}

}  // namespace

FailureOr<std::vector<char>> linkSharedObject(MLIRContext& context, ArrayRef<char> object,
                                              ArrayRef<std::string> names) {
  static std::mutex mutex;  // LLD's driver has global state
  std::lock_guard<std::mutex> lock(mutex);
  Location loc = UnknownLoc::get(&context);
  ScratchDirectory scratch;
  std::string in = scratch.file("kernels.o"), out = scratch.file("kernels.so"), exports = scratch.file("exports");
  std::string script = "{ global:";
  for (const std::string& name : names) {
    script += " " + name + ";";
  }
  script += " local: *; };\n";
  if (scratch.error() || !writeFile(in, object) || !writeFile(exports, {script.data(), script.size()})) {
    return emitError(loc, "cannot write the linker's scratch files: is the temporary folder full?");
  }
  std::string version = "--version-script=" + exports;
  const char* args[] = {"ld.lld",      "-shared", "--no-undefined", "--build-id=none", "--threads=1", "--gc-sections",
                        "--strip-all", "-z",      "noexecstack",    version.c_str(),   in.c_str(),    "-o",
                        out.c_str()};
  std::string messages;
  llvm::raw_string_ostream os(messages);
  lld::Result result = lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0) {
    return emitError(loc, "linking generated kernels: ") << messages;
  }
  auto linked = llvm::MemoryBuffer::getFile(out, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!linked) {
    return emitError(loc, "cannot read what the linker wrote: ") << linked.getError().message();
  }
  return std::vector<char>((*linked)->getBufferStart(), (*linked)->getBufferEnd());
}

}  // namespace mlir::sluice::codegen
