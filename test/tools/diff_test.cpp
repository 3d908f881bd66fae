// sluice-diff names the node of a planted wrong kernel, and no other.
#include "tools/sluice-diff/diff.h"

#include "gmock/gmock.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "test/support/shared.h"
#include "test/tools/onnx_files.h"
#include "test/tools/tool_fixture.h"

namespace sluice::diff {
namespace {

using testing::HasSubstr;

// MatMul → Softmax → MatMul → Tanh → MatMul: an error in one place reaches everything behind it.
constexpr const char* kGraph = R"(g (float[n, 8] x) => (float[n, 8] y) {
  a = MatMul(x, w0)
  s = Softmax(a)
  b = MatMul(s, w1)
  t = Tanh(b)
  y = MatMul(t, w2)
})";

class Diffs : public test::ToolFixture {
 protected:
  Diffs() {
    onnx::ModelProto model = test::OnnxModel(kGraph);
    for (int w = 0; w < 3; ++w) {
      std::vector<float> values(64);
      for (int i = 0; i < 64; ++i) {
        values[i] = static_cast<float>((i * 37 + w * 11) % 17 - 8) / 8;
      }
      test::AddWeight(model, "w" + std::to_string(w), {8, 8}, values);
    }
    WriteText("model.onnx", model.SerializeAsString());
    options_.model = Path("model.onnx");
    options_.threads = 1;
  }

  DiffOptions options_;
};

// The kernel, whose first result is then off by 1 in 1000.
template <const char* kName>
const kernels::CpuKernel* OffByAThousandth() {
  static const kernels::CpuKernel* real = kernels::FindCpuKernel(kName);
  static kernels::CpuKernel wrong = *real;
  wrong.run = [](const kernels::LaunchArgs& args) {
    const absl::Status status = real->run(args);
    float* out = args.outs[0].as<float>();
    for (int64_t i = 0; i < args.outs[0].elements(); ++i) {
      out[i] *= 1.001f;
    }
    return status;
  };
  return &wrong;
}
constexpr char kSoftmax[] = "softmax";
constexpr char kLinear[] = "linear";

TEST_F(Diffs, FindsNothingInARightModel) {
  const absl::StatusOr<DiffReport> report = Diff(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok());
  EXPECT_TRUE(report->rows.empty());
  EXPECT_EQ(report->compared, 5);
  EXPECT_EQ(report->unmatched, 0);
  ASSERT_EQ(report->outputs.size(), 1u);
  EXPECT_EQ(report->outputs[0].name, "y");
}

TEST_F(Diffs, NamesTheNodeOfAWrongKernelAndNoOther) {
  options_.find_kernel = [](const std::string& name) {
    return name == kSoftmax ? OffByAThousandth<kSoftmax>() : kernels::FindCpuKernel(name);
  };
  const absl::StatusOr<DiffReport> report = Diff(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->ok());
  ASSERT_EQ(report->rows.size(), 1u);
  const Row& row = report->rows[0];
  EXPECT_EQ(row.node, "Softmax_0");
  EXPECT_EQ(row.kernel, "softmax");
  EXPECT_EQ(row.sizes, (std::vector<int64_t>{3, 8}));
  EXPECT_NEAR(row.deviation.max_rel, 1e-3, 1e-4);
  EXPECT_GT(row.deviation.times_bound, 1);
}

