// Experts of every activation, gated or not, with and without biases, their product written in several orders: each is
// raised, and gives what it gave before.
#include <filesystem>
#include <fstream>
#include <random>

#include "compiler/reference/Evaluator.h"
#include "compiler/reference/TestData.h"
#include "dialects/nn/NNDialect.h"
#include "gtest/gtest.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {
namespace {

struct ExpertForm {
  const char* name;
  const char* activation;  // "" when the expert must stay as it is
  bool biased;
  const char* hidden;  // %h [10, 3] from %a (gate) and %b (up)
};

void PrintTo(const ExpertForm& form, std::ostream* os) { *os << form.name; }

const ExpertForm kForms[] = {
    {"silu_gated", "silu", false, R"(
      %h0 = arith.mulf %a, %sigmoid : tensor<10x3xf32>
      %h = arith.mulf %h0, %b : tensor<10x3xf32>)"},
    {"silu_up_first", "silu", true, R"(
      %h0 = arith.mulf %b, %a : tensor<10x3xf32>
      %h = arith.mulf %sigmoid, %h0 : tensor<10x3xf32>)"},
    {"silu_by_division", "silu", false, R"(
      %h0 = arith.mulf %b, %a : tensor<10x3xf32>
      %h = arith.divf %h0, %grown : tensor<10x3xf32>)"},
    {"silu_plain", "silu", true, R"(
      %h = arith.mulf %a, %sigmoid : tensor<10x3xf32>)"},
    {"gelu", "gelu", false, R"(
      %c = arith.constant dense<0.70710678> : tensor<10x3xf32>
      %e0 = arith.mulf %a, %c : tensor<10x3xf32>
      %e1 = math.erf %e0 : tensor<10x3xf32>
      %e2 = arith.addf %e1, %one : tensor<10x3xf32>
      %e3 = arith.mulf %e2, %half : tensor<10x3xf32>
      %h = arith.mulf %e3, %a : tensor<10x3xf32>)"},
    {"gelu_tanh", "gelu_tanh", true, R"(
      %c = arith.constant dense<0.044715> : tensor<10x3xf32>
      %r = arith.constant dense<0.79788456> : tensor<10x3xf32>
      %e0 = arith.mulf %a, %a : tensor<10x3xf32>
      %e1 = arith.mulf %e0, %a : tensor<10x3xf32>
      %e2 = arith.mulf %e1, %c : tensor<10x3xf32>
      %e3 = arith.addf %a, %e2 : tensor<10x3xf32>
      %e4 = arith.mulf %e3, %r : tensor<10x3xf32>
      %e5 = math.tanh %e4 : tensor<10x3xf32>
      %e6 = arith.addf %e5, %one : tensor<10x3xf32>
      %e7 = arith.mulf %a, %half : tensor<10x3xf32>
      %e8 = arith.mulf %e7, %e6 : tensor<10x3xf32>
      %h = arith.mulf %b, %e8 : tensor<10x3xf32>)"},
    {"relu_gated", "relu", false, R"(
      %e = arith.maximumf %a, %zero : tensor<10x3xf32>
      %h = arith.mulf %b, %e : tensor<10x3xf32>)"},
    // Twice the silu, the sigmoid of another product, a square: none of nn.moe's.
    {"scaled", "", false, R"(
      %e = arith.mulf %a, %sigmoid : tensor<10x3xf32>
      %h = arith.divf %e, %half : tensor<10x3xf32>)"},
    {"sigmoid_of_up", "", false, R"(
      %h0 = arith.mulf %b, %sigmoid : tensor<10x3xf32>
      %h = arith.mulf %h0, %b : tensor<10x3xf32>)"},
    {"relu_squared", "", false, R"(
      %e = arith.maximumf %a, %zero : tensor<10x3xf32>
      %h = arith.mulf %e, %e : tensor<10x3xf32>)"},
};

// Five tokens, each through two of four experts; all matrices are gathered for the ten pairs.
std::string graphOf(const ExpertForm& form) {
  auto sum = [&](const char* product, const char* bias, const char* width) {
    std::string type = std::string("tensor<10x") + width + "xf32>";
    std::string stack = std::string("(tensor<4x") + width + "xf32>, tensor<10xi64>) -> " + type;
    std::string text;
    llvm::raw_string_ostream os(text);
    if (form.biased) {
      os << "%" << bias << "p = nn.gather %" << bias << "bias, %pairs axis 0 : " << stack << "\n%" << bias
         << " = arith.addf %" << product << ", %" << bias << "p : " << type << "\n";
    } else {
      os << "%" << bias << " = nn.reshape %" << product << " [\"10\", \"" << width << "\"] : (" << type << ") -> "
         << type << "\n";
    }
    return text;
  };
  return R"(
  module attributes {nn.files = ["moe_experts.bin"]} {
    func.func @main(%x: tensor<5x8xf32>, %scores: tensor<5x4xf32>) -> tensor<5x8xf32> {
      %weights, %i = nn.top_k %scores axis 1 k "2" largest true sorted true : (tensor<5x4xf32>) -> (tensor<5x2xf32>, tensor<5x2xi64>)
      %gate = nn.weight "gate" file 0 offset 0 length 384 : tensor<4x3x8xf32>
      %up = nn.weight "up" file 0 offset 384 length 384 : tensor<4x8x3xf32>
      %down = nn.weight "down" file 0 offset 768 length 384 : tensor<4x8x3xf32>
      %abias = nn.weight "gate_bias" file 0 offset 1152 length 48 : tensor<4x3xf32>
      %bbias = nn.weight "up_bias" file 0 offset 1200 length 48 : tensor<4x3xf32>
      %obias = nn.weight "down_bias" file 0 offset 1248 length 128 : tensor<4x8xf32>
      %zero = arith.constant dense<0.0> : tensor<10x3xf32>
      %half = arith.constant dense<0.5> : tensor<10x3xf32>
      %one = arith.constant dense<1.0> : tensor<10x3xf32>
      %nothing = arith.constant dense<0.0> : tensor<5x8xf32>
      %pairs = nn.reshape %i ["10"] : (tensor<5x2xi64>) -> tensor<10xi64>
      %ex = tensor.empty() : tensor<5x2x8xf32>
      %xx = linalg.broadcast ins(%x : tensor<5x8xf32>) outs(%ex : tensor<5x2x8xf32>) dimensions = [1]
      %column = nn.reshape %xx ["10", "8", "1"] : (tensor<5x2x8xf32>) -> tensor<10x8x1xf32>
      %row = nn.reshape %xx ["10", "1", "8"] : (tensor<5x2x8xf32>) -> tensor<10x1x8xf32>
      %gates = nn.gather %gate, %pairs axis 0 : (tensor<4x3x8xf32>, tensor<10xi64>) -> tensor<10x3x8xf32>
      %ups = nn.gather %up, %pairs axis 0 : (tensor<4x8x3xf32>, tensor<10xi64>) -> tensor<10x8x3xf32>
      %downs = nn.gather %down, %pairs axis 0 : (tensor<4x8x3xf32>, tensor<10xi64>) -> tensor<10x8x3xf32>
      %a0 = nn.matmul %gates, %column : (tensor<10x3x8xf32>, tensor<10x8x1xf32>) -> tensor<10x3x1xf32>
      %b0 = nn.matmul %row, %ups : (tensor<10x1x8xf32>, tensor<10x8x3xf32>) -> tensor<10x1x3xf32>
      %a1 = nn.reshape %a0 ["10", "3"] : (tensor<10x3x1xf32>) -> tensor<10x3xf32>
      %b1 = nn.reshape %b0 ["10", "3"] : (tensor<10x1x3xf32>) -> tensor<10x3xf32>
    )" + sum("a1", "a", "3") +
         sum("b1", "b", "3") + R"(
      %s0 = arith.negf %a : tensor<10x3xf32>
      %s1 = math.exp %s0 : tensor<10x3xf32>
      %grown = arith.addf %s1, %one : tensor<10x3xf32>
      %sigmoid = arith.divf %one, %grown : tensor<10x3xf32>
    )" + form.hidden +
         R"(
      %hidden = nn.reshape %h ["10", "3", "1"] : (tensor<10x3xf32>) -> tensor<10x3x1xf32>
      %o0 = nn.matmul %downs, %hidden : (tensor<10x8x3xf32>, tensor<10x3x1xf32>) -> tensor<10x8x1xf32>
      %o1 = nn.reshape %o0 ["10", "8"] : (tensor<10x8x1xf32>) -> tensor<10x8xf32>
    )" + sum("o1", "o", "8") +
         R"(
      %scale = nn.reshape %weights ["10"] : (tensor<5x2xf32>) -> tensor<10xf32>
      %es = tensor.empty() : tensor<10x8xf32>
      %scales = linalg.broadcast ins(%scale : tensor<10xf32>) outs(%es : tensor<10x8xf32>) dimensions = [1]
      %scaled = arith.mulf %scales, %o : tensor<10x8xf32>
      %summands = nn.reshape %scaled ["5", "2", "8"] : (tensor<10x8xf32>) -> tensor<5x2x8xf32>
      %y = linalg.reduce { arith.addf } ins(%summands : tensor<5x2x8xf32>) outs(%nothing : tensor<5x8xf32>) dimensions = [1]
      return %y : tensor<5x8xf32>
    }
  })";
}

