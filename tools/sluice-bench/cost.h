// What a launch has to do at least: arithmetic and bytes, from the sizes of its operands.
#ifndef SLUICE_TOOLS_SLUICE_BENCH_COST_H_
#define SLUICE_TOOLS_SLUICE_BENCH_COST_H_

#include <cstdint>
#include <span>
#include <string>

#include "kernels/desc.h"
#include "runtime/base/thread_pool.h"

namespace sluice::tools {

// 2 · m · n · k for contractions, 2 · b · h · s · t · (d + e) for attention, one for each element of the largest result
// otherwise.
int64_t Flops(const std::string& kernel, std::span<const kernels::Tensor> ins, std::span<const kernels::Tensor> outs);

// Bytes of operands and results, each counted once; of a gather's operands as many elements as it gives.
int64_t Bytes(const std::string& kernel, std::span<const kernels::Tensor> ins, std::span<const kernels::Tensor> outs);

// What this machine can do, measured: bytes it reads from memory and f32 multiply-adds (2 flops each) in a second.
struct Roofline {
  double bytes_per_second = 0;
  double flops_per_second = 0;
  // Least time for the work, in seconds.
  double Seconds(int64_t flops, int64_t bytes) const;
};
Roofline MeasureRoofline(ThreadPool& pool);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_SLUICE_BENCH_COST_H_
