// Sizes that meet in a broadcast: proven equal, expressed by each other, or broadcast at run time under an assumption.
#include <filesystem>
#include <fstream>

#include "compiler/onnx/Import.h"
#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mlir::onnx_import {
namespace {

using sluice::reference::Evaluator;
using sluice::reference::RefTensor;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Broadcast : public testing::Test {
 protected:
  Broadcast() : context_(MLIRContext::Threading::DISABLED) {}

  // Imports a graph in ONNX's text form, from its inputs on.
  bool import(const std::string& graph) {
    ScopedDiagnosticHandler handler(&context_, [&](Diagnostic& diagnostic) { error_ = diagnostic.str(); });
    auto path = std::filesystem::temp_directory_path() / ("broadcast_" + std::to_string(getpid()) + ".onnxtxt");
    std::ofstream(path) << "<ir_version: 9, opset_import: [\"\": 20]>\ng " << graph;
    module_ = importOnnx(context_, {.path = path.string()});
    std::filesystem::remove(path);
    main_ = module_ ? module_->lookupSymbol<func::FuncOp>("main") : func::FuncOp();
    return static_cast<bool>(module_);
  }
  const std::string& error() const { return error_; }

  std::vector<std::string> dims(unsigned argument) { return texts(main_.getArgAttr(argument, nn::kDimsAttr)); }
  std::vector<std::string> assumptions() { return texts(main_->getAttr(nn::kAssumeAttr)); }

  RefTensor floats(std::vector<int64_t> sizes, std::vector<double> values) {
    RefTensor tensor = RefTensor::make(Float32Type::get(&context_), std::move(sizes));
    tensor.f = std::move(values);
    return tensor;
  }
  std::vector<double> run(std::vector<RefTensor> inputs) {
    Evaluator evaluator(*module_, {});
    auto outputs = evaluator.run(std::move(inputs));
    return succeeded(outputs) ? outputs->front().f : std::vector<double>();
  }

 private:
  static std::vector<std::string> texts(Attribute attribute) {
    std::vector<std::string> result;
    if (auto array = dyn_cast_or_null<ArrayAttr>(attribute)) {
      for (StringAttr text : array.getAsRange<StringAttr>()) {
        result.push_back(text.str());
      }
    }
    return result;
  }

  MLIRContext context_;
  OwningOpRef<ModuleOp> module_;
  func::FuncOp main_;
  std::string error_;
};

TEST_F(Broadcast, OfTwoNamesIsOneSize) {
  ASSERT_TRUE(import("(float[n] x, float[m] y) => (float[k] z) { z = Add(x, y) }"));
  EXPECT_EQ(dims(0), dims(1));
  EXPECT_THAT(assumptions(), IsEmpty());
}

TEST_F(Broadcast, OfANameWithASumNamesTheSum) {
  ASSERT_TRUE(import(R"((float[past] cache, float[seq] now, float[total] mask) => (float[k] z) {
    all = Concat<axis = 0>(cache, now)
    z = Add(all, mask)
  })"));
  EXPECT_THAT(dims(2), ElementsAre("past + seq"));
  EXPECT_THAT(assumptions(), IsEmpty());
}

// [seq] and [past + seq] are equal in a prompt and broadcast in a decode step.
TEST_F(Broadcast, ThatWouldForbidAPastHappensAtRunTime) {
  ASSERT_TRUE(import(R"((float[past] cache, float[seq] now) => (float[k] z) {
    all = Concat<axis = 0>(cache, now)
    z = Add(all, now)
  })"));
  EXPECT_THAT(dims(0), ElementsAre("past"));
  EXPECT_THAT(assumptions(), ElementsAre("past * seq == past"));
  EXPECT_THAT(run({floats({0}, {}), floats({3}, {1, 2, 3})}), ElementsAre(2, 4, 6));
  EXPECT_THAT(run({floats({2}, {1, 2}), floats({1}, {10})}), ElementsAre(11, 12, 20));
}

// n = m is a guess that the squeeze disproves: it leaves m no other value but 1.
TEST_F(Broadcast, OfADimensionThatMustBeOneIsNoEquality) {
  ASSERT_TRUE(import(R"((float[n] x, float[m] y) => (float[k] z, float s) <int64[1] axes = {0}> {
    z = Add(x, y)
    s = Squeeze(y, axes)
  })"));
  EXPECT_THAT(run({floats({3}, {1, 2, 3}), floats({1}, {10})}), ElementsAre(11, 12, 13));
}

TEST_F(Broadcast, OfDifferentNumbersIsAnError) {
  EXPECT_FALSE(import("(float[2] x, float[3] y) => (float[k] z) { z = Add(x, y) }"));
  EXPECT_THAT(error(), HasSubstr("2 and 3"));
}

}  // namespace
}  // namespace mlir::onnx_import
