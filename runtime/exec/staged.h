// What the host gives each run of a GPU, as one block of pinned memory with a twin on the device: small inputs and the
// step's numbers.  Only what the device does not have yet is copied, mostly at once.
//
//   if (staged.Place(rooms)) { … staged.SetMemory(pinned) … }   // layouts change seldom
//   staged.Set(0, tokens, 8);
//   for (const Staged::Range& range : staged.TakeChanged()) …     // copy [begin, end)
#ifndef SLUICE_RUNTIME_EXEC_STAGED_H_
#define SLUICE_RUNTIME_EXEC_STAGED_H_

#include <cstdint>
#include <span>
#include <vector>

namespace sluice::exec {

class Staged {
 public:
  struct Range {
    int64_t begin, end;  // bytes of the block
  };

  // Makes room for parts of at least so many bytes.  Room only grows; true when it does: the block is then empty, and
  // SetMemory is next.
  bool Place(std::span<const int64_t> rooms);
  int64_t bytes() const { return bytes_; }
  void SetMemory(uint8_t* memory) { memory_ = memory; }
  int64_t offset(size_t part) const { return parts_[part].offset; }

  // The part begins with these bytes, the first `kept` of which are those it was set to before.  What it had behind
  // them may stay.
  void Set(size_t part, const void* from, int64_t bytes, int64_t kept = 0);
  // Someone else wrote the part on the device.
  void Forget(size_t part);
  // What was set since the last call and is not as it was then.
  std::vector<Range>& TakeChanged();

 private:
  struct Part {
    int64_t offset = 0, room = 0;
    int64_t held = 0;  // bytes that are the device's too once all that changed is there
  };
  struct Change {
    size_t part;
    Range range;
  };
  std::vector<Part> parts_;
  std::vector<Change> changes_;
  std::vector<Range> taken_;
  int64_t bytes_ = 0;
  uint8_t* memory_ = nullptr;
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_STAGED_H_
