#include "tools/common/tolerances.h"

#include <sstream>

#include "runtime/base/file.h"

namespace sluice::tools {

absl::StatusOr<OutputTolerances> ReadTolerances(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  OutputTolerances tolerances;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    double tolerance = -1;
    std::string name;
    if (!(fields >> tolerance >> std::ws) || !std::getline(fields, name) || !(tolerance >= 0)) {
      return absl::InvalidArgumentError(path + ": '" + line + "': is not a tolerance and the name of an output");
    }
    tolerances[name] = tolerance;
  }
  return tolerances;
}

absl::Status WriteTolerances(const std::string& path, const OutputTolerances& tolerances) {
  std::string text;
  for (const auto& [name, tolerance] : tolerances) {
    absl::StrAppend(&text, tolerance, " ", name, "\n");
  }
  return WriteFile(path, text);
}

}  // namespace sluice::tools
