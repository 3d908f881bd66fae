// ImportOptions::int8_activations: a product whose accuracy_level allows int8 computes with activations rounded per
// block.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "compiler/onnx/Import.h"
#include "compiler/reference/Evaluator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mlir::onnx_import {
namespace {

using sluice::reference::RefTensor;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::Not;

// y = a · wᵀ with K = 24 in blocks of 16: the second is half full.
constexpr int kRows = 2, kK = 24, kN = 2, kBlock = 16, kBlocks = 2;
constexpr double kScales[kN][kBlocks] = {{0.5, 0.25}, {1, 0.125}};

int Nibble(int n, int k) { return (5 * n + 7 * k + 3) % 16; }
double Weight(int n, int k) { return (Nibble(n, k) - 8) * kScales[n][k / kBlock]; }
// Magnitudes differ from block to block, so that a scale of the whole row would round differently; one block is zeros.
double Activation(int row, int k) {
  return row == 1 && k >= kBlock ? 0 : std::sin(k + 3.0 * row) * (k < kBlock ? 1 : 40);
}

// The block's largest magnitude becomes 127.
double Rounded(int row, int k) {
  double largest = 0;
  for (int i = k / kBlock * kBlock; i < std::min(kK, (k / kBlock + 1) * kBlock); ++i) {
    largest = std::max(largest, std::fabs(Activation(row, i)));
  }
  const double scale = largest / 127;
  return largest == 0 ? 0 : std::nearbyint(Activation(row, k) / scale) * scale;
}

std::vector<double> Product(double (*activation)(int row, int k)) {
  std::vector<double> y;
  for (int row = 0; row < kRows; ++row) {
    for (int n = 0; n < kN; ++n) {
      y.push_back(0);
      for (int k = 0; k < kK; ++k) {
        y.back() += activation(row, k) * Weight(n, k);
      }
    }
  }
  return y;
}

// The graph in ONNX's text form; two nibbles a byte, low one first, what lies behind K is 0.
std::string Model(int accuracy_level) {
  std::string bytes;
  for (int n = 0; n < kN; ++n) {
    for (int k = 0; k < kBlocks * kBlock; k += 2) {
      const int byte = k < kK ? Nibble(n, k) + 16 * Nibble(n, k + 1) : 0;
      bytes += (bytes.empty() ? "" : ", ") + std::to_string(byte);
    }
  }
  return R"(<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
    g (float[rows, 24] x) => (float[rows, 2] y)
    <uint8[2, 2, 8] q = {)" +
         bytes + R"(}, float[4] s = {0.5, 0.25, 1, 0.125}> {
      y = com.microsoft.MatMulNBits <K = 24, N = 2, bits = 4, block_size = 16, accuracy_level = )" +
         std::to_string(accuracy_level) + "> (x, q, s)\n}";
}

std::vector<double> Evaluate(int accuracy_level, bool int8_activations) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  const auto path = std::filesystem::temp_directory_path() / ("int8_" + std::to_string(getpid()) + ".onnxtxt");
  std::ofstream(path) << Model(accuracy_level);
  auto module = importOnnx(context, {.path = path.string(), .int8_activations = int8_activations});
  std::filesystem::remove(path);
  if (!module) {
    return {};
  }
  RefTensor x = RefTensor::make(Float32Type::get(&context), {kRows, kK});
  for (int i = 0; i < kRows * kK; ++i) {
    x.f[i] = Activation(i / kK, i % kK);
  }
  sluice::reference::Evaluator evaluator(*module, {});
  auto outputs = evaluator.run({x});
  return succeeded(outputs) ? outputs->front().f : std::vector<double>();
}

auto Near(const std::vector<double>& y) {
  return ElementsAre(DoubleNear(y[0], 1e-4), DoubleNear(y[1], 1e-4), DoubleNear(y[2], 1e-4), DoubleNear(y[3], 1e-4));
}

TEST(Int8Activations, RoundWhereTheGraphAllowsIt) {
  EXPECT_THAT(Evaluate(4, true), Near(Product(Rounded)));
  EXPECT_THAT(Evaluate(4, true), Not(Near(Product(Activation))));
}

TEST(Int8Activations, AreOffByDefault) { EXPECT_THAT(Evaluate(4, false), Near(Product(Activation))); }

// 0: nothing is said, 1: f32 at least.
TEST(Int8Activations, StayAsTheyAreWhereTheGraphAsksForMore) {
  EXPECT_THAT(Evaluate(0, true), Near(Product(Activation)));
  EXPECT_THAT(Evaluate(1, true), Near(Product(Activation)));
}

}  // namespace
}  // namespace mlir::onnx_import
