#include "test/cuda/pairwise.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sluice::test {
namespace {

constexpr int kMostTurns = 64;  // of alternatives that are tried for a row
constexpr int kOrders = 64;     // in which the greedy search sees the rows

std::vector<std::string> Alternatives(const std::string& value) { return absl::StrSplit(value, '|'); }

int Turns(const Space& space, const std::vector<int>& values) {
  size_t turns = 1;
  for (size_t i = 0; i < values.size(); ++i) {
    turns *= Alternatives(space.axes[i].values[values[i]]).size();
  }
  return static_cast<int>(std::min<size_t>(turns, kMostTurns));
}

// The row of these values with the most alternatives that `seen` has not.
std::optional<Row> Freshest(const Space& space, const Valid& valid, const std::vector<int>& values,
                            const std::set<std::string>& seen) {
  std::optional<Row> best;
  int most = -1;
  for (int turn = 0; turn < Turns(space, values); ++turn) {
    const Row row(space, values, turn);
    int fresh = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      fresh += seen.contains(absl::StrCat(i, " ", row.alternatives()[i])) ? 0 : 1;
    }
    if (fresh > most && valid(row)) {
      most = fresh;
      best = row;
    }
  }
  return best;
}

int See(const Row& row, std::set<std::string>& seen) {
  int fresh = 0;
  for (size_t i = 0; i < row.alternatives().size(); ++i) {
    fresh += seen.insert(absl::StrCat(i, " ", row.alternatives()[i])).second ? 1 : 0;
  }
  return fresh;
}

// Numbers of rows, in this order's greedy choice: whichever has the most new pairs; then those are left out whose pairs
// others hold.
std::vector<size_t> Greedy(const std::vector<std::vector<int>>& pairs, const std::vector<size_t>& order, int count) {
  std::vector<int> held(count, 0);
  const auto fresh = [&](size_t row) {
    return std::count_if(pairs[row].begin(), pairs[row].end(), [&](int pair) { return held[pair] == 0; });
  };
  std::vector<size_t> chosen;
  for (;;) {
    const size_t best =
        *std::max_element(order.begin(), order.end(), [&](size_t a, size_t b) { return fresh(a) < fresh(b); });
    if (fresh(best) == 0) {
      break;
    }
    chosen.push_back(best);
    std::for_each(pairs[best].begin(), pairs[best].end(), [&](int pair) { ++held[pair]; });
  }
  std::erase_if(chosen, [&](size_t row) {
    const bool spare = std::all_of(pairs[row].begin(), pairs[row].end(), [&](int pair) { return held[pair] > 1; });
    std::for_each(pairs[row].begin(), pairs[row].end(), [&](int pair) { held[pair] -= spare ? 1 : 0; });
    return spare;
  });
  return chosen;
}

}  // namespace

Row::Row(const Space& space, std::vector<int> values, int turn) : space_(&space), values_(std::move(values)) {
  for (size_t i = 0; i < values_.size(); ++i) {
    const std::vector<std::string> all = Alternatives(space.axes[i].values[values_[i]]);
    alternatives_.push_back(all[turn % all.size()]);
    turn /= static_cast<int>(all.size());
  }
}

const std::string& Row::at(const std::string& axis) const {
  const auto found = std::ranges::find(space_->axes, axis, &Axis::name);
  return alternatives_.at(found - space_->axes.begin());
}

bool Row::is(const std::string& axis, const std::string& value) const {
  return std::ranges::find(space_->axes, axis, &Axis::name) != space_->axes.end() && at(axis) == value;
}

std::string Row::Text() const {
  std::string text = space_->name;
  for (size_t i = 0; i < values_.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? ": " : ", ", space_->axes[i].name, " ", alternatives_[i]);
  }
  return text;
}

std::vector<Row> AllRows(const Space& space, const Valid& valid) {
  std::vector<Row> rows;
  std::vector<int> values(space.axes.size(), 0);
  for (size_t axis = 0; axis < values.size();) {
    if (const std::optional<Row> row = Freshest(space, valid, values, {})) {
      rows.push_back(*row);
    }
    for (axis = 0; axis < values.size() && ++values[axis] == static_cast<int>(space.axes[axis].values.size()); ++axis) {
      values[axis] = 0;
    }
  }
  return rows;
}

std::vector<int> PairsOf(const Space& space, const Row& row) {
  std::vector<int> first(space.axes.size() + 1, 0);  // number of each axis's first value among those of all
  for (size_t i = 0; i < space.axes.size(); ++i) {
    first[i + 1] = first[i] + static_cast<int>(space.axes[i].values.size());
  }
  std::vector<int> pairs;
  for (size_t i = 0; i < row.values().size(); ++i) {
    for (size_t j = i; j < row.values().size(); ++j) {
      pairs.push_back((first[i] + row.values()[i]) * first.back() + first[j] + row.values()[j]);
    }
  }
  return pairs;
}

std::set<int> PairsOf(const Space& space, const std::vector<Row>& rows) {
  std::set<int> all;
  for (const Row& row : rows) {
    const std::vector<int> pairs = PairsOf(space, row);
    all.insert(pairs.begin(), pairs.end());
  }
  return all;
}

std::vector<Row> Cover(const Space& space, const Valid& valid) {
  const std::vector<Row> rows = AllRows(space, valid);
  std::vector<std::vector<int>> pairs;
  std::set<std::string> seen;
  int count = 0;
  for (const Row& row : rows) {
    pairs.push_back(PairsOf(space, row));
    count = std::max(count, *std::ranges::max_element(pairs.back()) + 1);
  }
  std::vector<size_t> order(rows.size()), best(rows.size());
  std::iota(order.begin(), order.end(), 0), best = order;
  std::minstd_rand random;  // the same numbers in every run
  for (int i = 0; i < kOrders && !rows.empty(); ++i) {
    const std::vector<size_t> chosen = Greedy(pairs, order, count);
    best = chosen.size() < best.size() ? chosen : best;
    std::shuffle(order.begin(), order.end(), random);
  }
  std::vector<Row> cover;
  for (const size_t row : best) {
    cover.push_back(*Freshest(space, valid, rows[row].values(), seen));
    See(cover.back(), seen);
  }
  for (;;) {
    const auto news = [&](const Row& row) {
      std::set<std::string> more = seen;
      return See(*Freshest(space, valid, row.values(), seen), more);
    };
    const auto row = std::ranges::max_element(rows, {}, news);
    if (row == rows.end() || news(*row) == 0) {
      break;
    }
    cover.push_back(*Freshest(space, valid, row->values(), seen));
    See(cover.back(), seen);
  }
  return cover;
}

std::string MissingValues(const Space& space, const std::vector<Row>& rows) {
  std::vector<std::string> missing;
  for (size_t i = 0; i < space.axes.size(); ++i) {
    for (const std::string& value : space.axes[i].values) {
      for (const std::string& alternative : Alternatives(value)) {
        if (std::ranges::none_of(rows, [&](const Row& row) { return row.alternatives()[i] == alternative; })) {
          missing.push_back(absl::StrCat(space.axes[i].name, " ", alternative));
        }
      }
    }
  }
  return absl::StrJoin(missing, ", ");
}

}  // namespace sluice::test
