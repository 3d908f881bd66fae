// One body of code compiled for each level of the CPU, chosen when it runs.
//
//   struct SumRow { SLUICE_INLINE static void Run(const float* x, int64_t n, float* sum) { ... } };
//   AtLevel<SumRow>(x, n, &sum);
//
// `Run` and what it calls are always inlined, so that they take the instruction set of the wrapper they end up in; the
// wrappers have distinct names, so no file's code can be merged with another level's.  Arguments are scalars and
// pointers (vectors by value would change the calling convention from level to level).
#ifndef SLUICE_KERNELS_COMMON_LEVELS_H_
#define SLUICE_KERNELS_COMMON_LEVELS_H_

#include "runtime/base/cpu.h"
#include "runtime/base/half.h"

namespace sluice::kernels {

#if defined(__x86_64__)
template <typename Body, typename... Args>
[[gnu::target("arch=x86-64-v4"), gnu::noinline]] void RunV4(Args... args) {
  Body::Run(args...);
}
template <typename Body, typename... Args>
[[gnu::target("arch=x86-64-v3"), gnu::noinline]] void RunV3(Args... args) {
  Body::Run(args...);
}
#endif

template <typename Body, typename... Args>
void AtLevel(Args... args) {
#if defined(__x86_64__)
  if (Cpu().v4()) {
    return RunV4<Body, Args...>(args...);
  }
  if (Cpu().v3()) {
    return RunV3<Body, Args...>(args...);
  }
#endif
  Body::Run(args...);
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_COMMON_LEVELS_H_
