// ONNX's test data: folders `test_data_set_N` with `input_K.pb` and `output_K.pb` (TensorProto files, named).
#ifndef SLUICE_COMPILER_REFERENCE_TESTDATA_H_
#define SLUICE_COMPILER_REFERENCE_TESTDATA_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "compiler/reference/Tensor.h"
#include "mlir/IR/MLIRContext.h"

namespace mlir::sluice::reference {

struct NamedTensor {
  std::string name;
  RefTensor tensor;
};

struct TestSet {
  std::string path;
  std::vector<NamedTensor> inputs, outputs;
};

// One set; kNotFound or kDataLoss names the file.
absl::StatusOr<TestSet> loadTestSet(MLIRContext& context, const std::string& directory);
// The folders `test_data_set_*` of a model folder, sorted.
std::vector<std::string> testSetsOf(const std::string& modelDirectory);

// How far `got` is from `want`: |got − want| ≤ atol + rtol·|want| for every element; NaN only matches NaN.
struct Difference {
  double maxAbs = 0, maxRel = 0;
  bool ok = true;
  std::string why;  // of a difference that is no number: sizes, kinds
};
Difference compare(const RefTensor& got, const RefTensor& want, double rtol, double atol);

}  // namespace mlir::sluice::reference

#endif  // SLUICE_COMPILER_REFERENCE_TESTDATA_H_
