// Local search on the order given to the greedy placer.
#include <algorithm>

#include "runtime/plan/pack_internal.h"

namespace sluice::plan {
namespace {

// xorshift64*: the same on every machine.
struct Random {
  uint64_t state = 0x2545f4914f6cdd1du;
  uint64_t Next() {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
  }
  int Below(int n) { return static_cast<int>((Next() >> 33) % static_cast<uint64_t>(n)); }
};

void MoveTo(std::vector<int>* order, int from, int to) {
  if (from > to) {
    std::rotate(order->begin() + to, order->begin() + from, order->begin() + from + 1);
  } else {
    std::rotate(order->begin() + from, order->begin() + from + 1, order->begin() + to + 1);
  }
}

}  // namespace

void ImproveOrder(const Problem& problem, int64_t goal, int64_t work, std::vector<int>* order, Placement* best) {
  const int n = problem.count();
  if (n < 2) {
    return;
  }
  GreedyPlacer placer(problem);
  Random random;
  Placement current = *best;
  std::vector<int> trial = *order;
  Placement placed;
  std::vector<int> position(n);
  while (placer.work() < work && best->peak > goal) {
    // A buffer that reaches the peak (or, one time in four, any) goes earlier; what was there goes later.
    for (int i = 0; i < n; ++i) {
      position[trial[i]] = i;
    }
    int chosen = trial[random.Below(n)];
    if (random.Below(4) != 0) {
      for (int k = 0, at = random.Below(n); k < n; ++k, at = at + 1 == n ? 0 : at + 1) {
        if (current.offsets[at] + problem.buffers[at].size == current.peak) {
          chosen = at;
          break;
        }
      }
    }
    const int from = position[chosen];
    const int to = from == 0 ? random.Below(n) : random.Below(from);
    MoveTo(&trial, from, to);
    // Equal peaks are accepted: the search drifts along plateaus.
    if (placer.Place(trial, Fit::kFirst, current.peak + 1, &placed)) {
      std::swap(current, placed);
      if (current.peak < best->peak) {
        *best = current;
        *order = trial;
      }
    } else {
      MoveTo(&trial, to, from);
    }
  }
}

}  // namespace sluice::plan
