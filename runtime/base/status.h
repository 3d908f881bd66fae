// Errors as values: absl::Status, and the three macros that carry it up.
//
//   RETURN_IF_ERROR(file.Read(buffer));
//   ASSIGN_OR_RETURN(Artifact artifact, Artifact::Open(path));
//
// The code says whose fault it is; tools turn it into an exit code (docs/interfaces of the tools):
//   kInvalidArgument, kNotFound, kDataLoss, kOutOfRange, kFailedPrecondition, kUnimplemented → 1 (the input)
//   kResourceExhausted, kUnavailable → 4 (not enough of something)
// The message is "WHERE: WHAT (WHAT TO DO)", WHERE naming a node, tensor, file offset, flag or field.
#ifndef SLUICE_RUNTIME_BASE_STATUS_H_
#define SLUICE_RUNTIME_BASE_STATUS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                             \
  do {                                                    \
    if (::absl::Status status_ = (expr); !status_.ok()) { \
      return status_;                                     \
    }                                                     \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) SLUICE_ASSIGN_OR_RETURN(SLUICE_CONCAT(status_or_, __LINE__), lhs, expr)
#define SLUICE_ASSIGN_OR_RETURN(var, lhs, expr) \
  auto var = (expr);                            \
  if (!var.ok()) {                              \
    return std::move(var).status();             \
  }                                             \
  lhs = std::move(var).value()

#endif  // SLUICE_RUNTIME_BASE_STATUS_H_
