// Raises the mixture-of-experts models of ../shared/models: one nn.moe a layer, whatever the spelling, nothing of the
// unrolled rows left, and each stack of matrices a weight expression.  Answers: RaisedModels.GivesTheSameOutputs.
#include <filesystem>

#include "compiler/onnx/Import.h"
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/WeightExpr.h"
#include "gtest/gtest.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/raise/Passes.h"
#include "test/support/shared.h"

namespace mlir::sluice::raise {
namespace {

struct MoeModel {
  const char* name;
  int64_t layers, experts, linears;  // `linears`: of attention, routers, dense and shared experts, the head
};

void PrintTo(const MoeModel& model, std::ostream* os) { *os << model.name; }

class RaisedMoe : public testing::TestWithParam<MoeModel> {};

TEST_P(RaisedMoe, OneOpALayer) {
  const MoeModel& model = GetParam();
  const std::filesystem::path path = ::sluice::test::SharedModel(model.name) / "model.onnx";
  ASSERT_TRUE(::sluice::test::IsThere(path));
  MLIRContext context(MLIRContext::Threading::DISABLED);
  auto module = onnx_import::importOnnx(context, {.path = path.string(), .strip_weights = true});
  ASSERT_TRUE(module);
  PassManager passes(&context);
  buildRaisePipeline(passes);
  ASSERT_TRUE(succeeded(passes.run(*module)));

  int64_t layers = 0, linears = 0;
  module->walk([&](nn::MoeOp op) {
    ++layers;
    EXPECT_EQ(op.getActivation(), "silu");
    ASSERT_TRUE(op.getUp());
    for (Value matrices : {Value(op.getGate()), Value(op.getUp()), Value(op.getDown())}) {
      EXPECT_TRUE(nn::isWeightExpr(matrices));
      EXPECT_EQ(cast<RankedTensorType>(matrices.getType()).getDimSize(0), model.experts);
    }
    EXPECT_TRUE(op.getIndices().getDefiningOp<nn::TopKOp>());
    EXPECT_FALSE(op.getGateBias() || op.getUpBias() || op.getDownBias());
  });
  module->walk([&](nn::LinearOp) { ++linears; });
  module->walk([](nn::NonzeroOp op) { ADD_FAILURE() << "rows of an expert are left"; });
  EXPECT_EQ(layers, model.layers);
  EXPECT_EQ(linears, model.linears);
}

// 4 linears of attention (6 of latent attention, whose key's latent and rotated parts come packed), 1 router, 3 of a
// shared or dense expert; 1 head.
INSTANTIATE_TEST_SUITE_P(Shared, RaisedMoe,
                         testing::Values(MoeModel{"mixtral-tiny-dynamo", 2, 4, 2 * (4 + 1) + 1},
                                         MoeModel{"qwen3-moe-tiny-dynamo", 2, 6, 2 * (4 + 1) + 1},
                                         MoeModel{"qwen3-moe-tiny-optimum", 2, 6, 2 * (4 + 1) + 1},
                                         MoeModel{"olmoe-tiny-dynamo", 2, 4, 2 * (4 + 1) + 1},
                                         MoeModel{"deepseek-v3-tiny-dynamo-nopast", 2, 8, 3 * (6 + 3) + 2 + 1},
                                         MoeModel{"deepseek-v3-tiny-optimum", 2, 8, 3 * (6 + 3) + 2 + 1}),
                         [](const auto& info) { return ::sluice::test::ModelTestName(info.param.name); });

}  // namespace
}  // namespace mlir::sluice::raise
