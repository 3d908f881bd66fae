// Exact search in the spirit of MiniMalloc (Moffitt, ASPLOS 2023): can the buffers be packed below a capacity?
//
// Push every buffer of a packing down until it rests on another or on 0: the packing stays legal and its peak does not
// rise.  So it is enough to look at packings built from the bottom up, in the order of the offsets, each buffer placed
// directly on what is already in its sections.  The state of a section is then only its height, and
//   floor[s]  = no buffer still to come can lie below that in section s
//   rest[s]   = bytes still to come in section s
// must satisfy floor[s] + rest[s] <= capacity.  Two more rules cut most of the tree:
//   - Dominance: if buffer c would fit wholly below the offset of b, then b is not next (c could be pushed down).
//   - Components: where no buffer to come crosses from one section to the next, both sides are packed on their own.
#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/plan/pack_internal.h"

namespace sluice::plan {
namespace {

constexpr int64_t kInfinity = std::numeric_limits<int64_t>::max();

class Search {
 public:
  Search(const Problem& problem, int64_t capacity, std::vector<int> rank, int64_t* work)
      : problem_(problem),
        capacity_(capacity),
        rank_(std::move(rank)),
        work_(*work),
        floor_(problem.sections, 0),
        height_(problem.sections, 0),
        rest_(problem.sections, 0),
        offsets_(problem.buffers.size(), -1) {
    for (int i = 0; i < problem.count(); ++i) {
      AddRest(i, problem.buffers[i].size);
    }
  }

  bool Run() {
    std::vector<int> all(problem_.buffers.size());
    std::iota(all.begin(), all.end(), 0);
    std::sort(all.begin(), all.end(), [&](int a, int b) { return rank_[a] < rank_[b]; });
    return SolveComponents(all, {0, -1});
  }

  const std::vector<int64_t>& offsets() const { return offsets_; }

 private:
  struct Candidate {
    int64_t offset;
    int buffer;
  };
  // The placement made last; buffers at one offset are placed by rank.
  struct Last {
    int64_t offset;
    int rank;
  };

  // Splits `open` (unplaced buffers, by rank) where nothing crosses and solves each part.
  bool SolveComponents(const std::vector<int>& open, Last last) {
    if (open.empty()) {
      return true;
    }
    int first = problem_.sections;
    int end = 0;
    for (int b : open) {
      first = std::min(first, problem_.buffers[b].lower);
      end = std::max(end, problem_.buffers[b].upper);
    }
    // part[s - first]: number of the component of section s.  A boundary is crossed when reach > s.
    std::vector<int> reach(end - first, 0);
    for (int b : open) {
      int& r = reach[problem_.buffers[b].lower - first];
      r = std::max(r, problem_.buffers[b].upper);
    }
    std::vector<int> part(end - first, 0);
    int parts = 0;
    int until = first;
    for (int s = first; s < end; ++s) {
      if (s >= until && reach[s - first] > 0) {
        ++parts;
        until = s;
      }
      until = std::max(until, reach[s - first]);
      part[s - first] = parts - 1;
    }
    if (parts == 1) {
      return Solve(open, last);
    }
    std::vector<std::vector<int>> groups(parts);
    for (int b : open) {
      groups[part[problem_.buffers[b].lower - first]].push_back(b);
    }
    // Small ones first: they fail fast.
    std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
    for (size_t g = 0; g < groups.size(); ++g) {
      if (!Solve(groups[g], last)) {
        // Floors are on the caller's trail; the bytes of what was solved come back here.
        for (size_t done = 0; done < g; ++done) {
          for (int b : groups[done]) {
            AddRest(b, problem_.buffers[b].size);
          }
        }
        return false;
      }
    }
    return true;
  }

  // What is known of an open buffer: it will lie at `low` or above; `natural` is where it would rest now.
  struct Range {
    int64_t low;
    int64_t natural;
  };

