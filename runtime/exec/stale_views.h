// Which views of some instructions to fill again: those that follow from a size or a memory that has changed.  Of the
// thousands that a decoder has on a GPU, a step moves a few.
//
//   StaleViews stale(function, segment.begin, segment.end);
//   for (uint32_t view : stale.Find(slots, roots)) …             // all of them, the first time
#ifndef SLUICE_RUNTIME_EXEC_STALE_VIEWS_H_
#define SLUICE_RUNTIME_EXEC_STALE_VIEWS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/exec/program.h"

namespace sluice::exec {

struct Memory {
  uint8_t* data = nullptr;
  int64_t bytes = 0;
  bool operator==(const Memory&) const = default;
};

class StaleViews {
 public:
  StaleViews(const FunctionDesc& function, uint32_t begin, uint32_t end);  // instructions

  // Those whose slots or whose buffer's memory are not what they were in the call before, one perhaps twice; valid
  // until the next one.  Views of caches are always among them: their layout is the cache's.
  std::span<const uint32_t> Find(std::span<const int64_t> slots, std::span<const Memory> roots);
  // What was found could not be filled: next time they all are.
  void Forget() { known_ = false; }

 private:
  template <typename Value>
  struct Source {
    uint32_t index = 0;  // slot or buffer
    Value value{};
    std::vector<uint32_t> followers;
  };
  template <typename Value>
  void Compare(std::vector<Source<Value>>& sources, std::span<const Value> now);

  std::vector<uint32_t> all_, of_caches_, found_;
  std::vector<Source<int64_t>> slots_;
  std::vector<Source<Memory>> roots_;
  bool known_ = false;  // the sources' values are those of the call before
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_STALE_VIEWS_H_
