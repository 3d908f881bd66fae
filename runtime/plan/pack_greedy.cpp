// The problem, and placing buffers in a given order.
#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/plan/pack_internal.h"

namespace sluice::plan {
namespace {

constexpr int64_t kMaxConflicts = 4 << 20;  // 16 MB of indices; beyond, orders are few and conflicts found by scanning

// Numbers the sections that matter: those at whose beginning something begins and at whose end something ends.  The
// buffers alive in any other are also alive together in a neighbour.
void NumberSections(Problem* p, std::span<const PackBuffer> buffers) {
  std::vector<int64_t> begins;
  std::vector<int64_t> ends;
  for (const Problem::Buffer& b : p->buffers) {
    begins.push_back(buffers[b.input].lower);
    ends.push_back(buffers[b.input].upper);
  }
  std::sort(begins.begin(), begins.end());
  std::sort(ends.begin(), ends.end());
  // A section is known by the last time something begins before the next end.
  std::vector<int64_t> starts;
  for (size_t b = 0, e = 0; b < begins.size();) {
    while (ends[e] <= begins[b]) {
      ++e;
    }
    while (b < begins.size() && begins[b] < ends[e]) {
      ++b;
    }
    starts.push_back(begins[b - 1]);
  }
  const auto first_at = [&](int64_t t) {
    return static_cast<int>(std::lower_bound(starts.begin(), starts.end(), t) - starts.begin());
  };
  for (Problem::Buffer& b : p->buffers) {
    b.lower = first_at(buffers[b.input].lower);
    b.upper = first_at(buffers[b.input].upper);
  }
  p->sections = static_cast<int>(starts.size());
}

// Largest sum of sizes in a section, and the conflict lists.
void FindConflicts(Problem* p) {
  const int n = p->count();
  std::vector<int64_t> change(p->sections + 1, 0);
  std::vector<int> alive_change(p->sections + 1, 0);
  for (const Problem::Buffer& b : p->buffers) {
    change[b.lower] += b.size;
    change[b.upper] -= b.size;
  }
  int64_t live = 0;
  for (int64_t c : change) {
    live += c;
    p->lower_bound = std::max(p->lower_bound, live);
  }
  // Buffers by beginning: i conflicts with those that begin before i ends and after i begins.
  std::vector<int> by_lower(n);
  std::iota(by_lower.begin(), by_lower.end(), 0);
  std::sort(by_lower.begin(), by_lower.end(), [&](int a, int b) {
    return p->buffers[a].lower != p->buffers[b].lower ? p->buffers[a].lower < p->buffers[b].lower : a < b;
  });
  std::vector<int> begins(p->sections + 2, 0);  // begins[s]: buffers that begin before section s
  for (const Problem::Buffer& b : p->buffers) {
    ++begins[b.lower + 1];
  }
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<int> degree(n + 1, 0);
  int64_t pairs = 0;
  const auto each_pair = [&](const auto& visit) {
    for (int k = 0; k < n; ++k) {
      const int i = by_lower[k];
      const int end = begins[p->buffers[i].upper];
      for (int j = k + 1; j < end; ++j) {
        visit(i, by_lower[j]);
      }
    }
  };
  for (int k = 0; k < n; ++k) {
    pairs += std::max(0, begins[p->buffers[by_lower[k]].upper] - k - 1);
  }
  if (pairs * 2 > kMaxConflicts) {
    return;
  }
  each_pair([&](int i, int j) {
    ++degree[i + 1];
    ++degree[j + 1];
  });
  std::partial_sum(degree.begin(), degree.end(), degree.begin());
  p->conflict_start = degree;
  p->conflicts.resize(static_cast<size_t>(pairs) * 2);
  each_pair([&](int i, int j) {
    p->conflicts[degree[i]++] = j;
    p->conflicts[degree[j]++] = i;
  });
}

}  // namespace

Problem MakeProblem(std::span<const PackBuffer> buffers, int64_t alignment) {
  Problem p;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].size > 0 && buffers[i].lower < buffers[i].upper) {
      const int64_t size = (buffers[i].size + alignment - 1) / alignment * alignment;
      p.buffers.push_back({0, 0, size, static_cast<int>(i)});
    }
  }
  NumberSections(&p, buffers);
  FindConflicts(&p);
  return p;
}

