// ONNX's node tests (test/conformance/node_tests.py): one operator each, compiled, run and compared.
//
// A test is skipped when its operator has no definition here, or its values a type that Sluice has no tensors of.  An
// input that the importer needs to know, such as the shape of a Reshape, becomes a constant with the test's data.
#ifndef SLUICE_TOOLS_SLUICE_CONFORMANCE_NODE_TESTS_H_
#define SLUICE_TOOLS_SLUICE_CONFORMANCE_NODE_TESTS_H_

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "onnx/onnx_pb.h"
#include "tools/sluice-conformance/runner.h"
#include "tools/sluice-conformance/tally.h"

namespace sluice::conformance {

// Makes who runs an imported and raised module.
using MakeRunner = std::function<absl::StatusOr<std::unique_ptr<Runner>>(mlir::ModuleOp module)>;

class NodeTests {
 public:
  NodeTests(MakeRunner make_runner, bool raise, Tally& tally)
      : make_runner_(std::move(make_runner)), raise_(raise), tally_(tally) {}

  void Run(const std::filesystem::path& folder);
  // What the tests that were skipped need, and how many each; one line a kind.
  void PrintNeeds() const;

 private:
  absl::Status RunTest(const onnx::ModelProto& proto, const std::filesystem::path& set, std::string& detail);
  absl::Status RunModule(mlir::ModuleOp module, const std::filesystem::path& set, std::string& detail);

  MakeRunner make_runner_;
  const bool raise_;
  Tally& tally_;
  std::map<std::string, std::map<std::string, int>> needs_;  // "operators" → "Foo" → tests
};

}  // namespace sluice::conformance

#endif  // SLUICE_TOOLS_SLUICE_CONFORMANCE_NODE_TESTS_H_
