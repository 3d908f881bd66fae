// Imports every model of ../shared/models; those with test data are also evaluated by the reference evaluator and held
// against ONNX Runtime's outputs.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "compiler/onnx/Import.h"
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/TestData.h"
#include "dialects/nn/NNDialect.h"
#include "gtest/gtest.h"
#include "mlir/Pass/PassManager.h"
#include "passes/import/Passes.h"
#include "test/conformance/lists.h"
#include "test/support/shared.h"

namespace mlir::onnx_import {
namespace {

namespace fs = std::filesystem;
using sluice::reference::RefTensor;
using ::sluice::test::ImportOptionsOf;
using ::sluice::test::ModelTestName;
using ::sluice::test::SharedModel;
using ::sluice::test::SharedModelNames;

OwningOpRef<ModuleOp> importAndVerify(MLIRContext& context, const std::string& name, bool strip) {
  auto module = importOnnx(context, ImportOptionsOf(SharedModel(name), strip));
  if (!module) {
    return {};
  }
  PassManager passes(&context);
  sluice::importer::buildImportPipeline(passes);
  return succeeded(passes.run(*module)) ? std::move(module) : OwningOpRef<ModuleOp>();
}

// Graphs with rounding of their own (half precision, int8, int4) may differ by 1e-2 of the largest value.
bool isCoarse(const std::string& name) {
  return StringRef(name).contains("fp16") || StringRef(name).contains("int4") || StringRef(name).contains("int8");
}

double largest(const RefTensor& tensor) {
  double value = 0;
  for (double x : tensor.f) {
    value = std::isfinite(x) ? std::max(value, std::fabs(x)) : value;
  }
  return value;
}

// The data set's inputs in the order of @main's arguments.
std::vector<RefTensor> inputsOf(func::FuncOp main, sluice::reference::TestSet& set) {
  std::vector<RefTensor> inputs;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto name = main.getArgAttrOfType<StringAttr>(i, nn::kNameAttr).getValue();
    auto it = llvm::find_if(set.inputs, [&](const auto& input) { return input.name == name; });
    EXPECT_NE(it, set.inputs.end()) << name.str();
    inputs.push_back(std::move(it->tensor));
  }
  return inputs;
}

class Models : public testing::TestWithParam<std::string> {};

TEST_P(Models, GivesOnnxRuntimesOutputs) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  fs::path folder = SharedModel(GetParam());
  auto sets = sluice::reference::testSetsOf(folder.string());
  bool evaluates = !sets.empty() && (!fs::exists(folder / "make_weights.py") || fs::exists(folder / "weights.bin"));
  OwningOpRef<ModuleOp> module = importAndVerify(context, GetParam(), !evaluates);
  ASSERT_TRUE(module);
  if (!evaluates) {
    return;
  }
  auto main = module->lookupSymbol<func::FuncOp>("main");
  for (const std::string& path : sets) {
    if (::sluice::test::IsKnownToFail(path)) {
      continue;
    }
    auto set = sluice::reference::loadTestSet(context, path);
    ASSERT_TRUE(set.ok()) << set.status();
    sluice::reference::Evaluator evaluator(*module, {.roundToType = isCoarse(GetParam()),
                                                     .modelDir = folder.string()});  // quantizing rounds what f32 gives
    auto outputs = evaluator.run(inputsOf(main, *set));
    ASSERT_TRUE(succeeded(outputs)) << path;
    for (auto [i, output] : llvm::enumerate(*outputs)) {
      auto name = main.getResultAttrOfType<StringAttr>(i, nn::kNameAttr).getValue();
      auto want = llvm::find_if(set->outputs, [&](const auto& o) { return o.name == name; });
      ASSERT_NE(want, set->outputs.end()) << name.str();
      bool coarse = isCoarse(GetParam());
      auto difference = sluice::reference::compare(output, want->tensor, coarse ? 1e-2 : 1e-3,
                                                   coarse ? 1e-2 * largest(want->tensor) : 1e-4);
      EXPECT_TRUE(difference.ok) << path << " " << name.str() << ": max abs " << difference.maxAbs << ", max rel "
                                 << difference.maxRel << " " << difference.why;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, Models, testing::ValuesIn(SharedModelNames({""})),
                         [](const auto& info) { return ModelTestName(info.param); });

class Shapes : public testing::TestWithParam<std::string> {};

// Graphs of full size whose weights do not exist: import reads none of them, and takes less than 2 s.
TEST_P(Shapes, ImportsWithoutWeights) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  auto begin = std::chrono::steady_clock::now();
  auto module = importOnnx(context, {.path = (SharedModel(GetParam()) / "model.onnx").string(), .strip_weights = true});
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(module);
  EXPECT_LT(seconds.count(), 2.0);
}

INSTANTIATE_TEST_SUITE_P(Shared, Shapes, testing::ValuesIn(SharedModelNames({"shapes"})),
                         [](const auto& info) { return ModelTestName(info.param); });

}  // namespace
}  // namespace mlir::onnx_import
