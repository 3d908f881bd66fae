// Scalar ops of linalg bodies as CUDA C++ statements (kernels/device/scalar.cuh has their functions).
//
// Registers hold sl::f16 and sl::bf16 as such; arithmetic narrower than f32 is rounded after each op, as the IR says
// and the CPU does: operators are the GPU's own, functions are computed in f32.  Signless integers are signed; i1 is
// bool.  Of two lanes, every value is an sl::Two of one type of 16 bits: bodies of others have no such text.
#ifndef SLUICE_PASSES_FUSE_SCALARTEXT_H_
#define SLUICE_PASSES_FUSE_SCALARTEXT_H_

#include <string>

#include "llvm/ADT/DenseMap.h"
#include "mlir/IR/Operation.h"

namespace mlir::sluice::fuse {

class ScalarText {
 public:
  explicit ScalarText(int lanes = 1) : lanes_(lanes) {}

  // The C++ type of a value in registers; "" for a type there is none for.
  static std::string type(Type type);
  // What memory holds: uint8_t for bool, the same otherwise.
  static std::string memoryType(Type type);

  // The same for as many lanes; "" likewise.
  std::string held(Type type) const;

  void name(Value value, std::string text) { names_[value] = std::move(text); }
  // Appends `const T vN = …;` to `lines`.  False for an op that has no text.
  bool print(Operation* op, std::string& lines);
  const std::string& operator[](Value value) const { return names_.find(value)->second; }

 private:
  std::string expression(Operation* op);
  std::string conversion(Operation* op);
  std::string integer(Operation* op);
  std::string real(Operation* op);
  std::string compare(Operation* op);

  llvm::DenseMap<Value, std::string> names_;
  int lanes_, count_ = 0;
};

// A literal with exactly these bits.
std::string literal(TypedAttr value);

}  // namespace mlir::sluice::fuse

#endif  // SLUICE_PASSES_FUSE_SCALARTEXT_H_
