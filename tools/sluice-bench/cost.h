// What a launch has to do at least: arithmetic and bytes, from the sizes of its operands.
#ifndef SLUICE_TOOLS_SLUICE_BENCH_COST_H_
#define SLUICE_TOOLS_SLUICE_BENCH_COST_H_

#include <cstdint>
#include <span>
#include <string>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "runtime/cuda/device.h"

namespace sluice::tools {

// 2 · m · n · k for contractions, 2 · b · h · s · t · (d + e) for attention, one for each element of the largest result
// otherwise.
int64_t Flops(const std::string& kernel, std::span<const kernels::Tensor> ins, std::span<const kernels::Tensor> outs);

// Bytes of operands and results, each counted once; of a gather's operands as many elements as it gives.
int64_t Bytes(const std::string& kernel, std::span<const kernels::Tensor> ins, std::span<const kernels::Tensor> outs);

// What a device can do in a second: bytes of its memory, and flops (a multiply-add is 2) by the type of the operands.
struct Roofline {
  double bytes_per_second = 0;
  double f32_flops = 0;
  double f16_flops = 0;   // also bf16; sums in f32
  double int8_flops = 0;  // sums in int32
  double flops_per_second(DType operands) const;
  // Least time for the work, in seconds.
  double Seconds(int64_t flops, int64_t bytes, DType operands) const;
};

// Measured: this machine reads, multiplies and adds.  Every type at the rate of f32, the one its units have.
Roofline MeasureRoofline(ThreadPool& pool);
// Bandwidth measured by a copy (read and written bytes both count), flops from the multiprocessors, their highest clock
// and what one does in a cycle (CUDA Programming Guide, "Arithmetic instructions"; Hopper Tuning Guide for the tensor
// cores).
absl::StatusOr<Roofline> MeasureRoofline(const cuda::Device& device);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_SLUICE_BENCH_COST_H_
