// The parts of Pack(); private to runtime/plan/pack*.cpp.
//
// A Problem is the caller's buffers without those that take no place, sizes rounded up, lives counted in *sections*:
// the moments at which no more is alive a little earlier or later (the maximal cliques of the conflict graph).
#ifndef SLUICE_RUNTIME_PLAN_PACK_INTERNAL_H_
#define SLUICE_RUNTIME_PLAN_PACK_INTERNAL_H_

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/plan/pack.h"

namespace sluice::plan {

struct Problem {
  struct Buffer {
    int lower = 0;  // sections [lower, upper)
    int upper = 0;
    int64_t size = 0;
    int input = 0;  // its number in the caller's list
  };
  std::vector<Buffer> buffers;
  int sections = 0;
  int64_t lower_bound = 0;
  // Buffers alive together with buffer i: conflicts[conflict_start[i] .. conflict_start[i + 1]).  Both empty when there
  // are too many to list.
  std::vector<int> conflict_start;
  std::vector<int> conflicts;

  int count() const { return static_cast<int>(buffers.size()); }
  bool listed() const { return !conflict_start.empty(); }
};

Problem MakeProblem(std::span<const PackBuffer> buffers, int64_t alignment);

// An offset for each buffer of the problem.
struct Placement {
  std::vector<int64_t> offsets;
  int64_t peak = 0;
};

enum class Fit { kFirst, kBest };

// Places buffers one after the other, each into the lowest (kFirst) or the tightest (kBest) gap left by its conflicts.
// Scratch memory is kept between calls.
class GreedyPlacer {
 public:
  explicit GreedyPlacer(const Problem& problem) : problem_(problem) {}
  // False, leaving `out` unfinished, as soon as the peak reaches `limit`.
  bool Place(std::span<const int> order, Fit fit, int64_t limit, Placement* out);
  int64_t work() const { return work_; }  // of all calls so far, see below

 private:
  struct Used {
    int64_t begin;
    int64_t end;
  };
  void CollectUsed(int buffer, const Placement& out);
  const Problem& problem_;
  std::vector<Used> used_;
  int64_t work_ = 0;
  std::vector<int> by_offset_;  // placed buffers by offset, when conflicts are not listed
};

// Every static order, the most promising first.
std::vector<std::vector<int>> GreedyOrders(const Problem& problem);

// Work is counted in units of about a nanosecond, so that efforts mean the same on every machine and repeat.
//
// Looks for a placement with peak <= capacity by branch and bound over canonical placements, until `*work` is used up
// (then it is negative).  True when it found one; false with work left: there is none.  `seed` chooses which buffers
// go first; `blame` (one number a buffer) remembers failures from call to call.  Conflicts must be listed.
bool SearchPlacement(const Problem& problem, int64_t capacity, uint64_t seed, std::vector<double>* blame, int64_t* work,
                     Placement* out);

// Lowers `best` by moving buffers in the order the greedy placer gets.  Stops at `goal` or when `work` is used up.
// `order` is the order that gave `best`, and the one that gives the result.
void ImproveOrder(const Problem& problem, int64_t goal, int64_t work, std::vector<int>* order, Placement* best);

}  // namespace sluice::plan

#endif  // SLUICE_RUNTIME_PLAN_PACK_INTERNAL_H_
