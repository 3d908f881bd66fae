// Offset assignment: rectangles (lifetime × size) into one arena of least height.
//
//   PackResult r = Pack({{.lower = 0, .upper = 2, .size = 256}, {.lower = 1, .upper = 3, .size = 512}}, {});
//   r.peak == 768, r.lower_bound == 768, r.offsets == {512, 0} (or another legal pair)
//
// Used by the compiler (buckets), by the runtime (sizes met without --dims) and by sluice-plan.  Tries every greedy
// order and keeps the best; with effort, improves the best order and searches for an exact packing (up to 500 buffers).
// Effort is counted, not timed, so the same input gives the same result on every machine.
// Source: MiniMalloc (ASPLOS 2023) for the problem, its instances and the idea of the search.
#ifndef SLUICE_RUNTIME_PLAN_PACK_H_
#define SLUICE_RUNTIME_PLAN_PACK_H_

#include <cstdint>
#include <span>
#include <vector>

namespace sluice::plan {

struct PackBuffer {
  int64_t lower = 0;  // alive in [lower, upper)
  int64_t upper = 0;
  int64_t size = 0;  // bytes; 0 takes no place
};

struct PackOptions {
  int64_t alignment = 1;  // of every offset; sizes are rounded up to it
  int64_t effort = 0;     // about microseconds of search; 0: greedy orders only (what the runtime uses)
  int64_t capacity = 0;   // stop as soon as the peak fits, or cannot; 0: none
};

struct PackResult {
  std::vector<int64_t> offsets;  // one a buffer, in input order
  int64_t peak = 0;
  int64_t lower_bound = 0;  // largest sum of sizes alive at one time
};

PackResult Pack(std::span<const PackBuffer> buffers, const PackOptions& options);

// True when no two buffers that live at one time share a byte and all lie in [0, peak).
bool VerifyPacking(std::span<const PackBuffer> buffers, const PackResult& result);

}  // namespace sluice::plan

#endif  // SLUICE_RUNTIME_PLAN_PACK_H_
