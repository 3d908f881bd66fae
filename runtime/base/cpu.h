// Which instructions this machine has, asked once.
//
//   if (Cpu().level >= CpuLevel::kV4) { return LinearAvx512(args); }
//
// Kernels are compiled for whole levels of the x86-64 psABI, never for single features; the two extras below are the
// only ones chosen on their own.  The environment variable SLUICE_CPU=v2|v3|v4 lowers the level (and drops the extras
// when the level no longer carries them), so that tests on a big machine reach the code of a small one.  It never
// raises it: a level the machine lacks stays off.
#ifndef SLUICE_RUNTIME_BASE_CPU_H_
#define SLUICE_RUNTIME_BASE_CPU_H_

#include <cstdint>

namespace sluice {

enum class CpuLevel : uint8_t {
  kV2 = 2,  // the baseline: SSE4.2 at most; portable C++ only
  kV3 = 3,  // AVX2, FMA, F16C, BMI2
  kV4 = 4,  // AVX-512 F, BW, CD, DQ, VL
};

struct CpuFeatures {
  CpuLevel level = CpuLevel::kV2;
  bool avx512_bf16 = false;  // vdpbf16ps
  bool avx512_vnni = false;  // vpdpbusd on 512 bits

  bool v3() const { return level >= CpuLevel::kV3; }
  bool v4() const { return level >= CpuLevel::kV4; }
};

// The machine's features under SLUICE_CPU.  Constant for the life of the process; thread-safe.
const CpuFeatures& Cpu();

// The machine's own features, lowered to what `override_level` ("v2", "v3", "v4", or null for none) allows.
CpuFeatures DetectCpu(const char* override_level);

// "x86-64-v3": what an artifact records and error messages say.
const char* Name(CpuLevel level);

// CPUs this process may run on (its affinity mask, not the machine's count); at least 1.
int AvailableCpus();

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_CPU_H_
