#include "runtime/base/cpu.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace sluice {
namespace {

CpuFeatures Machine() {
  CpuFeatures f;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt") &&
                  __builtin_cpu_supports("movbe");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  f.level = v4 ? CpuLevel::kV4 : v3 ? CpuLevel::kV3 : CpuLevel::kV2;
  f.avx512_bf16 = v4 && __builtin_cpu_supports("avx512bf16");
  f.avx512_vnni = v4 && __builtin_cpu_supports("avx512vnni");
#endif
  return f;
}

}  // namespace

CpuFeatures DetectCpu(const char* override_level) {
  CpuFeatures f = Machine();
  CpuLevel cap = CpuLevel::kV4;
  if (override_level != nullptr && std::strcmp(override_level, "v2") == 0) {
    cap = CpuLevel::kV2;
  } else if (override_level != nullptr && std::strcmp(override_level, "v3") == 0) {
    cap = CpuLevel::kV3;
  }
  f.level = std::min(f.level, cap);
  if (!f.v4()) {
    f.avx512_bf16 = false;
    f.avx512_vnni = false;
  }
  return f;
}

const CpuFeatures& Cpu() {
  static const CpuFeatures features = DetectCpu(std::getenv("SLUICE_CPU"));
  return features;
}

const char* Name(CpuLevel level) {
  switch (level) {
    case CpuLevel::kV2:
      return "x86-64-v2";
    case CpuLevel::kV3:
      return "x86-64-v3";
    case CpuLevel::kV4:
      return "x86-64-v4";
  }
  return "x86-64";
}

int AvailableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) {
    return CPU_COUNT(&set);
  }
  return std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace sluice