reference::RefTensor randomTensor(Type element, std::vector<int64_t> sizes, std::mt19937& random) {
  reference::RefTensor tensor = reference::RefTensor::make(element, std::move(sizes));
  std::normal_distribution<double> normal;
  for (double& x : tensor.f) {
    x = static_cast<float>(normal(random));
  }
  return tensor;
}

class MoeExperts : public testing::TestWithParam<ExpertForm> {};

TEST_P(MoeExperts, RaisedOrLeftAsTheyAre) {
  const ExpertForm& form = GetParam();
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect, tensor::TensorDialect,
                      linalg::LinalgDialect>();
  auto module = parseSourceString<ModuleOp>(graphOf(form), &context);
  ASSERT_TRUE(module);
  std::mt19937 random(7);
  Type f32 = Float32Type::get(&context);
  std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / ("moe_" + std::string(form.name));
  std::filesystem::create_directories(folder);
  std::vector<char> bytes = reference::toBytes(randomTensor(f32, {1376 / 4}, random));
  std::ofstream(folder / "moe_experts.bin", std::ios::binary).write(bytes.data(), bytes.size());
  std::vector<reference::RefTensor> inputs = {randomTensor(f32, {5, 8}, random), randomTensor(f32, {5, 4}, random)};

  auto before = reference::Evaluator(*module, {.modelDir = folder.string()}).run(inputs);
  ASSERT_TRUE(succeeded(before));
  PassManager passes(&context);
  passes.addPass(createRaiseMoePass());
  passes.addPass(createCanonicalizerPass());
  ASSERT_TRUE(succeeded(passes.run(*module)));
  auto after = reference::Evaluator(*module, {.modelDir = folder.string()}).run(inputs);
  ASSERT_TRUE(succeeded(after));
  auto difference = reference::compare((*after)[0], (*before)[0], 1e-5, 1e-5);
  EXPECT_TRUE(difference.ok) << difference.maxAbs;

  std::string activation;
  module->walk([&](nn::MoeOp op) {
    activation = op.getActivation().str();
    EXPECT_EQ(op.getGateBias() != nullptr, form.biased);
    EXPECT_EQ(op.getDownBias() != nullptr, form.biased);
  });
  EXPECT_EQ(activation, form.activation);
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Forms, MoeExperts, testing::ValuesIn(kForms),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace mlir::sluice::raise
