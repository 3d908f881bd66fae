// How far single outputs of a model may be off, in a file that one tool writes and another holds results to.
//
//   0.0316 logits            a line each: the absolute tolerance, a space, the output's name
//   0.00241 present.0.key
#ifndef SLUICE_TOOLS_COMMON_TOLERANCES_H_
#define SLUICE_TOOLS_COMMON_TOLERANCES_H_

#include <map>
#include <string>

#include "runtime/base/status.h"

namespace sluice::tools {

using OutputTolerances = std::map<std::string, double>;  // absolute, by name

// kInvalidArgument names the line that is none.
absl::StatusOr<OutputTolerances> ReadTolerances(const std::string& path);
absl::Status WriteTolerances(const std::string& path, const OutputTolerances& tolerances);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_TOLERANCES_H_
