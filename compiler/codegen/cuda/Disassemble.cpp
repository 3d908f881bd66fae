#include "compiler/codegen/cuda/Disassemble.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace sluice::codegen {
namespace {

std::string Program() {
  if (const char* given = std::getenv("SLUICE_NVDISASM")) {
    return given;
  }
  std::error_code error;
  return std::filesystem::exists(SLUICE_NVDISASM_BUILT_WITH, error) ? SLUICE_NVDISASM_BUILT_WITH : "nvdisasm";
}

}  // namespace

absl::Status Disassemble(const std::string& cubin, const std::string& sass) {
  std::string program = Program(), code = "-c", file = cubin;
  char* arguments[] = {program.data(), code.data(), file.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, sass.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    std::error_code ignored;
    std::filesystem::remove(sass, ignored);
    if (error != ENOENT) {
      return absl::InternalError(program + ": " + std::strerror(error));
    }
    return absl::UnavailableError(program +
                                  ": the disassembler of CUDA code was not found (install the PyPI package "
                                  "nvidia-cuda-nvdisasm or a CUDA 13 toolkit, or set SLUICE_NVDISASM to nvdisasm)");
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? absl::OkStatus()
                                                       : absl::InternalError(program + ": failed on " + cubin);
}

}  // namespace sluice::codegen
