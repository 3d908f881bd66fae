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

// The exact search at one capacity after another.
class CapacitySearch {
 public:
  CapacitySearch(const Problem& problem, int64_t goal, Placement* best)
      : problem_(problem), goal_(goal), best_(*best), blame_(problem.buffers.size(), 0.0) {}

  // In rounds of doubling work: half of it for the goal, which is often reached; half for lowering the best peak,
  // halfway to what failed in this round.
  void Run(int64_t work) {
    constexpr int64_t kFirstRound = 32;  // of the work
    for (int64_t round = work / kFirstRound + 1; work > 0 && best_.peak > goal_; round *= 2) {
      round = std::min(round, work);
      work -= round;
      if (Attempt(goal_, round / 2)) {
        return;
      }
      int64_t failed = goal_;
      for (int part = 0; part < 4 && best_.peak - failed > 1; ++part) {
        const int64_t capacity = failed + (best_.peak - failed) / 2;
        failed = Attempt(capacity, round / 8) ? failed : capacity;
      }
    }
  }

 private:
  // Orders take turns, their share of work doubling.
  bool Attempt(int64_t capacity, int64_t work) {
    constexpr uint64_t kOrders = 8;
    constexpr int64_t kFirstShare = 1 << 20;
    Placement placement;
    for (int64_t share = kFirstShare; work > 0; share *= 2) {
      for (uint64_t seed = 0; seed < kOrders && work > 0; ++seed) {
        int64_t part = std::min(work, share);
        work -= part;
        if (SearchPlacement(problem_, capacity, seed + (seed < kOrders / 2 ? 0 : blurred_++), &blame_, &part,
                            &placement)) {
          best_ = placement;
          return true;
        }
        if (part >= 0) {
          return false;  // the whole tree was searched
        }
      }
    }
    return false;
  }

  const Problem& problem_;
  const int64_t goal_;
  Placement& best_;
  std::vector<double> blame_;
  uint64_t blurred_ = 0;  // seeds of blurred orders used so far
};

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
      // Best fit seldom wins; who has no time for a search has none for it.
      const bool tried = fit == Fit::kFirst || options.effort > 0;
      if (tried && best.peak > goal && placer.Place(order, fit, best.peak, &placed)) {
        std::swap(best, placed);
        best_order = order;
      }
    }
  }
  const bool hopeless = options.capacity > 0 && options.capacity < problem.lower_bound;
  if (options.effort > 0 && best.peak > goal && !hopeless) {
    const int64_t work = std::min<int64_t>(options.effort, kMaxEffort) * kWorkPerEffort;
    const bool exact = problem.count() <= kMaxExact && problem.listed();
    ImproveOrder(problem, goal, exact ? work / 8 : work, &best_order, &best);
    if (exact) {
      CapacitySearch(problem, goal, &best).Run(work - work / 8);
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
