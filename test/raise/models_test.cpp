// Raises every model of ../shared/models: attention is found and its masks are proven, the counts of ops do not depend
// on the exporter, and the raised graph still gives ONNX Runtime's outputs.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "compiler/onnx/Import.h"
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/TestData.h"
#include "dialects/nn/NNDialect.h"
#include "gtest/gtest.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Pass/PassManager.h"
#include "passes/raise/AttentionMatch.h"
#include "passes/raise/Passes.h"
#include "test/conformance/lists.h"
#include "test/support/shared.h"

namespace mlir::sluice::raise {
namespace {

namespace fs = std::filesystem;
using reference::RefTensor;
using ::sluice::test::IsThere;
using ::sluice::test::ModelTestName;
using ::sluice::test::SharedModel;
using ::sluice::test::SharedModelNames;

OwningOpRef<ModuleOp> importAndRaise(MLIRContext& context, const std::string& name) {
  auto module =
      onnx_import::importOnnx(context, ::sluice::test::ImportOptionsOf(SharedModel(name), /*strip_weights=*/true));
  if (!module) {
    return {};
  }
  PassManager passes(&context);
  buildRaisePipeline(passes);
  return succeeded(passes.run(*module)) ? std::move(module) : OwningOpRef<ModuleOp>();
}

template <typename Op>
int64_t count(ModuleOp module) {
  int64_t n = 0;
  module.walk([&](Op) { ++n; });
  return n;
}

// Some constant that masks is still in the sum that makes a bias.
bool isMask(Value bias) {
  SmallVector<Value> work = {bias};
  llvm::DenseSet<Value> seen;
  while (!work.empty()) {
    Operation* op = work.pop_back_val().getDefiningOp();
    DenseElementsAttr data;
    if (!op || isa<nn::LinearOp, nn::MatmulOp>(op)) {
      continue;
    }
    if (matchPattern(op, m_Constant(&data)) && data.isSplat() && isa<FloatType>(data.getElementType()) &&
        data.getSplatValue<APFloat>().convertToDouble() <= kMaskedBelow) {
      return true;
    }
    for (Value operand : op->getOperands()) {
      if (seen.insert(operand).second) {
        work.push_back(operand);
      }
    }
  }
  return false;
}

class RaisedModels : public testing::TestWithParam<std::string> {};

// Every softmax before a product became attention, and no bias masks.
TEST_P(RaisedModels, AttentionHasItsPattern) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  auto module = importAndRaise(context, GetParam());
  ASSERT_TRUE(module);
  module->walk([](nn::SoftmaxOp op) { EXPECT_TRUE(weightedSums(op).empty()); });
  module->walk([](nn::AttentionOp op) { EXPECT_FALSE(op.getBias() && isMask(op.getBias())); });
}

std::vector<RefTensor> inputsOf(func::FuncOp main, reference::TestSet& set) {
  std::vector<RefTensor> inputs;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto name = main.getArgAttrOfType<StringAttr>(i, nn::kNameAttr).getValue();
    auto it = llvm::find_if(set.inputs, [&](const auto& input) { return input.name == name; });
    EXPECT_NE(it, set.inputs.end()) << name.str();
    inputs.push_back(std::move(it->tensor));
    if (cast<RankedTensorType>(main.getArgument(i).getType()).getRank() == 0) {
      inputs.back().sizes.clear();  // a data set holds a scalar as [1]
    }
  }
  return inputs;
}

TEST_P(RaisedModels, GivesTheSameOutputs) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  fs::path folder = SharedModel(GetParam());
  // Half precision rounds by itself; models without attention are the import's business.
  bool exact = !StringRef(GetParam()).contains("fp16");
  auto module = importAndRaise(context, GetParam());
  ASSERT_TRUE(module);
  if (!exact || count<nn::AttentionOp>(*module) == 0) {
    return;
  }
  auto main = module->lookupSymbol<func::FuncOp>("main");
  for (const std::string& path : reference::testSetsOf(folder.string())) {
    if (::sluice::test::IsKnownToFail(path)) {
      continue;
    }
    auto set = reference::loadTestSet(context, path);
    ASSERT_TRUE(set.ok()) << set.status();
    reference::Evaluator evaluator(*module, {.modelDir = folder.string()});
    auto outputs = evaluator.run(inputsOf(main, *set));
    ASSERT_TRUE(succeeded(outputs)) << path;
    for (auto [i, output] : llvm::enumerate(*outputs)) {
      auto name = main.getResultAttrOfType<StringAttr>(i, nn::kNameAttr).getValue();
      auto want = llvm::find_if(set->outputs, [&](const auto& o) { return o.name == name; });
      ASSERT_NE(want, set->outputs.end()) << name.str();
      auto difference = reference::compare(output, want->tensor, 1e-3, 1e-4);
      EXPECT_TRUE(difference.ok) << path << " " << name.str() << ": max abs " << difference.maxAbs << difference.why;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, RaisedModels, testing::ValuesIn(SharedModelNames({"", "shapes"})),
                         [](const auto& info) { return ModelTestName(info.param); });

// One model by six exporters.
TEST(RaisedSpellings, HaveTheSameCounts) {
  const char* spellings[] = {"dynamo", "dynamo-opset23", "optimum", "genai-fp32", "genai-fp32-unfused", "genai-fp16"};
  for (const char* spelling : spellings) {
    std::string name = std::string("llama-tiny-") + spelling;
    ASSERT_TRUE(IsThere(SharedModel(name)));
    MLIRContext context(MLIRContext::Threading::DISABLED);
    auto module = importAndRaise(context, name);
    ASSERT_TRUE(module) << name;
    EXPECT_EQ(count<nn::AttentionOp>(*module), 3) << name;
    EXPECT_EQ(count<nn::RmsNormOp>(*module), 7) << name;
    EXPECT_EQ(count<nn::RopeOp>(*module), 6) << name;
    module->walk([&](nn::AttentionOp op) {
      EXPECT_EQ(op.getPattern(), nn::PatternAttr::get(&context, true, 0)) << name;
      EXPECT_EQ(op.getScale().convertToDouble(), 0.25) << name;
      EXPECT_TRUE(op.getKeyMask() || op.getLengths()) << name;
      EXPECT_EQ(cast<RankedTensorType>(op.getK().getType()).getDimSize(1), 2) << name;
    });
  }
}

}  // namespace
}  // namespace mlir::sluice::raise
