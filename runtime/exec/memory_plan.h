// Memory plans: where each buffer of a stage lies in its arena, for sizes up to a bound.
//
// Without bucket plans a symbol is rounded up (0, 1, 2, 4 … 64, then steps of a quarter of the power of two: 80, 96,
// 112, 128, 160 …) and the plan for that bound serves everything below it, so a growing sequence replans O(log n)
// times:
//
//   RoundUpSize(65) == 80, RoundUpSize(129) == 160
#ifndef SLUICE_RUNTIME_EXEC_MEMORY_PLAN_H_
#define SLUICE_RUNTIME_EXEC_MEMORY_PLAN_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/exec/program.h"
#include "runtime/exec/sizes.h"

namespace sluice::exec {

int64_t RoundUpSize(int64_t size);

// An upper bound of each symbol.  Symbols within an eighth of a greater one get its bound: past and past + seq cross
// their edges together, so a decoder that grows by one makes one plan an edge, not two.
std::vector<int64_t> RoundUpSymbols(const Program& program, std::span<const int64_t> symbols);

// The bounds that a plan for `sizes` is made for: rounded up, or those of the smallest bucket plan that fits.
// kInvalidArgument when no bucket does.
absl::StatusOr<std::vector<int64_t>> BoundsOf(const Program& program, const FunctionDesc& function, size_t stage,
                                              const Sizes& sizes);

struct MemoryPlan {
  std::vector<int64_t> planned;  // value of each of StageDesc::monitored that it serves up to
  std::vector<int64_t> offsets;  // one a buffer of StageDesc::arena
  std::vector<int64_t> bytes;
  int64_t arena_bytes = 0;
  int64_t lower_bound = 0;
  int64_t workspace_bytes = 0;
  int64_t device_workspace = 0;
  int64_t device_reach = 0;            // bytes behind the arena that maps reach on into
  std::vector<int64_t> symbols;        // every symbol, of a function that runs on a GPU: what BoundsOf said
  std::vector<int64_t> bound;          // every slot at those: what graphs are built for
  uint64_t serial = 0;                 // number in its cache, never used twice
  std::vector<int64_t> state_lengths;  // of @main's first stage, one a state: positions it serves up to
  uint64_t last_used = 0;
  const fb::BucketPlan* bucket = nullptr;

  bool Covers(const StageDesc& stage, const std::vector<int64_t>& slots) const {
    for (size_t i = 0; i < planned.size(); ++i) {
      if (slots[stage.monitored[i]] > planned[i]) {
        return false;
      }
    }
    return true;
  }
};

// The first form of a launch whose limit the plan's rows keep to.
const DeviceForm& FormFor(const InstrDesc& instr, const std::vector<int64_t>& bound);

// Rows of a map of `rows`, read in runs of `reach`, that begins `offset` bytes into `bytes` of memory: whole runs, if
// the memory has them.
uint64_t RowsWithin(uint64_t rows, uint64_t reach, uint64_t row_bytes, uint64_t bytes, uint64_t offset);

// A plan for a stage of `function`: rounded up, or from the smallest bucket plan that fits.  `sizes` are the run's.
// kInvalidArgument when no bucket fits or a size is negative; kResourceExhausted when a size overflows.
absl::StatusOr<std::unique_ptr<MemoryPlan>> MakePlan(const Program& program, const FunctionDesc& function, size_t stage,
                                                     const Sizes& sizes, int threads);

// A few plans of one stage, the least recently used one dropped.
class PlanCache {
 public:
  static constexpr size_t kPlans = 8;
  // The smallest plan that covers the sizes; null when there is none.  With `symbols`, only one made for just those
  // bounds: a CUDA graph starts every block of its plan, so a step of a decoder must not run on a long prompt's.
  MemoryPlan* Find(const StageDesc& stage, const std::vector<int64_t>& slots,
                   const std::vector<int64_t>* symbols = nullptr);
  MemoryPlan* Add(std::unique_ptr<MemoryPlan> plan);

 private:
  std::vector<std::unique_ptr<MemoryPlan>> plans_;
  uint64_t clock_ = 0;
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_MEMORY_PLAN_H_
