// Exact search in the spirit of MiniMalloc (Moffitt, ASPLOS 2023): can the buffers be packed below a capacity?
//
// Push every buffer of a packing down until it rests on another or on 0: the packing stays legal and its peak does not
// rise.  So it is enough to look at packings built from the bottom up, in the order of the offsets, each buffer placed
// directly on what lies below it.  For a buffer still to come,
//   natural = where it would rest now, the highest end of the placed buffers it conflicts with
//   low     = a bound: it will lie there or above.  At least `natural` and the last offset; and if its turn has passed
//             (natural is below the last offset) it must come to rest on another one that is still to come
// In each section, the least `low` of the buffers to come plus all their bytes must not pass the capacity.  Three more
// rules cut most of the tree:
//   - Dominance: if buffer c would fit wholly below the offset of b, then b is not next (c could be pushed down).
//   - Order: buffers at one offset are placed by rank.
//   - Components: where no buffer to come crosses from one section to the next, both sides are packed on their own.
// Buffers at which the search failed are blamed; orders that put the blamed first are tried next.
#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/plan/pack_internal.h"

namespace sluice::plan {
namespace {

constexpr int32_t kInfinity = std::numeric_limits<int32_t>::max();

// Offsets in units of `unit` bytes, which fit into 32 bits: four a vector register.
class Search {
 public:
  Search(const Problem& problem, int64_t capacity, int64_t unit, std::vector<int> rank, std::vector<double>* blame,
         int64_t* work)
      : problem_(problem),
        capacity_(static_cast<int32_t>(capacity / unit)),
        rank_(std::move(rank)),
        blame_(*blame),
        work_(*work),
        natural_(problem.buffers.size(), 0),
        low_(problem.buffers.size(), 0),
        open_(problem.buffers.size(), true),
        rest_(problem.sections, 0),
        lowest_end_(problem.sections),
        reachable_(problem.sections),
        offsets_(problem.buffers.size(), 0) {
    for (int i = 0; i < problem.count(); ++i) {
      size_.push_back(static_cast<int32_t>((problem.buffers[i].size + unit - 1) / unit));
      AddRest(i, size_[i]);
    }
  }

  bool Run() {
    std::vector<int> all(problem_.buffers.size());
    std::iota(all.begin(), all.end(), 0);
    std::sort(all.begin(), all.end(), [&](int a, int b) { return rank_[a] < rank_[b]; });
    return SolveComponents(all, {0, -1});
  }

  const std::vector<int32_t>& offsets() const { return offsets_; }

 private:
  struct Candidate {
    int32_t offset;
    int buffer;
  };
  // The placement made last; buffers at one offset are placed by rank.
  struct Last {
    int32_t offset;
    int rank;
  };
  struct Change {
    int buffer;
    int32_t natural;
    int32_t low;
  };

  int Lower(int b) const { return problem_.buffers[b].lower; }
  int Upper(int b) const { return problem_.buffers[b].upper; }

  void Set(int b, int32_t natural, int32_t low) {
    trail_.push_back({b, natural_[b], low_[b]});
    natural_[b] = natural;
    low_[b] = low;
  }
  void Undo(size_t mark) {
    while (trail_.size() > mark) {
      const Change& c = trail_.back();
      natural_[c.buffer] = c.natural;
      low_[c.buffer] = c.low;
      trail_.pop_back();
    }
  }
  void AddRest(int b, int32_t size) {
    for (int s = Lower(b); s < Upper(b); ++s) {
      rest_[s] += size;
    }
  }
  void Place(int b, int32_t offset) {
    offsets_[b] = offset;
    open_[b] = false;
    AddRest(b, -size_[b]);
    const int32_t top = offset + size_[b];
    for (int k = problem_.conflict_start[b]; k < problem_.conflict_start[b + 1]; ++k) {
      const int other = problem_.conflicts[k];
      if (open_[other] && natural_[other] < top) {
        Set(other, top, std::max(low_[other], top));
      }
    }
  }
  // All but `natural` and `low`, which the trail brings back.
  void Remove(int b) {
    open_[b] = true;
    AddRest(b, size_[b]);
  }

  // Splits `open` (unplaced buffers, by rank) where nothing crosses and solves each part.
  bool SolveComponents(const std::vector<int>& open, Last last) {
    if (open.empty()) {
      return true;
    }
    const auto [first, end] = Sections(open);
    // A boundary is crossed when something that begins before it reaches beyond.
    std::vector<int> reach(end - first, 0);
    for (int b : open) {
      reach[Lower(b) - first] = std::max(reach[Lower(b) - first], Upper(b));
    }
    std::vector<int> part(end - first, 0);
    int parts = 0;
    int until = first;
    for (int s = first; s < end; ++s) {
      if (s >= until && reach[s - first] > 0) {
        ++parts;
      }
      until = std::max({until, s, reach[s - first]});
      part[s - first] = parts - 1;
    }
    if (parts == 1) {
      return Solve(open, last);
    }
    std::vector<std::vector<int>> groups(parts);
    for (int b : open) {
      groups[part[Lower(b) - first]].push_back(b);
    }
    // Small ones first: they fail fast.
    std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
    for (size_t g = 0; g < groups.size(); ++g) {
      if (!Solve(groups[g], last)) {
        for (size_t done = 0; done < g; ++done) {
          std::for_each(groups[done].begin(), groups[done].end(), [&](int b) { Remove(b); });
        }
        return false;
      }
    }
    return true;
  }

  std::pair<int, int> Sections(const std::vector<int>& open) const {
    int first = problem_.sections;
    int end = 0;
    for (int b : open) {
      first = std::min(first, Lower(b));
      end = std::max(end, Upper(b));
    }
    return {first, end};
  }

