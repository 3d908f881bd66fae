// Few rows that hold every pair of values of two axes that any row can hold: a fault of two values together is in one.
//
//   Space space = {"transpose", {{"element", {"u8", "f16|bf16", "f32"}}, {"form", {"squares", "blocks"}}}};
//   Cover(space, [](const Row& row) { return row.at("element") != "u8" || row.at("form") == "squares"; })
//   → {element: f16, form: squares}, {element: bf16, form: blocks}, {element: u8, form: squares}, …
//
// Alternatives of a value (a|b) go one way through what is tested: pairs hold of whichever, and each is in some row.
#ifndef SLUICE_TEST_CUDA_PAIRWISE_H_
#define SLUICE_TEST_CUDA_PAIRWISE_H_

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace sluice::test {

struct Axis {
  std::string name;
  std::vector<std::string> values;
};

struct Space {
  std::string name;
  std::vector<Axis> axes;
};

// A value for each axis of a space, and which of its alternatives.
class Row {
 public:
  Row(const Space& space, std::vector<int> values, int turn);

  const std::string& at(const std::string& axis) const;              // the alternative
  bool is(const std::string& axis, const std::string& value) const;  // false where the space has no such axis
  const std::vector<int>& values() const { return values_; }
  const std::vector<std::string>& alternatives() const { return alternatives_; }
  std::string Text() const;

 private:
  const Space* space_;  // outlives the row
  std::vector<int> values_;
  std::vector<std::string> alternatives_;
};

using Valid = std::function<bool(const Row&)>;

// Every row of values that is valid with some of their alternatives, with the first such.
std::vector<Row> AllRows(const Space& space, const Valid& valid);

// The pairs of a row as numbers, unique in its space; a value alone counts as one.
std::vector<int> PairsOf(const Space& space, const Row& row);
// Those of rows.
std::set<int> PairsOf(const Space& space, const std::vector<Row>& rows);

// Some of AllRows that hold their pairs, and further ones until every alternative that can be is in one.
std::vector<Row> Cover(const Space& space, const Valid& valid);

// "axis value, axis value": alternatives that no row has.
std::string MissingValues(const Space& space, const std::vector<Row>& rows);

}  // namespace sluice::test

#endif  // SLUICE_TEST_CUDA_PAIRWISE_H_
