// Finds the wrong layer of a model: evaluates it by definition, runs it on a target, compares value by value.
//
//   ASSIGN_OR_RETURN(DiffReport report, Diff({.model = "model.onnx", .test_data = "test_data_set_0"}));
//   report.rows.front().node                       // the first node whose value is wrong
//
// Three questions, so that a row names who is at fault:
//   kernel  does each launch write what the reference has, given the reference's inputs?   (checker.h)
//   raise   do the phases before fuse keep every value of the graph as imported?           (ops that both graphs have)
//   output  is what comes out at the end of a plain run right, and what the test data say?
#ifndef SLUICE_TOOLS_SLUICE_DIFF_DIFF_H_
#define SLUICE_TOOLS_SLUICE_DIFF_DIFF_H_

#include <functional>
#include <string>
#include <vector>

#include "kernels/registry.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/dtype.h"
#include "runtime/exec/program.h"
#include "tools/common/made_inputs.h"
#include "tools/common/tolerances.h"
#include "tools/sluice-diff/bound.h"

namespace sluice::diff {

struct DiffOptions {
  std::string model;
  std::string target = "cpu";
  std::string dtype;              // as sluice-compile's --dtype
  bool int8_activations = false;  // likewise
  std::string test_data;          // a folder with input_K.pb, output_K.pb; empty: inputs are made up
  tools::Dims dims;               // their sizes; the others are 3 where the model allows it
  uint32_t seed = 1;
  GivenBound bound;
  int threads = 0;
  // Places for tests to plant a fault: a kernel, and the module between shard and fuse.
  exec::KernelFinder find_kernel = kernels::FindCpuKernel;
  std::function<void(mlir::ModuleOp)> after_raise = [](mlir::ModuleOp) {};
  std::function<void(const std::string&)> on_phase = [](const std::string&) {};
};

// A node whose value exceeds its bound.
struct Row {
  std::string stage;               // "raise" or "kernel"
  std::string node;                // whose value it is
  std::vector<std::string> nodes;  // all that were computed together
  std::string kernel;              // or the operation, for raise
  DType dtype = DType::kUndefined;
  std::vector<int64_t> sizes;
  Deviation deviation;
};

inline constexpr const char* kTestData = "the test data";
struct OutputRow {
  std::string name;
  std::string against;  // "the reference": the target's plain run; the reference itself against others
  Deviation deviation;
};

struct DiffReport {
  std::vector<Row> rows;  // in the order of evaluation: the first is the one to look at
  std::vector<OutputRow> outputs;
  int64_t compared = 0;   // values
  int64_t moved = 0;      // copies, held against what they read
  int64_t unmatched = 0;  // launches of which the reference has no value
  bool ok() const;
};

// A fault of the options satisfies compiler::IsUsageError.
absl::StatusOr<DiffReport> Diff(const DiffOptions& options);

// How far each output may be from the test data's because values are stored in `dtype`, or in the model's own types
// (RoundingTolerance of bound.h).  Nothing runs but the reference; test data that it does not agree with are an error.
absl::StatusOr<tools::OutputTolerances> MeasureRounding(const DiffOptions& options);

}  // namespace sluice::diff

#endif  // SLUICE_TOOLS_SLUICE_DIFF_DIFF_H_