  bool Passed(int b, Last last) const {
    return natural_[b] < last.offset || (natural_[b] == last.offset && rank_[b] < last.rank);
  }

  // Raises `low` of the open buffers to what follows from the state.  False when something cannot fit any more.
  bool Propagate(const std::vector<int>& open, Last last) {
    const auto [first, end] = Sections(open);
    std::fill(lowest_end_.begin() + first, lowest_end_.begin() + end, kInfinity);
    std::fill(reachable_.begin() + first, reachable_.begin() + end, kInfinity);
    for (int b : open) {
      work_ -= Upper(b) - Lower(b) + 24;
      const int32_t low = std::max(low_[b], last.offset);
      if (low + size_[b] > capacity_) {
        blame_[b] += 1;
        return false;
      }
      if (low != low_[b]) {
        Set(b, natural_[b], low);
      }
      Lower(&lowest_end_, b, low + size_[b]);
    }
    for (int b : open) {
      if (Passed(b, last)) {
        const auto begin = lowest_end_.begin();
        const int32_t support = *std::min_element(begin + Lower(b), begin + Upper(b));
        if (support > low_[b]) {
          Set(b, natural_[b], support);
          if (support + size_[b] > capacity_) {
            blame_[b] += 1;
            return false;
          }
        }
      }
      Lower(&reachable_, b, low_[b]);
    }
    for (int s = first; s < end; ++s) {
      if (reachable_[s] != kInfinity && reachable_[s] + rest_[s] > capacity_) {
        for (int b : open) {
          blame_[b] += Lower(b) <= s && s < Upper(b) ? 1 : 0;
        }
        return false;
      }
    }
    return true;
  }

  // The least of a value and what is in each section of b.
  void Lower(std::vector<int32_t>* values, int b, int32_t value) const {
    int32_t* v = values->data();
    for (int s = Lower(b), end = Upper(b); s < end; ++s) {
      v[s] = std::min(v[s], value);
    }
  }

  bool Solve(const std::vector<int>& open, Last last) {
    const size_t mark = trail_.size();
    if (work_ < 0 || !Propagate(open, last)) {
      Undo(mark);
      return false;
    }
    int32_t ceiling = kInfinity;  // the end of the buffer that would end lowest: nothing may begin there or above
    for (int b : open) {
      ceiling = std::min(ceiling, low_[b] + size_[b]);
    }
    std::vector<Candidate> candidates;
    for (int b : open) {
      if (low_[b] == natural_[b] && low_[b] < ceiling && !Passed(b, last) && !HasTwin(candidates, b)) {
        candidates.push_back({low_[b], b});
      }
    }
    std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
      return a.offset != b.offset ? a.offset < b.offset : rank_[a.buffer] < rank_[b.buffer];
    });
    std::vector<int> left;
    for (const Candidate& c : candidates) {
      const size_t inner = trail_.size();
      Place(c.buffer, c.offset);
      left.clear();
      std::copy_if(open.begin(), open.end(), std::back_inserter(left), [&](int b) { return b != c.buffer; });
      if (SolveComponents(left, {c.offset, rank_[c.buffer]})) {
        return true;
      }
      Remove(c.buffer);
      Undo(inner);
      if (work_ < 0) {
        break;
      }
    }
    Undo(mark);
    return false;
  }

  // Of buffers with the same life and size one is tried.
  bool HasTwin(const std::vector<Candidate>& candidates, int b) const {
    return std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& c) {
      return Lower(c.buffer) == Lower(b) && Upper(c.buffer) == Upper(b) && size_[c.buffer] == size_[b];
    });
  }

  const Problem& problem_;
  const int32_t capacity_;
  const std::vector<int> rank_;
  std::vector<double>& blame_;
  int64_t& work_;
  std::vector<int32_t> size_;
  std::vector<int32_t> natural_;
  std::vector<int32_t> low_;
  std::vector<bool> open_;
  std::vector<int32_t> rest_;        // [sections] bytes to come
  std::vector<int32_t> lowest_end_;  // [sections] scratch of Propagate
  std::vector<int32_t> reachable_;   // [sections] scratch of Propagate
  std::vector<int32_t> offsets_;
  std::vector<Change> trail_;
};

// The largest unit all sizes are multiples of; larger (then sizes are rounded up) when 2^30 units would not do.
int64_t UnitOf(const Problem& p, int64_t capacity) {
  int64_t unit = 0;
  for (const Problem::Buffer& b : p.buffers) {
    unit = std::gcd(unit, b.size);
  }
  return std::max<int64_t>({unit, 1, (capacity >> 30) + 1});
}

// Which buffer goes first among those at the same offset: by the fullest section it lives in (T), its lifetime (W), its
// area (A), in several priorities.  Seeds beyond them blur the same orders by up to 30 %.
std::vector<int> Ranks(const Problem& p, uint64_t seed, const std::vector<double>& blame) {
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
    if (seed >= 4 && seed % 2 == 0) {
      key[i] = {blame[i] * noise, w, a};
      continue;
    }
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

bool SearchPlacement(const Problem& problem, int64_t capacity, uint64_t seed, std::vector<double>* blame, int64_t* work,
                     Placement* out) {
  const int64_t unit = UnitOf(problem, capacity);
  Search search(problem, capacity, unit, Ranks(problem, seed, *blame), blame, work);
  if (!search.Run()) {
    return false;
  }
  out->offsets.clear();
  out->peak = 0;
  for (int i = 0; i < problem.count(); ++i) {
    out->offsets.push_back(search.offsets()[i] * unit);
    out->peak = std::max(out->peak, out->offsets[i] + problem.buffers[i].size);
  }
  return true;
}

}  // namespace sluice::plan
