#include "tools/common/report.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

namespace sluice::tools {
namespace {

// What the out-of-memory handler prints: made before memory is short.
std::string& MemoryMessage() {
  static auto* message = new std::string;
  return *message;
}

void OutOfMemory() {
  const std::string& text = MemoryMessage();
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
  _exit(kExitResources);
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return kExitResources;
    default:
      return kExitInput;
  }
}

void PrintError(const std::string& tool, const std::string& message) {
  std::string line;
  for (char c : message) {
    if (c == '\n') {
      line += line.empty() || line.back() == ' ' ? "" : " ";
    } else {
      line += c;
    }
  }
  while (!line.empty() && line.back() == ' ') {
    line.pop_back();
  }
  std::fflush(stdout);
  std::fprintf(stderr, "%s: error: %s\n", tool.c_str(), line.c_str());
}

ExitCode Fail(const std::string& tool, const absl::Status& status) {
  PrintError(tool, std::string(status.message()));
  return ExitCodeOf(status);
}

ExitCode UsageError(const std::string& tool, const std::string& message) {
  PrintError(tool, message + " (see " + tool + " --help)");
  return kExitUsage;
}

void PrepareTool(const std::string& tool) {
  MemoryMessage() = tool + ": error: memory: not enough of it (free some, or give smaller bounds)\n";
  std::set_new_handler(OutOfMemory);
}

ExitCode FinishOutput(const std::string& tool, ExitCode code) {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    PrintError(tool, std::string("stdout: cannot write: ") + std::strerror(errno) + " (write elsewhere)");
    return code == kExitOk ? kExitResources : code;
  }
  return code;
}

Progress::Progress(std::string tool, bool quiet)
    : tool_(std::move(tool)), quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (!quiet_ && terminal_ && drawn_ != -2) {
    std::fprintf(stderr, "\r\033[K");
  }
}

void Progress::Phase(const std::string& name) {
  phase_ = name;
  if (quiet_) {
    return;
  }
  if (terminal_) {
    Draw(-1);
  } else {
    std::fprintf(stderr, "%s: %s\n", tool_.c_str(), name.c_str());
  }
}

void Progress::Update(int64_t done, int64_t total) {
  if (quiet_ || !terminal_ || total <= 0) {
    return;
  }
  const int percent = static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
  if (percent != drawn_) {
    Draw(percent < 0 ? 0 : percent > 100 ? 100 : percent);
  }
}

void Progress::Draw(int percent) {
  constexpr int kWidth = 30;
  drawn_ = percent;
  if (percent < 0) {
    std::fprintf(stderr, "\r\033[K%s: %s", tool_.c_str(), phase_.c_str());
  } else {
    const std::string bar(static_cast<size_t>(percent * kWidth / 100), '=');
    std::fprintf(stderr, "\r\033[K%s: %-20s [%-*s] %3d %%", tool_.c_str(), phase_.c_str(), kWidth, bar.c_str(),
                 percent);
  }
  std::fflush(stderr);
}

}  // namespace sluice::tools