  // Ranges of the open buffers; raises floors to what they leave reachable.  False when a section cannot hold what is
  // to come.  The floors changed are remembered on the trail.
  bool Propagate(const std::vector<int>& open, Last last, std::vector<Range>* ranges) {
    ranges->resize(open.size());
    int first = problem_.sections;
    int end = 0;
    for (int b : open) {
      first = std::min(first, problem_.buffers[b].lower);
      end = std::max(end, problem_.buffers[b].upper);
      work_ -= 4 * (problem_.buffers[b].upper - problem_.buffers[b].lower) + 32;
    }
    lowest_end_.assign(end - first, kInfinity);
    for (size_t i = 0; i < open.size(); ++i) {
      const Problem::Buffer& b = problem_.buffers[open[i]];
      int64_t natural = 0;
      int64_t low = last.offset;
      for (int s = b.lower; s < b.upper; ++s) {
        natural = std::max(natural, height_[s]);
        low = std::max(low, floor_[s]);
      }
      low = std::max(low, natural);
      (*ranges)[i] = {low, natural};
      if (low + b.size > capacity_) {
        return false;
      }
      for (int s = b.lower; s < b.upper; ++s) {
        lowest_end_[s - first] = std::min(lowest_end_[s - first], low + b.size);
      }
    }
    reachable_.assign(end - first, kInfinity);
    for (size_t i = 0; i < open.size(); ++i) {
      const Problem::Buffer& b = problem_.buffers[open[i]];
      Range& r = (*ranges)[i];
      // Passed over: its turn was before `last`.  It comes to rest on one of the others that are open.
      if (r.natural < last.offset || (r.natural == last.offset && rank_[open[i]] < last.rank)) {
        int64_t support = kInfinity;
        for (int s = b.lower; s < b.upper; ++s) {
          support = std::min(support, lowest_end_[s - first]);
        }
        r.low = std::max(r.low, support);
        if (r.low + b.size > capacity_) {
          return false;
        }
      }
      for (int s = b.lower; s < b.upper; ++s) {
        reachable_[s - first] = std::min(reachable_[s - first], r.low);
      }
    }
    for (int s = first; s < end; ++s) {
      const int64_t r = reachable_[s - first];
      if (r == kInfinity) {
        continue;
      }
      if (r + rest_[s] > capacity_) {
        return false;
      }
      if (r > floor_[s]) {
        SetFloor(s, r, height_[s]);
      }
    }
    return true;
  }

  void SetFloor(int s, int64_t floor, int64_t height) {
    trail_.push_back({s, floor_[s], height_[s]});
    floor_[s] = floor;
    height_[s] = height;
  }
  void Undo(size_t mark) {
    while (trail_.size() > mark) {
      floor_[trail_.back().section] = trail_.back().floor;
      height_[trail_.back().section] = trail_.back().height;
      trail_.pop_back();
    }
  }

  void AddRest(int buffer, int64_t size) {
    for (int s = problem_.buffers[buffer].lower; s < problem_.buffers[buffer].upper; ++s) {
      rest_[s] += size;
    }
  }