TEST_F(Diffs, ListsEveryNodeOfAWrongKernelInTheirOrder) {
  options_.find_kernel = [](const std::string& name) {
    return name == kLinear ? OffByAThousandth<kLinear>() : kernels::FindCpuKernel(name);
  };
  const absl::StatusOr<DiffReport> report = Diff(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  std::vector<std::string> nodes;
  for (const Row& row : report->rows) {
    nodes.push_back(row.node);
  }
  EXPECT_THAT(nodes, testing::ElementsAre("MatMul_0", "MatMul_1", "MatMul_2"));
}

// Linears of one input are one launch; its parts are told apart.  (Smaller weights would be constants.)
TEST_F(Diffs, NamesThePartOfAMergedKernel) {
  onnx::ModelProto model = test::OnnxModel(R"(g (float[n, 8] x) => (float[n, 48] y) {
    a = MatMul(x, w0)
    b = MatMul(x, w1)
    t = Tanh(a)
    y = Mul(t, b)
  })");
  for (const char* name : {"w0", "w1"}) {
    std::vector<float> values(384);
    for (int i = 0; i < 384; ++i) {
      values[i] = static_cast<float>((i * 29 + name[1]) % 19 - 9) / 8;
    }
    test::AddWeight(model, name, {8, 48}, values);
  }
  WriteText("model.onnx", model.SerializeAsString());
  static const kernels::CpuKernel* real = kernels::FindCpuKernel(kLinear);
  static kernels::CpuKernel wrong = *real;
  wrong.run = [](const kernels::LaunchArgs& args) {
    const absl::Status status = real->run(args);
    const kernels::Tensor& out = args.outs[0];
    for (int64_t row = 0; row < out.sizes[0]; ++row) {
      for (int64_t column = 48; column < out.sizes[1]; ++column) {
        out.as<float>()[row * out.strides[0] + column] += 1;
      }
    }
    return status;
  };
  options_.find_kernel = [](const std::string& name) {
    return name == kLinear ? &wrong : kernels::FindCpuKernel(name);
  };
  const absl::StatusOr<DiffReport> report = Diff(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->unmatched, 0);
  ASSERT_EQ(report->rows.size(), 1u);
  EXPECT_EQ(report->rows[0].node, "MatMul_1");
  EXPECT_EQ(report->rows[0].sizes, (std::vector<int64_t>{3, 48}));
}

TEST_F(Diffs, TheUsersBoundCounts) {
  options_.find_kernel = [](const std::string& name) {
    return name == kSoftmax ? OffByAThousandth<kSoftmax>() : kernels::FindCpuKernel(name);
  };
  options_.bound = {.rtol = 1e-2, .atol = 1e-6};
  const absl::StatusOr<DiffReport> report = Diff(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok());
}

TEST_F(Diffs, AWrongPhaseIsToldFromAWrongKernel) {
  options_.after_raise = [](mlir::ModuleOp module) {
    module.walk([](mlir::math::TanhOp tanh) {
      mlir::OpBuilder builder(tanh);
      tanh.replaceAllUsesWith(mlir::math::SinOp::create(builder, tanh.getLoc(), tanh.getOperand()).getResult());
      tanh.erase();
    });
  };
  const absl::StatusOr<DiffReport> report = Diff(options_);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows.size(), 1u);  // the kernels compute the changed graph well
  EXPECT_EQ(report->rows[0].stage, "raise");
  EXPECT_EQ(report->rows[0].node, "MatMul_2");  // the first unchanged op behind the change
  ASSERT_EQ(report->outputs.size(), 2u);
  EXPECT_EQ(report->outputs[0].against, "the graph as imported");
  EXPECT_FALSE(report->outputs[0].deviation.ok());
  EXPECT_TRUE(report->outputs[1].deviation.ok());
}

TEST_F(Diffs, TheToolMarksTheFirstAndExitsWith3) {
  test::Outcome run = Run("sluice-diff", "model.onnx -q");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("5 values compared, 0 copies, 0 launches without a value of the reference; 0 nodes"));
  run = Run("sluice-diff", "model.onnx -q --rtol 0 --atol 0");
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.out, HasSubstr("\n-> kernel MatMul_0 "));
  EXPECT_THAT(run.out, HasSubstr("sluice-diff: error: MatMul_0: the first node whose value differs"));
  run = Run("sluice-diff", "model.onnx --json --dims n=2 --rtol 0 --atol 0");
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.out, HasSubstr(R"("ok":false,)"));
  EXPECT_THAT(run.out, HasSubstr(R"("first":"MatMul_0","rows":[{"stage":"kernel","node":"MatMul_0",)"));
  EXPECT_THAT(run.out, HasSubstr(R"("kernel":"linear","dtype":"f32","sizes":[2,8],)"));
  run = Run("sluice-diff", "model.onnx --dims rows=2");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("'rows' is no size of the model's inputs (they are n)"));
  EXPECT_EQ(Run("sluice-diff", "model.onnx --target tpu").code, 2);
  EXPECT_EQ(Run("sluice-diff", "nothing.onnx").code, 1);
}

