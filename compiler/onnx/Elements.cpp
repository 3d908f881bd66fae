// Element types and the elements of tensors that carry them.
#include "compiler/onnx/ImportError.h"
#include "compiler/onnx/Model.h"
#include "mlir/IR/Builders.h"

namespace mlir::onnx_import {
namespace {

using onnx::TensorProto;

struct ElementInfo {
  int32_t data_type;
  int64_t bits;
  Type (*type)(Builder&);
};

constexpr ElementInfo kElements[] = {
    {TensorProto::FLOAT, 32, [](Builder& b) -> Type { return b.getF32Type(); }},
    {TensorProto::DOUBLE, 64, [](Builder& b) -> Type { return b.getF64Type(); }},
    {TensorProto::FLOAT16, 16, [](Builder& b) -> Type { return b.getF16Type(); }},
    {TensorProto::BFLOAT16, 16, [](Builder& b) -> Type { return b.getBF16Type(); }},
    {TensorProto::FLOAT8E4M3FN, 8, [](Builder& b) -> Type { return b.getType<Float8E4M3FNType>(); }},
    {TensorProto::FLOAT8E5M2, 8, [](Builder& b) -> Type { return b.getType<Float8E5M2Type>(); }},
    {TensorProto::BOOL, 8, [](Builder& b) -> Type { return b.getI1Type(); }},
    {TensorProto::INT8, 8, [](Builder& b) -> Type { return b.getIntegerType(8); }},
    {TensorProto::INT16, 16, [](Builder& b) -> Type { return b.getIntegerType(16); }},
    {TensorProto::INT32, 32, [](Builder& b) -> Type { return b.getIntegerType(32); }},
    {TensorProto::INT64, 64, [](Builder& b) -> Type { return b.getIntegerType(64); }},
    {TensorProto::INT4, 4, [](Builder& b) -> Type { return b.getIntegerType(4); }},
    {TensorProto::UINT8, 8, [](Builder& b) -> Type { return b.getIntegerType(8, false); }},
    {TensorProto::UINT16, 16, [](Builder& b) -> Type { return b.getIntegerType(16, false); }},
    {TensorProto::UINT32, 32, [](Builder& b) -> Type { return b.getIntegerType(32, false); }},
    {TensorProto::UINT64, 64, [](Builder& b) -> Type { return b.getIntegerType(64, false); }},
    {TensorProto::UINT4, 4, [](Builder& b) -> Type { return b.getIntegerType(4, false); }},
};

const ElementInfo* infoOf(int32_t data_type) {
  const ElementInfo* found = llvm::find_if(kElements, [&](const ElementInfo& e) { return e.data_type == data_type; });
  return found == std::end(kElements) ? nullptr : found;
}

// The bits of element i of a typed field (int32_data holds everything up to 32 bits, 4-bit types two a byte).
uint64_t typedBits(const TensorProto& tensor, int64_t i) {
  switch (tensor.data_type()) {
    case TensorProto::FLOAT:
      return llvm::bit_cast<uint32_t>(tensor.float_data(i));
    case TensorProto::DOUBLE:
      return llvm::bit_cast<uint64_t>(tensor.double_data(i));
    case TensorProto::INT64:
      return tensor.int64_data(i);
    case TensorProto::UINT32:
    case TensorProto::UINT64:
      return tensor.uint64_data(i);
    case TensorProto::INT4:
    case TensorProto::UINT4:
      return static_cast<uint32_t>(tensor.int32_data(i / 2)) >> (i % 2 * 4);
    default:
      return static_cast<uint32_t>(tensor.int32_data(i));
  }
}

int64_t typedCount(const TensorProto& tensor) {
  switch (tensor.data_type()) {
    case TensorProto::FLOAT:
      return tensor.float_data_size();
    case TensorProto::DOUBLE:
      return tensor.double_data_size();
    case TensorProto::INT64:
      return tensor.int64_data_size();
    case TensorProto::UINT32:
    case TensorProto::UINT64:
      return tensor.uint64_data_size();
    case TensorProto::INT4:
    case TensorProto::UINT4:
      return tensor.int32_data_size() * 2;
    default:
      return tensor.int32_data_size();
  }
}

uint64_t rawBits(const std::string& raw, int64_t i, int64_t bits) {
  if (bits == 4) {
    return static_cast<uint8_t>(raw[i / 2]) >> (i % 2 * 4);
  }
  uint64_t value = 0;
  for (int64_t b = 0; b < bits / 8; ++b) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(raw[i * bits / 8 + b])) << (8 * b);
  }
  return value;
}

}  // namespace

int64_t elementBits(int32_t data_type) {
  const ElementInfo* info = infoOf(data_type);
  return info ? info->bits : 0;
}

Type elementType(MLIRContext* context, int32_t data_type, Location loc) {
  const ElementInfo* info = infoOf(data_type);
  if (!info) {
    std::string name = TensorProto::DataType_IsValid(data_type)
                           ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(data_type))
                           : std::to_string(data_type);
    fail(loc, "element type " + name + " is not one Sluice has");
  }
  Builder builder(context);
  return info->type(builder);
}

int32_t dataTypeOf(Type element) {
  Builder builder(element.getContext());
  const ElementInfo* found = llvm::find_if(kElements, [&](const ElementInfo& e) { return e.type(builder) == element; });
  return found == std::end(kElements) ? TensorProto::UNDEFINED : found->data_type;
}

DenseElementsAttr decodeTensor(const TensorProto& tensor, Location loc) {
  Type element = elementType(loc.getContext(), tensor.data_type(), loc);
  SmallVector<int64_t> dims(tensor.dims().begin(), tensor.dims().end());
  auto type = RankedTensorType::get(dims, element);
  int64_t count = type.getNumElements();
  int64_t bits = elementBits(tensor.data_type());
  bool raw = tensor.has_raw_data();
  int64_t have = raw ? static_cast<int64_t>(tensor.raw_data().size()) : typedCount(tensor);
  int64_t need = raw ? (count * bits + 7) / 8 : count;
  bool packed = bits == 4 && !raw;
  if (packed ? have < need || have > need + 1 : have != need) {
    fail(loc, "tensor '" + tensor.name() + "': its shape needs " + llvm::Twine(need) + (raw ? " bytes" : " elements") +
                  ", its data have " + llvm::Twine(have));
  }
  unsigned width = element.getIntOrFloatBitWidth();
  auto floatType = dyn_cast<FloatType>(element);
  SmallVector<APInt> ints;
  SmallVector<APFloat> floats;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t value = raw ? rawBits(tensor.raw_data(), i, bits) : typedBits(tensor, i);
    value = element.isInteger(1) ? value != 0 : value;
    APInt word = APInt(64, value).trunc(width);
    if (floatType) {
      floats.emplace_back(floatType.getFloatSemantics(), word);
    } else {
      ints.push_back(word);
    }
  }
  return floatType ? DenseElementsAttr::get(type, floats) : DenseElementsAttr::get(type, ints);
}

}  // namespace mlir::onnx_import