void GreedyPlacer::CollectUsed(int buffer, const Placement& out) {
  used_.clear();
  const auto& all = problem_.buffers;
  if (problem_.listed()) {
    for (int k = problem_.conflict_start[buffer]; k < problem_.conflict_start[buffer + 1]; ++k) {
      const int other = problem_.conflicts[k];
      if (out.offsets[other] >= 0) {
        used_.push_back({out.offsets[other], out.offsets[other] + all[other].size});
      }
    }
    std::sort(used_.begin(), used_.end(), [](const Used& a, const Used& b) { return a.begin < b.begin; });
    return;
  }
  for (int other : by_offset_) {
    if (all[other].lower < all[buffer].upper && all[buffer].lower < all[other].upper) {
      used_.push_back({out.offsets[other], out.offsets[other] + all[other].size});
    }
  }
}

bool GreedyPlacer::Place(std::span<const int> order, Fit fit, int64_t limit, Placement* out) {
  out->offsets.assign(problem_.buffers.size(), -1);
  out->peak = 0;
  by_offset_.clear();
  for (int buffer : order) {
    const int64_t size = problem_.buffers[buffer].size;
    CollectUsed(buffer, *out);
    work_ += 16 * static_cast<int64_t>(used_.size()) + 64;
    int64_t top = 0;
    int64_t found = -1;
    int64_t tightest = std::numeric_limits<int64_t>::max();
    for (const Used& u : used_) {
      const int64_t gap = u.begin - top;
      if (gap >= size && gap < tightest) {
        found = top;
        tightest = fit == Fit::kFirst ? 0 : gap;
        if (tightest == 0 || gap == size) {
          break;
        }
      }
      top = std::max(top, u.end);
    }
    const int64_t offset = found >= 0 ? found : top;
    out->offsets[buffer] = offset;
    out->peak = std::max(out->peak, offset + size);
    if (out->peak >= limit) {
      return false;
    }
    if (!problem_.listed()) {
      const auto at = std::upper_bound(by_offset_.begin(), by_offset_.end(), offset,
                                       [&](int64_t o, int other) { return o < out->offsets[other]; });
      by_offset_.insert(at, buffer);
    }
  }
  return true;
}

std::vector<std::vector<int>> GreedyOrders(const Problem& p) {
  const int n = p.count();
  // What a buffer competes with: its own and its conflicts' bytes.
  std::vector<double> weight(n, 0);
  for (int i = 0; i < n && p.listed(); ++i) {
    weight[i] = static_cast<double>(p.buffers[i].size);
    for (int k = p.conflict_start[i]; k < p.conflict_start[i + 1]; ++k) {
      weight[i] += static_cast<double>(p.buffers[p.conflicts[k]].size);
    }
  }
  const auto length = [&](int i) { return p.buffers[i].upper - p.buffers[i].lower; };
  const auto sorted = [&](const auto& key) {
    std::vector<double> keys(n);
    std::vector<int> order(n);
    for (int i = 0; i < n; ++i) {
      keys[i] = key(i);
      order[i] = i;
    }
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      if (keys[a] != keys[b]) {
        return keys[a] > keys[b];
      }
      const auto &x = p.buffers[a], &y = p.buffers[b];
      return x.size != y.size ? x.size > y.size : length(a) != length(b) ? length(a) > length(b) : a < b;
    });
    return order;
  };
  std::vector<std::vector<int>> orders;
  orders.push_back(sorted([&](int i) { return static_cast<double>(p.buffers[i].size); }));
  orders.push_back(sorted([&](int i) { return static_cast<double>(p.buffers[i].size) * length(i); }));
  orders.push_back(sorted([&](int i) { return static_cast<double>(length(i)); }));
  if (p.listed()) {
    orders.push_back(sorted([&](int i) { return weight[i]; }));
    orders.push_back(sorted([&](int i) { return weight[i] * length(i); }));
  }
  orders.push_back(sorted([&](int i) { return -static_cast<double>(p.buffers[i].lower); }));
  orders.push_back(sorted([&](int i) { return static_cast<double>(p.buffers[i].upper); }));
  return orders;
}

}  // namespace sluice::plan
