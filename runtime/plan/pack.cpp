#include "runtime/plan/pack.h"

#include <algorithm>
#include <limits>

#include "runtime/plan/pack_internal.h"

namespace sluice::plan {
namespace {

constexpr int64_t kWorkPerEffort = 1000;  // a unit of effort is about a microsecond
constexpr int64_t kMaxEffort = int64_t{1} << 40;
constexpr int kMaxExact = 500;  // buffers; beyond, the exact search hardly ever ends

// Buffers whose lives are empty conflict with nothing but still have an offset: 0.
PackResult Finish(std::span<const PackBuffer> buffers, const Problem& problem, const Placement& placement) {
  PackResult r;
  r.offsets.assign(buffers.size(), 0);
  r.peak = placement.peak;
  r.lower_bound = problem.lower_bound;
  for (int i = 0; i < problem.count(); ++i) {
    r.offsets[problem.buffers[i].input] = placement.offsets[i];
  }
  for (const PackBuffer& b : buffers) {
    if (b.lower >= b.upper) {
      r.peak = std::max(r.peak, b.size);
    }
  }
  return r;
}

// Runs the exact search at capacities between the goal and the best peak: the goal first, which is often reached, then
// halfway between what failed and what is known to fit.  Several orders take turns, their share of work doubling.
void Search(const Problem& problem, int64_t goal, int64_t work, Placement* best) {
  constexpr uint64_t kOrders = 8;
  constexpr int64_t kFirstShare = 1 << 20;
  int64_t failed = goal - 1;
  while (work > 0 && best->peak > failed + 1) {
    const int64_t capacity = failed < goal ? goal : failed + (best->peak - failed) / 2;
    int64_t budget = failed < goal ? work / 2 + 1 : work / 4 + 1;
    work -= budget;
    bool found = false;
    bool impossible = false;
    Placement placement;
    for (int64_t share = kFirstShare; budget > 0 && !found && !impossible; share *= 2) {
      for (uint64_t seed = 0; seed < kOrders && budget > 0 && !found && !impossible; ++seed) {
        int64_t part = std::min(budget, share);
        budget -= part;
        found = SearchPlacement(problem, capacity, seed, &part, &placement);
        impossible = !found && part >= 0;
        budget += part;
      }
    }
    work += budget;
    if (found) {
      *best = placement;
    } else {
      failed = capacity;
    }
  }
}

}  // namespace

PackResult Pack(std::span<const PackBuffer> buffers, const PackOptions& options) {
  const Problem problem = MakeProblem(buffers, std::max<int64_t>(options.alignment, 1));
  const int64_t goal = std::max(problem.lower_bound, options.capacity);
  Placement best;
  best.peak = std::numeric_limits<int64_t>::max();
  std::vector<int> best_order;
  GreedyPlacer placer(problem);
  Placement placed;
  for (const std::vector<int>& order : GreedyOrders(problem)) {
    for (Fit fit : {Fit::kFirst, Fit::kBest}) {
      if (best.peak > goal && placer.Place(order, fit, best.peak, &placed)) {
        std::swap(best, placed);
        best_order = order;
      }
    }
  }
  const bool hopeless = options.capacity > 0 && options.capacity < problem.lower_bound;
  if (options.effort > 0 && best.peak > goal && !hopeless) {
    const int64_t work = std::min<int64_t>(options.effort, kMaxEffort) * kWorkPerEffort;
    const bool exact = problem.count() <= kMaxExact;
    ImproveOrder(problem, goal, exact ? work / 4 : work, &best_order, &best);
    if (exact) {
      Search(problem, goal, work - work / 4, &best);
    }
  }
  return Finish(buffers, problem, best);
}

bool VerifyPacking(std::span<const PackBuffer> buffers, const PackResult& result) {
  if (result.offsets.size() != buffers.size()) {
    return false;
  }
  // Sweeps over time; those alive are kept by offset, so that only neighbours are compared.
  struct Event {
    int64_t time;
    bool begins;
    size_t buffer;
  };
  std::vector<Event> events;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const PackBuffer& b = buffers[i];
    if (result.offsets[i] < 0 || result.offsets[i] > result.peak - b.size) {
      return false;
    }
    if (b.size > 0 && b.lower < b.upper) {
      events.push_back({b.lower, true, i});
      events.push_back({b.upper, false, i});
    }
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return a.time != b.time ? a.time < b.time : a.begins != b.begins ? !a.begins : a.buffer < b.buffer;
  });
  std::vector<std::pair<int64_t, int64_t>> alive;  // (offset, end), sorted
  for (const Event& e : events) {
    const std::pair<int64_t, int64_t> used{result.offsets[e.buffer], result.offsets[e.buffer] + buffers[e.buffer].size};
    const auto at = std::lower_bound(alive.begin(), alive.end(), used);
    if (!e.begins) {
      alive.erase(at);
    } else if ((at != alive.end() && at->first < used.second) ||
               (at != alive.begin() && std::prev(at)->second > used.first)) {
      return false;
    } else {
      alive.insert(at, used);
    }
  }
  return true;
}

}  // namespace sluice::plan
