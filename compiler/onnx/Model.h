// An ONNX model in memory without its weights.
#ifndef SLUICE_COMPILER_ONNX_MODEL_H_
#define SLUICE_COMPILER_ONNX_MODEL_H_

#include <string>
#include <vector>

#include "compiler/onnx/Import.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "onnx/onnx_pb.h"

namespace mlir::onnx_import {

// Bytes of one tensor in a file: row-major, little-endian.
struct StoredTensor {
  std::string name;
  int32_t data_type = 0;  // onnx::TensorProto::DataType
  llvm::SmallVector<int64_t> dims;
  int64_t file = 0;  // index into Model::files
  int64_t offset = 0;
  int64_t length = 0;
};

struct Model {
  onnx::ModelProto proto;
  std::vector<std::string> files;    // relative to the model's folder; 0 is the model itself
  std::vector<StoredTensor> stored;  // what `proto`'s placeholder tensors stand for

  // The stored tensor a placeholder stands for, or null for a tensor that carries its elements.
  const StoredTensor* storedOf(const onnx::TensorProto& tensor) const;
};

// At most this many elements are constants in the IR; tensors above are references.
inline constexpr int64_t kMaxConstantElements = 64;

// Reads `options.path`.  Throws ImportError: unreadable, malformed (with the offset), external data that is missing,
// too short, of the wrong length or outside the model's folder (with the tensor).
Model loadModel(const ImportOptions& options);

// Parses a file in ONNX's text form.
void parseText(const std::string& path, onnx::ModelProto& proto);

// The bits of one element as MLIR sees it, or 0 for a type Sluice does not have (string, complex, 2 and 6 bit types).
int64_t elementBits(int32_t data_type);
// f32, i64, ui4 …; fails for types Sluice does not have.
Type elementType(MLIRContext* context, int32_t data_type, Location loc);

// The reverse.
int32_t dataTypeOf(Type element);

// The elements of a tensor that carries them, whichever field holds them.
DenseElementsAttr decodeTensor(const onnx::TensorProto& tensor, Location loc);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_MODEL_H_