// y = x · w in bf16, which has 8 digits: x = 1 + 2^-9 is rounded to 1, the rest is exact.
class Tolerances : public test::ToolFixture {
 protected:
  Tolerances() {
    WriteModel("model.onnx", 1);
    WriteSet(1 + 0x1p-9F);
    options_.model = Path("model.onnx");
    options_.dtype = "bf16";
    options_.test_data = Path("set");
  }
  void WriteModel(const std::string& name, float weight) {
    onnx::ModelProto model = test::OnnxModel("g (float[n, 8] x) => (float[n, 8] y) { y = MatMul(x, w) }");
    std::vector<float> values(64);
    for (int i = 0; i < 8; ++i) {
      values[i * 9] = weight;
    }
    test::AddWeight(model, "w", {8, 8}, values);
    WriteText(name, model.SerializeAsString());
  }
  void WriteSet(float expected) {
    std::filesystem::create_directories(dir_ / "set");
    for (const auto& [file, name, value] :
         {std::tuple{"set/input_0.pb", "x", 1 + 0x1p-9F}, {"set/output_0.pb", "y", expected}}) {
      onnx::ModelProto holder;
      test::AddWeight(holder, name, {1, 8}, std::vector<float>(8, value));
      WriteText(file, holder.graph().initializer(0).SerializeAsString());
    }
  }
  DiffOptions options_;
};

TEST_F(Tolerances, AreTwiceTheErrorOfTheReferenceThatRounds) {
  const absl::StatusOr<tools::OutputTolerances> tolerances = MeasureRounding(options_);
  ASSERT_TRUE(tolerances.ok()) << tolerances.status();
  EXPECT_THAT(*tolerances, testing::ElementsAre(testing::Pair("y", testing::DoubleEq(2 * 0x1p-9))));
}

TEST_F(Tolerances, HaveWhatTheTestDataThemselvesAreOff) {
  WriteSet(1 + 0x1p-9F + 0x1p-15F);
  const absl::StatusOr<tools::OutputTolerances> tolerances = MeasureRounding(options_);
  ASSERT_TRUE(tolerances.ok()) << tolerances.status();
  EXPECT_DOUBLE_EQ(tolerances->at("y"), 2 * 0x1p-9 + 0x1p-15);
}

TEST_F(Tolerances, AreNoneOfTestDataThatTheReferenceContradicts) {
  WriteSet(1.01F);
  EXPECT_THAT(MeasureRounding(options_).status().message(), HasSubstr("output 'y' is not what the reference gives"));
}

TEST_F(Tolerances, PassARightArtifactAndNoWrongOne) {
  ASSERT_EQ(Run("sluice-diff", "model.onnx --dtype bf16 --test-data set --tolerances bounds").code, 0);
  WriteModel("wrong.onnx", 1.0078125F);  // one unit in the last place of bf16, 2^-7
  for (const auto& [name, code] : {std::pair{"model", 0}, {"wrong", 3}}) {
    ASSERT_EQ(Run("sluice-compile", std::string(name) + ".onnx --dtype bf16 -q -o m.sluice").code, 0);
    EXPECT_EQ(Run("sluice-run", "m.sluice --test-data set --tolerances bounds").code, code);
  }
  WriteText("bounds", "0.5 z\n");
  EXPECT_THAT(Run("sluice-run", "m.sluice --test-data set --tolerances bounds").out,
              HasSubstr("bounds: has no line for output 'y'"));
  WriteText("bounds", "y 0.5\n");
  EXPECT_THAT(Run("sluice-run", "m.sluice --test-data set --tolerances bounds").out,
              HasSubstr("bounds: 'y 0.5': is not a tolerance and the name of an output"));
  EXPECT_EQ(Run("sluice-run", "m.sluice --test-data set --tolerances bounds --rtol 1").code, 2);
  EXPECT_EQ(Run("sluice-diff", "model.onnx --tolerances bounds").code, 2);
}