  bool Solve(const std::vector<int>& open, Last last) {
    if (work_ < 0) {
      return false;
    }
    const size_t mark = trail_.size();
    std::vector<Range> ranges;
    if (!Propagate(open, last, &ranges)) {
      Undo(mark);
      return false;
    }
    int64_t ceiling = kInfinity;  // the end of the buffer that would end lowest: nothing may begin there or above
    for (size_t i = 0; i < open.size(); ++i) {
      ceiling = std::min(ceiling, ranges[i].low + problem_.buffers[open[i]].size);
    }
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < open.size(); ++i) {
      if (ranges[i].low == ranges[i].natural && ranges[i].low < ceiling) {
        candidates.push_back({ranges[i].low, open[i]});
      }
    }
    std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
      return a.offset != b.offset ? a.offset < b.offset : rank_[a.buffer] < rank_[b.buffer];
    });
    std::vector<int> left;
    for (size_t k = 0; k < candidates.size(); ++k) {
      const Candidate& c = candidates[k];
      if (SameAsEarlier(candidates, k)) {
        continue;
      }
      const Problem::Buffer& b = problem_.buffers[c.buffer];
      const size_t inner = trail_.size();
      for (int s = b.lower; s < b.upper; ++s) {
        SetFloor(s, c.offset + b.size, c.offset + b.size);
      }
      AddRest(c.buffer, -b.size);
      offsets_[c.buffer] = c.offset;
      left.clear();
      for (int other : open) {
        if (other != c.buffer) {
          left.push_back(other);
        }
      }
      if (SolveComponents(left, {c.offset, rank_[c.buffer]})) {
        return true;
      }
      AddRest(c.buffer, b.size);
      Undo(inner);
      if (work_ < 0) {
        break;
      }
    }
    Undo(mark);
    return false;
  }

  // Twins (same life and size) are tried once.
  bool SameAsEarlier(const std::vector<Candidate>& candidates, size_t k) const {
    const Problem::Buffer& b = problem_.buffers[candidates[k].buffer];
    for (size_t j = 0; j < k; ++j) {
      const Problem::Buffer& a = problem_.buffers[candidates[j].buffer];
      if (a.lower == b.lower && a.upper == b.upper && a.size == b.size) {
        return true;
      }
    }
    return false;
  }

  struct Change {
    int section;
    int64_t floor;
    int64_t height;
  };
  const Problem& problem_;
  const int64_t capacity_;
  const std::vector<int> rank_;
  int64_t& work_;
  std::vector<int64_t> floor_;   // [sections] nothing to come lies lower
  std::vector<int64_t> height_;  // [sections] top of what is placed
  std::vector<int64_t> rest_;    // [sections] bytes to come
  std::vector<int64_t> offsets_;
  std::vector<int64_t> lowest_end_;  // scratch of Propagate
  std::vector<int64_t> reachable_;
  std::vector<Change> trail_;
};

// Which buffer goes first among those at the same offset: by the fullest section it lives in (T), its lifetime (W), its
// area (A), in several priorities.  Seeds beyond them blur the same orders by up to 30 %.
std::vector<int> Ranks(const Problem& p, uint64_t seed) {
  const int n = p.count();
  std::vector<int64_t> total(p.sections, 0);
  for (const Problem::Buffer& b : p.buffers) {
    for (int s = b.lower; s < b.upper; ++s) {
      total[s] += b.size;
    }
  }
  struct Key {
    double first, second, third;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Key> key(n);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (int i = 0; i < n; ++i) {
    const Problem::Buffer& b = p.buffers[i];
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double noise = seed < 4 ? 1.0 : 0.7 + 0.6 * static_cast<double>(state >> 33) / 2147483648.0;
    const double w = (b.upper - b.lower) * noise;
    const double a = static_cast<double>(b.size) * w;
    const double t = static_cast<double>(*std::max_element(total.begin() + b.lower, total.begin() + b.upper));
    switch (seed % 4) {
      case 0:
        key[i] = {w, a, t};
        break;
      case 1:
        key[i] = {t, a, w};
        break;
      case 2:
        key[i] = {t, w, a};
        break;
      default:
        key[i] = {a, w, t};
        break;
    }
  }
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int x, int y) { return key[x] != key[y] ? key[x] > key[y] : x < y; });
  std::vector<int> rank(n);
  for (int i = 0; i < n; ++i) {
    rank[order[i]] = i;
  }
  return rank;
}

}  // namespace

bool SearchPlacement(const Problem& problem, int64_t capacity, uint64_t seed, int64_t* work, Placement* out) {
  Search search(problem, capacity, Ranks(problem, seed), work);
  if (!search.Run()) {
    return false;
  }
  out->offsets = search.offsets();
  out->peak = 0;
  for (int i = 0; i < problem.count(); ++i) {
    out->peak = std::max(out->peak, out->offsets[i] + problem.buffers[i].size);
  }
  return true;
}

}  // namespace sluice::plan
