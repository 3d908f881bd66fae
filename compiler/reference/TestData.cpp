#include "compiler/reference/TestData.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "compiler/reference/Evaluator.h"
#include "mlir/IR/Builders.h"
#include "onnx/onnx-ml.pb.h"
#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace mlir::sluice::reference {
namespace {

namespace fs = std::filesystem;
using ::sluice::DType;

Type elementType(MLIRContext& context, DType type) {
  Builder b(&context);
  auto unsignedType = [&](unsigned width) { return IntegerType::get(&context, width, IntegerType::Unsigned); };
  switch (type) {
    case DType::kF32:
      return b.getF32Type();
    case DType::kF64:
      return b.getF64Type();
    case DType::kF16:
      return b.getF16Type();
    case DType::kBF16:
      return b.getBF16Type();
    case DType::kBool:
      return b.getI1Type();
    case DType::kI4:
      return b.getIntegerType(4);
    case DType::kI8:
      return b.getI8Type();
    case DType::kI16:
      return b.getI16Type();
    case DType::kI32:
      return b.getI32Type();
    case DType::kI64:
      return b.getI64Type();
    case DType::kU4:
      return unsignedType(4);
    case DType::kU8:
      return unsignedType(8);
    case DType::kU16:
      return unsignedType(16);
    case DType::kU32:
      return unsignedType(32);
    case DType::kU64:
      return unsignedType(64);
    default:
      return {};
  }
}

// Values that the proto holds in typed fields instead of raw bytes.
void fromFields(const onnx::TensorProto& proto, RefTensor& t) {
  if (proto.data_type() == onnx::TensorProto::FLOAT) {
    std::copy(proto.float_data().begin(), proto.float_data().end(), t.f.begin());
  } else if (proto.data_type() == onnx::TensorProto::DOUBLE) {
    std::copy(proto.double_data().begin(), proto.double_data().end(), t.f.begin());
  } else if (proto.data_type() == onnx::TensorProto::INT64) {
    std::copy(proto.int64_data().begin(), proto.int64_data().end(), t.i.begin());
  } else if (t.isFloat()) {  // f16, bf16: bits in int32_data
    std::vector<uint16_t> bits(proto.int32_data().begin(), proto.int32_data().end());
    t = fromBytes(t.element, t.sizes, reinterpret_cast<const char*>(bits.data()));
  } else {
    std::copy(proto.int32_data().begin(), proto.int32_data().end(), t.i.begin());
  }
}

absl::StatusOr<NamedTensor> loadTensor(MLIRContext& context, const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  onnx::TensorProto proto;
  if (!file || !proto.ParseFromIstream(&file)) {
    return absl::DataLossError(absl::StrCat(path.string(), ": is no TensorProto"));
  }
  Type element = elementType(context, static_cast<DType>(proto.data_type()));
  if (!element) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": element type ", proto.data_type(), " has no tensor type"));
  }
  NamedTensor result{proto.name(), RefTensor::make(element, {proto.dims().begin(), proto.dims().end()})};
  int64_t bytes = ::sluice::ByteSize(static_cast<DType>(proto.data_type()), result.tensor.elements());
  if (proto.has_raw_data()) {
    if (static_cast<int64_t>(proto.raw_data().size()) != bytes) {
      return absl::DataLossError(
          absl::StrCat(path.string(), ": has ", proto.raw_data().size(), " bytes of data, its shape needs ", bytes));
    }
    result.tensor = fromBytes(element, result.tensor.sizes, proto.raw_data().data());
  } else {
    fromFields(proto, result.tensor);
  }
  return result;
}

absl::StatusOr<std::vector<NamedTensor>> loadAll(MLIRContext& context, const fs::path& directory,
                                                 const std::string& kind) {
  std::vector<NamedTensor> tensors;
  for (int n = 0;; ++n) {
    fs::path path = directory / absl::StrCat(kind, "_", n, ".pb");
    if (!fs::exists(path)) {
      return tensors;
    }
    ASSIGN_OR_RETURN(NamedTensor tensor, loadTensor(context, path));
    tensors.push_back(std::move(tensor));
  }
}

}  // namespace

absl::StatusOr<TestSet> loadTestSet(MLIRContext& context, const std::string& directory) {
  if (!fs::is_directory(directory)) {
    return absl::NotFoundError(absl::StrCat(directory, ": is no folder with test data"));
  }
  TestSet set{directory, {}, {}};
  ASSIGN_OR_RETURN(set.inputs, loadAll(context, directory, "input"));
  ASSIGN_OR_RETURN(set.outputs, loadAll(context, directory, "output"));
  return set;
}

std::vector<std::string> testSetsOf(const std::string& modelDirectory) {
  std::vector<std::string> sets;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(modelDirectory, error)) {
    if (entry.path().filename().string().starts_with("test_data_set_")) {
      sets.push_back(entry.path().string());
    }
  }
  std::sort(sets.begin(), sets.end());
  return sets;
}

Difference compare(const RefTensor& got, const RefTensor& want, double rtol, double atol) {
  Difference d;
  if (got.sizes != want.sizes || got.isFloat() != want.isFloat()) {
    auto text = [](const RefTensor& t) {
      std::string s = t.isFloat() ? "float [" : "integer [";
      for (int64_t size : t.sizes) {
        absl::StrAppend(&s, s.back() == '[' ? "" : ", ", size);
      }
      return s + "]";
    };
    d.ok = false;
    d.why = absl::StrCat("is ", text(got), ", expected ", text(want));
    return d;
  }
  for (int64_t n = 0; n < want.elements(); ++n) {
    double a = want.isFloat() ? got.f[n] : static_cast<double>(got.i[n]);
    double b = want.isFloat() ? want.f[n] : static_cast<double>(want.i[n]);
    if ((std::isnan(a) && std::isnan(b)) || a == b) {
      continue;
    }
    double abs = std::fabs(a - b);
    if (std::isnan(abs) || std::isinf(abs)) {
      d.ok = false;
      d.maxAbs = d.maxRel = INFINITY;
      continue;
    }
    d.maxAbs = std::max(d.maxAbs, abs);
    d.maxRel = std::max(d.maxRel, b == 0 ? 0 : abs / std::fabs(b));
    d.ok &= abs <= atol + rtol * std::fabs(b);
  }
  return d;
}

}  // namespace mlir::sluice::reference
