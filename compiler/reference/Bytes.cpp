// Tensors from and to bytes.
#include <cstring>

#include "compiler/reference/Evaluator.h"
#include "llvm/ADT/APFloat.h"

namespace mlir::sluice::reference {
namespace {

template <typename T>
int64_t load(const char* bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return static_cast<int64_t>(value);
}

double loadFloat(FloatType type, const char* bytes, int64_t index) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, bytes + index * 4, 4);
    return value;
  }
  if (type.isF64()) {
    double value;
    std::memcpy(&value, bytes + index * 8, 8);
    return value;
  }
  uint64_t bits = 0;
  std::memcpy(&bits, bytes + index * (type.getWidth() / 8), type.getWidth() / 8);
  APFloat number(type.getFloatSemantics(), APInt(type.getWidth(), bits));
  bool lossy;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return number.convertToDouble();
}

int64_t loadInt(Type type, const char* bytes, int64_t index) {
  unsigned width = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  bool isUnsigned = type.isUnsignedInteger();
  switch (width) {
    case 1:
      return bytes[index] != 0;
    case 4: {
      int64_t nibble = (static_cast<uint8_t>(bytes[index / 2]) >> (index % 2 * 4)) & 15;
      return !isUnsigned && nibble > 7 ? nibble - 16 : nibble;
    }
    case 8:
      return isUnsigned ? load<uint8_t>(bytes, index) : load<int8_t>(bytes, index);
    case 16:
      return isUnsigned ? load<uint16_t>(bytes, index) : load<int16_t>(bytes, index);
    case 32:
      return isUnsigned ? load<uint32_t>(bytes, index) : load<int32_t>(bytes, index);
    default:
      return load<int64_t>(bytes, index);
  }
}

void storeFloat(FloatType type, double x, char* bytes, int64_t index) {
  APFloat number(x);
  bool lossy;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
  uint64_t bits = number.bitcastToAPInt().getZExtValue();
  std::memcpy(bytes + index * (type.getWidth() / 8), &bits, type.getWidth() / 8);
}

double rounded(FloatType type, double x) {
  if (type.isF32()) {
    return static_cast<double>(static_cast<float>(x));
  }
  APFloat number(x);
  bool lossy;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
  return number.convertToDouble();
}

}  // namespace

void roundToType(RefTensor& tensor) {
  auto type = dyn_cast<FloatType>(tensor.element);
  if (!type || type.isF64()) {
    return;
  }
  for (double& x : tensor.f) {
    x = rounded(type, x);
  }
}

RefTensor fromBytes(Type element, std::vector<int64_t> sizes, const char* bytes) {
  RefTensor t = RefTensor::make(element, std::move(sizes));
  if (auto type = dyn_cast<FloatType>(element)) {
    for (size_t n = 0; n < t.f.size(); ++n) {
      t.f[n] = loadFloat(type, bytes, n);
    }
  } else {
    for (size_t n = 0; n < t.i.size(); ++n) {
      t.i[n] = loadInt(element, bytes, n);
    }
  }
  return t;
}

std::vector<char> toBytes(const RefTensor& t) {
  if (auto type = dyn_cast<FloatType>(t.element)) {
    std::vector<char> bytes(t.f.size() * (type.getWidth() / 8));
    for (size_t n = 0; n < t.f.size(); ++n) {
      storeFloat(type, t.f[n], bytes.data(), n);
    }
    return bytes;
  }
  unsigned width = t.element.getIntOrFloatBitWidth();
  if (width == 4) {
    std::vector<char> bytes((t.i.size() + 1) / 2, 0);
    for (size_t n = 0; n < t.i.size(); ++n) {
      bytes[n / 2] |= static_cast<char>((t.i[n] & 15) << (n % 2 * 4));
    }
    return bytes;
  }
  unsigned size = width == 1 ? 1 : width / 8;
  std::vector<char> bytes(t.i.size() * size);
  for (size_t n = 0; n < t.i.size(); ++n) {
    std::memcpy(bytes.data() + n * size, &t.i[n], size);
  }
  return bytes;
}

}  // namespace mlir::sluice::reference
