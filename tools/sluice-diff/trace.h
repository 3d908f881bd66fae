// The reference's side: every op of a module gets a number, and the evaluator keeps the values of the ops asked for.
//
// The number is the outermost name of the op's location.  Passes keep locations, and a launch's first node is the op
// whose value it writes, so a launch in the artifact tells which value of the reference its result is.
#ifndef SLUICE_TOOLS_SLUICE_DIFF_TRACE_H_
#define SLUICE_TOOLS_SLUICE_DIFF_TRACE_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/reference/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/status.h"

namespace sluice::diff {

using mlir::sluice::reference::RefTensor;

// An op made from imported ones keeps their numbers below its own.
enum class Numbering : char { kImported = '@', kLowered = '#' };
// Numbers every op; element N is the place of op N for people, its ONNX nodes.
std::vector<std::string> NumberOps(mlir::ModuleOp module, Numbering numbering);
// The outermost number of an op's location, or of a launch's nodes; none for what no numbered op made.
std::optional<int> NumberOf(mlir::Location loc);
std::optional<int> NumberOf(const std::vector<std::string>& nodes);
// All of a launch's numbers of kLowered ops, in their order.
std::vector<int> NumbersOf(const std::vector<std::string>& nodes);
// A message in which the numbers are the places they stand for.
absl::Status WithPlaces(const absl::Status& status, const std::vector<std::string>& places);
// The nodes that are no numbers.
std::vector<std::string> OnnxNodes(const std::vector<std::string>& nodes);

struct Trace {
  struct OpValues {
    int order = 0;                              // of the op's first evaluation
    std::vector<std::vector<RefTensor>> times;  // one a time it was evaluated (loops): its results
  };
  std::map<int, OpValues> ops;
  std::vector<RefTensor> outputs;
};

// How the evaluator keeps a value: in f64, or rounded to its element type, as a target stores it between two kernels.
enum class Values { kExact, kRounded };
// `inputs` are @main's arguments.  Keeps the results of the ops whose numbers are in `wanted`.
absl::StatusOr<Trace> Evaluate(mlir::ModuleOp module, const std::string& model_directory,
                               const std::vector<RefTensor>& inputs, const std::set<int>& wanted, Values values);

}  // namespace sluice::diff

#endif  // SLUICE_TOOLS_SLUICE_DIFF_TRACE_H_
