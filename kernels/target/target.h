// What a target is, as numbers: what cost models and choices read.  Another GPU is another file in this folder.
#ifndef SLUICE_KERNELS_TARGET_TARGET_H_
#define SLUICE_KERNELS_TARGET_TARGET_H_

#include <cstdint>
#include <span>
#include <string>

namespace sluice::kernels {

// A GPU.  Rates are what a good kernel reaches on random data, not the datasheet's.
struct Gpu {
  const char* arch;  // NVRTC's --gpu-architecture and the isa of its images: "sm_90a"
  int major, minor;  // compute capability it needs, exactly
  int min_driver;    // smallest cuDriverGetVersion that loads its images: 13000
  int sms;
  int sms_in_clusters_of_4;  // that 4-block clusters can occupy together: a cluster lies within one GPC
  int threads_per_sm;
  int64_t registers_per_sm;
  int64_t shared_per_sm;     // bytes
  int64_t shared_per_block;  // bytes a block may ask for
  int64_t l2_bytes;
  double read_gbs, copy_gbs;  // device memory: only read; bytes read and written together
  double l2_gbs;
  double f32_tflops, tf32_tflops, f16_tflops;  // f16: with f32 sums; also bf16
  double launch_us;                            // from one kernel to the next inside a graph
};

struct Target {
  const char* name;          // --target
  const Gpu* gpu = nullptr;  // null: the CPU
};

// The target of that name, or null.
const Target* FindTarget(const std::string& name);
std::span<const Target* const> AllTargets();

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_TARGET_TARGET_H_
