// The semantic check of a program that FlatBuffers' own verifier has passed: after it every index, slot, range and rank
// can be followed without another look (docs/format.md lists the invariants).
#ifndef SLUICE_RUNTIME_ARTIFACT_VERIFY_H_
#define SLUICE_RUNTIME_ARTIFACT_VERIFY_H_

#include <cstdint>
#include <span>
#include <string>

#include "runtime/artifact/format.h"
#include "runtime/artifact/program_generated.h"
#include "runtime/base/status.h"

namespace sluice::artifact {

// An absent vector of a FlatBuffers table is an empty one.
//   for (const fb::Weight* w : List(program.weights())) { ... }
template <typename T>
class ListView {
 public:
  using Vector = flatbuffers::Vector<T>;
  explicit ListView(const Vector* vector) : vector_(vector) {}
  int64_t size() const { return vector_ == nullptr ? 0 : static_cast<int64_t>(vector_->size()); }
  bool empty() const { return size() == 0; }
  auto operator[](int64_t i) const { return vector_->Get(static_cast<flatbuffers::uoffset_t>(i)); }

  class Iterator {
   public:
    Iterator(const ListView* list, int64_t at) : list_(list), at_(at) {}
    auto operator*() const { return (*list_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    const ListView* list_;
    int64_t at_;
  };
  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, size()); }

 private:
  const Vector* vector_;
};
template <typename T>
ListView<T> List(const flatbuffers::Vector<T>* vector) {
  return ListView<T>(vector);
}

// kInvalidArgument names the record: "m.sluice: functions[0].instrs[3].ins[1]: buffer 17 of 12".
absl::Status VerifyProgram(const fb::Program& program, std::span<const uint8_t> file, const Header& header,
                           const std::string& where);

// The part of it that concerns one function.  `where` names it; the program's other tables have been verified.
absl::Status VerifyFunction(const fb::Program& program, int64_t index, const std::string& where);

// The buffer that holds the bytes of `buffer`: itself, or where its chain of aliases ends.  -1 when the chain is a
// circle or leaves the table.
int64_t RootBuffer(const fb::Function& function, int64_t buffer);

}  // namespace sluice::artifact

#endif  // SLUICE_RUNTIME_ARTIFACT_VERIFY_H_
