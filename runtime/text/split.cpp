#include "runtime/text/split.h"

#include <algorithm>

namespace sluice::text {
namespace {

// Joins neighbours: joins(previous is_match, this is_match) says whether this part continues the last piece.
template <typename F>
void Join(std::vector<Match>* parts, F joins) {
  std::vector<Match> pieces;
  bool previous = false;
  for (const Match& part : *parts) {
    if (!pieces.empty() && joins(previous, part.is_match)) {
      pieces.back().begin = std::min(pieces.back().begin, part.begin);
      pieces.back().end = std::max(pieces.back().end, part.end);
    } else {
      pieces.push_back(part);
    }
    previous = part.is_match;
  }
  *parts = std::move(pieces);
}

}  // namespace

absl::StatusOr<SplitBehavior> SplitBehaviorFromJson(const JsonField& field) {
  ASSIGN_OR_RETURN(std::string name, field.String());
  for (auto [known, behavior] :
       {std::pair("Removed", SplitBehavior::kRemoved), std::pair("Isolated", SplitBehavior::kIsolated),
        std::pair("Contiguous", SplitBehavior::kContiguous),
        std::pair("MergedWithPrevious", SplitBehavior::kMergedWithPrevious),
        std::pair("MergedWithNext", SplitBehavior::kMergedWithNext)}) {
    if (name == known) {
      return behavior;
    }
  }
  return field.Unknown(absl::StrCat("\"", name, "\" is no split behavior this build knows"));
}

void ApplyBehavior(SplitBehavior behavior, std::vector<Match>* parts) {
  auto delimiter_joins = [](bool previous, bool current) { return current && !previous; };
  switch (behavior) {
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kRemoved:
      parts->erase(std::remove_if(parts->begin(), parts->end(), [](const Match& m) { return m.is_match; }),
                   parts->end());
      break;
    case SplitBehavior::kContiguous:
      Join(parts, [](bool previous, bool current) { return previous == current; });
      break;
    case SplitBehavior::kMergedWithPrevious:
      Join(parts, delimiter_joins);
      break;
    case SplitBehavior::kMergedWithNext:
      std::reverse(parts->begin(), parts->end());
      Join(parts, delimiter_joins);
      std::reverse(parts->begin(), parts->end());
      break;
  }
}

}  // namespace sluice::text
