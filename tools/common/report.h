// What every tool says and how it ends: exit codes, the error line, progress.
//
//   sluice-plan: error: buffers.csv:3: size: "x" is not a whole number (give a whole number)
#ifndef SLUICE_TOOLS_COMMON_REPORT_H_
#define SLUICE_TOOLS_COMMON_REPORT_H_

#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace sluice::tools {

enum ExitCode : int {
  kExitOk = 0,
  kExitInput = 1,      // the model, artifact, request or data is at fault
  kExitUsage = 2,      // the command line is
  kExitDifferent = 3,  // results differ from what was expected
  kExitResources = 4,  // not enough memory, disk, no such device
};

// The exit code of a status, by the table in runtime/base/status.h.
ExitCode ExitCodeOf(const absl::Status& status);

// "TOOL: error: MESSAGE" on stderr, on one line.
void PrintError(const std::string& tool, const std::string& message);
// Prints the status' message and gives its exit code: `return Fail("sluice-run", status);`
ExitCode Fail(const std::string& tool, const absl::Status& status);
// Prints the message with a pointer to --help; gives kExitUsage.
ExitCode UsageError(const std::string& tool, const std::string& message);

// Call first in main(): running out of memory then ends with an error line and kExitResources, not with an abort.
void PrepareTool(const std::string& tool);
// Call last: what was printed on stdout has reached it, or an error line and kExitResources say that it has not.
ExitCode FinishOutput(const std::string& tool, ExitCode code);

// Progress on stderr: on a terminal one line with a bar, redrawn; otherwise a line per phase; nothing when quiet.
//
//   Progress progress("sluice-compile", quiet);
//   progress.Phase("import");            // "sluice-compile: import"
//   progress.Update(done, total);
class Progress {
 public:
  Progress(std::string tool, bool quiet);
  ~Progress();  // clears the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Phase(const std::string& name);
  // How far the phase is.  Cheap: redraws only when a percent has passed.
  void Update(int64_t done, int64_t total);

 private:
  void Draw(int percent);
  std::string tool_;
  std::string phase_;
  bool quiet_;
  bool terminal_;
  int drawn_ = -2;  // percent on the screen; -1: none
};

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_REPORT_H_
