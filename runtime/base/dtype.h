// Element types of tensors.  The numbers are ONNX's TensorProto.DataType (onnx.proto, "DataType"), so a
// value read from a file needs no table.
#ifndef SLUICE_RUNTIME_BASE_DTYPE_H_
#define SLUICE_RUNTIME_BASE_DTYPE_H_

#include <cstdint>

namespace sluice {

enum class DType : uint8_t {
  kUndefined = 0,
  kF32 = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kI32 = 6,
  kI64 = 7,
  kBool = 9,  // one byte, 0 or 1
  kF16 = 10,
  kF64 = 11,
  kU32 = 12,
  kU64 = 13,
  kBF16 = 16,
  kF8E4M3FN = 17,
  kF8E5M2 = 19,
  kU4 = 21,  // two per byte, low nibble first
  kI4 = 22,  // two per byte, low nibble first
};

// Bits of one element; 4 for the int4 types, 8 for kBool.  0 for kUndefined.
constexpr int BitWidth(DType t) {
  switch (t) {
    case DType::kF64:
    case DType::kI64:
    case DType::kU64:
      return 64;
    case DType::kF32:
    case DType::kI32:
    case DType::kU32:
      return 32;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
    case DType::kU16:
      return 16;
    case DType::kU8:
    case DType::kI8:
    case DType::kBool:
    case DType::kF8E4M3FN:
    case DType::kF8E5M2:
      return 8;
    case DType::kU4:
    case DType::kI4:
      return 4;
    case DType::kUndefined:
      return 0;
  }
  return 0;
}

// Bytes of n elements, whole bytes for the packed types.
constexpr int64_t ByteSize(DType t, int64_t n) { return (n * BitWidth(t) + 7) / 8; }

constexpr bool IsFloat(DType t) {
  return t == DType::kF32 || t == DType::kF64 || t == DType::kF16 || t == DType::kBF16 || t == DType::kF8E4M3FN ||
         t == DType::kF8E5M2;
}

// "f32", "bf16", "i64", "ui8", "i1" …: MLIR's spelling, so that compiler and runtime messages agree.
const char* Name(DType t);

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_DTYPE_H_
