// SLUICE_CHECK: for our own faults only (a user's fault is a Status).  Prints file, line and text, then aborts.
#ifndef SLUICE_RUNTIME_BASE_LOG_H_
#define SLUICE_RUNTIME_BASE_LOG_H_

#include <cstdio>
#include <cstdlib>

#define SLUICE_CHECK(cond, ...)                                                                            \
  do {                                                                                                     \
    if (!(cond)) {                                                                                         \
      std::fprintf(stderr, "%s:%d: internal error: %s" __VA_OPT__(": ") "%s\n", __FILE__, __LINE__, #cond, \
                   ::sluice::internal::CheckText(__VA_ARGS__));                                            \
      std::abort();                                                                                        \
    }                                                                                                      \
  } while (false)

namespace sluice::internal {
inline const char* CheckText(const char* text = "") { return text; }
}  // namespace sluice::internal

#endif  // SLUICE_RUNTIME_BASE_LOG_H_
