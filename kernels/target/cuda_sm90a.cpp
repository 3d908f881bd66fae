// H100 and H200 (Hopper, sm_90a).  Bandwidths are the H200's.
#include "kernels/target/target.h"

namespace sluice::kernels {
namespace {

constexpr Gpu kHopper = {
    .arch = "sm_90a",
    .major = 9,
    .minor = 0,
    .min_driver = 13000,
    .sms = 132,
    .sms_in_clusters_of_4 = 120,
    .threads_per_sm = 2048,
    .registers_per_sm = 65536,
    .shared_per_sm = 228 << 10,
    .shared_per_block = 227 << 10,
    .l2_bytes = 50 << 20,
    .read_gbs = 4500,
    .copy_gbs = 4200,
    .l2_gbs = 7000,
    .f32_tflops = 50,
    .tf32_tflops = 380,
    .f16_tflops = 760,
    .launch_us = 1.3,
};

}  // namespace

extern const Target kCudaSm90a;
const Target kCudaSm90a = {.name = "cuda-sm90a", .gpu = &kHopper};

}  // namespace sluice::kernels