// An activation of this data set is beside a tie of its quantizer: where the caches change by a millionth, and on a
// GPU, it is the next code and the logits are 0.0354 away.
TEST(QuantizedActivations, MayTakeTheNextCode) {
  const std::filesystem::path folder = test::SharedModel("llama-tiny-genai-int4-asym");
  ASSERT_TRUE(test::IsThere(folder));
  const absl::StatusOr<tools::OutputTolerances> tolerances =
      MeasureRounding({.model = (folder / "model.onnx").string(),
                       .int8_activations = true,
                       .test_data = (folder / "test_data_set_1").string()});
  ASSERT_TRUE(tolerances.ok()) << tolerances.status();
  EXPECT_GT(tolerances->at("logits"), 0.0354);
  EXPECT_LT(tolerances->at("logits"), 0.2);
}

// Real models whose logits are tens and whose errors are tenths: the CPU's results hold, and none of a model with a
// quarter of one weight left out do.
class RealTolerances : public test::ToolFixture,
                       public testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(RealTolerances, PassTheModelAndNoWrongOne) {
  const auto& [name, dtype] = GetParam();
  const std::filesystem::path folder = test::SharedModel(name);
  ASSERT_TRUE(test::IsThere(folder));
  onnx::ModelProto model;
  std::ifstream file(folder / "model.onnx", std::ios::binary);
  ASSERT_TRUE(model.ParseFromIstream(&file));
  WriteText("right.onnx", model.SerializeAsString());
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    std::string& bytes = *tensor.mutable_raw_data();
    if (tensor.data_type() == onnx::TensorProto::FLOAT && tensor.dims_size() == 2 && tensor.dims(0) == tensor.dims(1)) {
      std::fill(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 4), '\0');
      break;
    }
  }
  WriteText("wrong.onnx", model.SerializeAsString());
  const std::string set = " --test-data '" + (folder / "test_data_set_0").string() + "' --tolerances bounds";
  const std::string type = std::string(" -q --dtype ") + dtype;
  test::Outcome run = Run("sluice-diff", "right.onnx" + type + set);
  ASSERT_EQ(run.code, 0) << run.out;
  for (const auto& [file, code] : {std::pair{"right", 0}, {"wrong", 3}}) {
    ASSERT_EQ(Run("sluice-compile", std::string(file) + ".onnx -o m.sluice" + type).code, 0);
    run = Run("sluice-run", "m.sluice" + set);
    EXPECT_EQ(run.code, code) << run.out;
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, RealTolerances,
                         testing::Values(std::pair{"gpt2-tiny-dynamo", "bf16"}, std::pair{"qwen2-tiny-optimum", "f16"}),
                         [](const auto& info) { return test::ModelTestName(info.param.first); });

// Real models: a decoder with its cache, a quantized one, sub-programs, convolutions.
class RealModels : public testing::TestWithParam<const char*> {};

TEST_P(RealModels, HaveNoDifference) {
  const std::filesystem::path folder = test::SharedModel(GetParam());
  ASSERT_TRUE(test::IsThere(folder));
  const absl::StatusOr<DiffReport> report =
      Diff({.model = (folder / "model.onnx").string(), .test_data = (folder / "test_data_set_0").string()});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok());
  for (const Row& row : report->rows) {
    ADD_FAILURE() << row.stage << " " << row.node << " " << row.kernel << " " << row.deviation.times_bound << " "
                  << row.deviation.why;
  }
  EXPECT_EQ(report->unmatched, 0);
  EXPECT_GT(report->compared, 10);
}

INSTANTIATE_TEST_SUITE_P(Shared, RealModels,
                         testing::Values("llama-tiny-dynamo", "llama-tiny-genai-int4", "loop-if-torchscript",
                                         "resnet18-small-dynamo"),
                         [](const auto& info) { return test::ModelTestName(info.param); });

}  // namespace
}  // namespace sluice::diff
