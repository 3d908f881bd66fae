// Bad models and bad artifacts: one clear error, the right exit code, no crash, nothing left behind.
#include <random>

#include "compiler/driver/Compile.h"
#include "gmock/gmock.h"
#include "runtime/artifact/format.h"
#include "runtime/base/npy.h"
#include "runtime/exec/context.h"
#include "runtime/exec/model.h"
#include "test/tools/onnx_files.h"
#include "test/tools/tool_fixture.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// x · w + b with a weight too large to be a constant.
onnx::ModelProto Affine() {
  onnx::ModelProto model = test::OnnxModel(R"(g (float[n, 16] x) => (float[n, 16] y) {
    p = MatMul(x, w)
    y = Add(p, b)
  })");
  std::vector<float> values(256);
  for (int i = 0; i < 256; ++i) {
    values[i] = static_cast<float>(i % 13) / 13;
  }
  test::AddWeight(model, "w", {16, 16}, values);
  test::AddWeight(model, "b", {16}, std::vector<float>(values.begin(), values.begin() + 16));
  return model;
}

class BadModels : public test::ToolFixture {
 protected:
  void WriteModel(const onnx::ModelProto& model) { WriteText("m.onnx", model.SerializeAsString()); }

  // The artifact's bytes (none when an earlier phase is the last), or why there are none.
  absl::StatusOr<std::vector<uint8_t>> Compile(const std::string& last_phase = "codegen") {
    compiler::CompileOptions options;
    options.to = last_phase;
    options.model = Path("m.onnx");
    options.threads = 1;
    ASSIGN_OR_RETURN(compiler::CompileResult result, compiler::Compile(options));
    return std::move(result.artifact);
  }
  // The error of a model that must not compile.
  std::string Error() {
    const absl::StatusOr<std::vector<uint8_t>> result = Compile();
    EXPECT_FALSE(result.ok());
    std::string message(result.status().message());
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    EXPECT_FALSE(compiler::IsUsageError(result.status())) << message;
    return message;
  }
  std::string ErrorOf(const onnx::ModelProto& model) {
    WriteModel(model);
    return Error();
  }
};

TEST_F(BadModels, AGoodOneCompiles) {
  WriteModel(Affine());
  const auto artifact = Compile();
  EXPECT_TRUE(artifact.ok()) << artifact.status();
}

TEST_F(BadModels, Unreadable) {
  EXPECT_THAT(Error(), AllOf(HasSubstr("m.onnx: cannot be read"), HasSubstr("No such file")));
  WriteText("m.onnx", "");
  EXPECT_THAT(Error(), HasSubstr("m.onnx: is empty"));
  std::filesystem::remove(Path("m.onnx"));
  std::filesystem::create_directory(Path("m.onnx"));
  EXPECT_THAT(Error(), HasSubstr("m.onnx: is not a file"));
}

TEST_F(BadModels, NotOnnx) {
  WriteText("m.onnx", "hello, this is no model at all\n");
  EXPECT_THAT(Error(), AllOf(HasSubstr("m.onnx: offset "), HasSubstr("not an ONNX model")));
  WriteText("m.onnx", std::string(4096, '\0'));
  EXPECT_THAT(Error(), AllOf(HasSubstr("m.onnx: offset "), HasSubstr("not an ONNX model")));
}

TEST_F(BadModels, EveryTruncationIsFound) {
  const std::string bytes = Affine().SerializeAsString();
  for (size_t length = 1; length < bytes.size(); length += length < 200 ? 1 : 23) {
    WriteText("m.onnx", bytes.substr(0, length));
    const absl::StatusOr<std::vector<uint8_t>> result = Compile();
    ASSERT_FALSE(result.ok()) << length;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("m.onnx: ")) << length;
  }
}

// A changed byte may leave a model that is right; it must not end the process, and an error is one line.
TEST_F(BadModels, AnyChangedByteIsAnErrorOrAModel) {
  const std::string bytes = Affine().SerializeAsString();
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string changed = bytes;
    const bool graph = i % 4 != 0;  // before the weights
    changed[random() % (graph ? 160 : bytes.size())] = static_cast<char>(random());
    WriteText("m.onnx", changed);
    const absl::StatusOr<std::vector<uint8_t>> result = Compile("memory");
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("\n"))) << i;
  }
}

TEST_F(BadModels, ExternalData) {
  onnx::ModelProto model = test::OnnxModel("g (float[n, 16] x) => (float[n, 16] y) { y = MatMul(x, w) }");
  test::AddExternalWeight(model, "w", {16, 16}, "w.bin", 64, 1024);
  EXPECT_THAT(ErrorOf(model), AllOf(HasSubstr("m.onnx: tensor 'w'"), HasSubstr("'w.bin' is missing")));
  WriteText("w.bin", std::string(1000, 'x'));
  EXPECT_THAT(Error(), AllOf(HasSubstr("tensor 'w'"), HasSubstr("byte 1088 of 'w.bin', which has 1000")));
  WriteText("w.bin", std::string(2000, '\0'));
  EXPECT_TRUE(Compile().ok());
  auto* entries = model.mutable_graph()->mutable_initializer(0)->mutable_external_data();
  entries->Mutable(0)->set_value("../w.bin");
  EXPECT_THAT(ErrorOf(model), HasSubstr("lie outside the model's folder"));
  entries->Mutable(0)->set_value("/etc/hostname");
  EXPECT_THAT(ErrorOf(model), HasSubstr("lie outside the model's folder"));
  entries->Mutable(0)->set_value("w.bin");
  entries->Mutable(1)->set_value("-64");
  EXPECT_THAT(ErrorOf(model), HasSubstr("external data offset '-64' is not a size"));
  entries->Mutable(1)->set_value("9223372036854775807");
  EXPECT_THAT(ErrorOf(model), HasSubstr("tensor 'w'"));
  entries->Mutable(1)->set_value("0");
  entries->Mutable(2)->set_value("1000");
  EXPECT_THAT(ErrorOf(model), HasSubstr("its shape needs 1024 bytes, its data have 1000"));
}

TEST_F(BadModels, UnknownOperatorsAreListedAtOnce) {
  const onnx::ModelProto model = test::OnnxModel(R"(g (float[n] x) => (float[n] y) {
    a = Frobnicate(x)
    b = acme.Twist(a)
    c = Tanh(b)
    y = acme.Twist(c)
  })",
                                                 R"("" : 17, "acme" : 3)");
  EXPECT_THAT(ErrorOf(model), AllOf(HasSubstr("m.onnx: unknown operators: "),
                                    HasSubstr("Frobnicate (node 'a', domain 'ai.onnx', version 17)"),
                                    HasSubstr("Twist (node 'b', domain 'acme', version 3)"),
                                    HasSubstr("Twist (node 'y', domain 'acme', version 3)"), Not(HasSubstr("Tanh"))));
}

TEST_F(BadModels, UnsupportedOpset) {
  const char* graph = "g (float[n] x) => (float[n] y) { y = Tanh(x) }";
  EXPECT_THAT(ErrorOf(test::OnnxModel(graph, R"("" : 99)")),
              AllOf(HasSubstr("m.onnx: opset 99 of domain 'ai.onnx'"), HasSubstr("knows 1 to")));
  EXPECT_THAT(ErrorOf(test::OnnxModel(graph, R"("" : 0)")), HasSubstr("m.onnx: opset 0 of domain 'ai.onnx'"));
  EXPECT_THAT(ErrorOf(test::OnnxModel(graph, R"("acme" : 1)")), HasSubstr("m.onnx: "));  // no opset for Tanh
}

TEST_F(BadModels, GraphsThatAreNone) {
  EXPECT_THAT(ErrorOf(test::OnnxModel(R"(g (float[n] x) => (float[n] y) {
    a = Add(x, b)
    b = Tanh(a)
    y = Neg(b)
  })")),
              AllOf(HasSubstr("m.onnx: "), HasSubstr("b")));  // a circle
  EXPECT_THAT(ErrorOf(test::OnnxModel("g (float[n] x) => (float[n] y) { z = Tanh(x) }")), HasSubstr("y"));
  EXPECT_THAT(ErrorOf(test::OnnxModel("g (float[n] x) => (float[n] y) { y = Tanh(x, x) }")), HasSubstr("Tanh"));
  EXPECT_THAT(ErrorOf(test::OnnxModel("g (float[n] x) => (float[n] y) { y = Tanh(x)  y = Neg(x) }")), HasSubstr("y"));
  onnx::ModelProto none;
  none.set_ir_version(8);
  EXPECT_THAT(ErrorOf(none), HasSubstr("it has no graph"));
}

TEST_F(BadModels, ShapesAndTypesThatDoNotFit) {
  EXPECT_THAT(ErrorOf(test::OnnxModel("g (float[n, 4] x, float[5, 3] w) => (float[n, 3] y) { y = MatMul(x, w) }")),
              AllOf(HasSubstr("MatMul_0"), HasSubstr("4"), HasSubstr("5")));
  EXPECT_THAT(ErrorOf(test::OnnxModel("g (float[4] x, int64[4] i) => (float[4] y) { y = Add(x, i) }")),
              HasSubstr("Add_0"));
  EXPECT_THAT(ErrorOf(test::OnnxModel("g (string[4] x) => (string[4] y) { y = Identity(x) }")), HasSubstr("x"));
  EXPECT_THAT(ErrorOf(test::OnnxModel("g (float[4, 6] x) => (float[5, 5] y) <int64[2] s = {5, 5}> "
                                      "{ y = Reshape(x, s) }")),
              HasSubstr("Reshape_0"));
  onnx::ModelProto model = Affine();
  model.mutable_graph()->mutable_initializer(0)->set_dims(0, int64_t{1} << 40);
  EXPECT_THAT(ErrorOf(model), HasSubstr("tensor 'w'"));
  model.mutable_graph()->mutable_initializer(0)->set_dims(0, -16);
  EXPECT_THAT(ErrorOf(model), HasSubstr("tensor 'w'"));
}

TEST_F(BadModels, LeaveNothingBehind) {
  onnx::ModelProto model = Affine();
  WriteModel(model);
  const std::string broken = model.SerializeAsString().substr(0, 700);
  WriteText("broken.onnx", broken);
  for (const char* arguments : {"broken.onnx -o out.sluice -q", "m.onnx -o nowhere/out.sluice -q", "m.onnx -o . -q",
                                "missing.onnx -o out.sluice -q"}) {
    const test::Outcome run = Run("sluice-compile", arguments);
    EXPECT_EQ(run.code, 1) << arguments << "\n" << run.out;
    EXPECT_THAT(run.out, StartsWith("sluice-compile: error: ")) << arguments;
    EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 1) << run.out;
    EXPECT_THAT(Files(), testing::UnorderedElementsAre("broken.onnx", "m.onnx")) << arguments;
  }
  // An older artifact survives a compilation that fails.
  WriteText("out.sluice", "older");
  EXPECT_EQ(Run("sluice-compile", "broken.onnx -o out.sluice -q").code, 1);
  EXPECT_EQ(std::filesystem::file_size(Path("out.sluice")), 5u);
}

TEST_F(BadModels, NoRoomOnTheDevice) {
  WriteModel(Affine());
  const test::Outcome run = Run("sluice-compile", "m.onnx -o /dev/full -q");
  EXPECT_NE(run.code, 0);
  EXPECT_NE(run.code, -1);
  EXPECT_THAT(run.out, AllOf(StartsWith("sluice-compile: error: "), HasSubstr("/dev/full")));
}

TEST_F(BadModels, UsageErrorsExitWith2) {
  WriteModel(Affine());
  for (const char* arguments :
       {"m.onnx", "m.onnx -o o --target tpu", "m.onnx -o o --from nowhere", "m.onnx -o o --dims rows=1..4",
        "m.onnx -o o --dims n=4..1", "m.onnx -o o --frob", "-o o", "m.onnx n.onnx -o o"}) {
    const test::Outcome run = Run("sluice-compile", std::string(arguments) + " -q");
    EXPECT_EQ(run.code, 2) << arguments << "\n" << run.out;
    EXPECT_THAT(run.out, StartsWith("sluice-compile: error: ")) << arguments;
  }
  EXPECT_THAT(Files(), ElementsAre("m.onnx"));
}

// A target that needs no GPU to compile for: an artifact, or one line that says what is missing.
TEST_F(BadModels, ATargetItsToolsMayLack) {
  WriteModel(Affine());
  const test::Outcome run = Run("sluice-compile", "m.onnx -o o.sluice --target cuda-sm90a -q");
  if (run.code == 0) {
    EXPECT_EQ(Run("sluice-dump", "o.sluice --verify").code, 0);
    return;
  }
  EXPECT_THAT(run.code, AnyOf(2, 4)) << run.out;
  EXPECT_THAT(run.out, StartsWith("sluice-compile: error: "));
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 1) << run.out;
  EXPECT_THAT(Files(), ElementsAre("m.onnx"));
}

//===-- Artifacts and inputs
//---------------------------------------------------------------------------------------===//

class BadArtifacts : public BadModels {
 protected:
  BadArtifacts() {
    WriteModel(Affine());
    bytes_ = Compile().value();
  }
  static absl::StatusOr<std::shared_ptr<const exec::Model>> Load(const std::vector<uint8_t>& bytes) {
    ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::FromMemory(bytes, "m.sluice"));
    return exec::Model::Load(std::move(artifact), {.threads = 1});
  }
  std::vector<uint8_t> bytes_;
};

// What the compiler makes, with its machine code and weights: every 41st byte, and all of the header.
TEST_F(BadArtifacts, AWrongByteIsFoundAndNamed) {
  ASSERT_TRUE(Load(bytes_).ok());
  for (size_t i = 0; i < bytes_.size(); i += i < 64 ? 1 : 41) {
    bytes_[i] ^= static_cast<uint8_t>(1u << (i % 8));
    const auto loaded = Load(bytes_);
    // The code of another instruction set is not read, and not run.
    absl::Status status = loaded.status();
    if (status.ok()) {
      status = (*loaded)->artifact().VerifyChunks((*loaded)->pool());
    }
    ASSERT_FALSE(status.ok()) << "byte " << i;
    EXPECT_THAT(std::string(status.message()), StartsWith("m.sluice: ")) << "byte " << i;
    bytes_[i] ^= static_cast<uint8_t>(1u << (i % 8));
  }
}

TEST_F(BadArtifacts, TheToolsSayWhatIsWrong) {
  std::vector<uint8_t> newer = bytes_;
  newer[8] = 9;
  Write("newer.sluice", newer);
  Write("short.sluice", {bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(bytes_.size() / 2)});
  std::vector<uint8_t> damaged = bytes_;
  damaged[artifact::kBlobAlignment + 100] ^= 4;
  Write("damaged.sluice", damaged);
  const std::pair<const char*, const char*> cases[] = {
      {"newer.sluice", "format version 9, this runtime reads version 1"},
      {"short.sluice", "short.sluice: "},
      {"damaged.sluice", "is damaged"},
      {"m.onnx", "not a Sluice artifact"},
      {"absent.sluice", "No such file"}};
  for (const auto& [file, says] : cases) {
    for (const char* tool : {"sluice-run", "sluice-bench", "sluice-dump"}) {
      const std::string flags = tool == std::string("sluice-dump") ? " --verify" : "";
      const test::Outcome run = Run(tool, file + flags);
      EXPECT_EQ(run.code, 1) << tool << " " << file << "\n" << run.out;
      EXPECT_THAT(run.out, AllOf(HasSubstr(std::string(tool) + ": error: "), HasSubstr(says))) << tool << " " << file;
    }
  }
}

class BadInputs : public BadModels {
 protected:
  // Two inputs whose sizes must agree; the runtime checks it as an assumption.
  BadInputs() {
    WriteModel(test::OnnxModel("g (float[n, 4] x, float[m, 4] z) => (float[k, 4] y) { y = Sub(x, z) }"));
    EXPECT_EQ(Run("sluice-compile", "m.onnx -o m.sluice -q").code, 0);
    Npy("x", DType::kF32, {3, 4});
    Npy("z", DType::kF32, {3, 4});
  }
  void Npy(const std::string& name, DType dtype, const std::vector<int64_t>& sizes) {
    const std::vector<uint8_t> zeros(4096);
    ASSERT_TRUE(WriteNpy(Path(name + ".npy"), dtype, sizes, zeros.data()).ok());
  }
  std::string ErrorOf(const std::string& arguments) {
    const test::Outcome run = Run("sluice-run", "m.sluice " + arguments + " --output-dir out");
    EXPECT_EQ(run.code, 1) << arguments << "\n" << run.out;
    EXPECT_THAT(run.out, StartsWith("sluice-run: error: ")) << arguments;
    EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 1) << run.out;
    EXPECT_FALSE(std::filesystem::exists(Path("out/y.npy")));
    return run.out;
  }
};

TEST_F(BadInputs, AreNamed) {
  EXPECT_EQ(Run("sluice-run", "m.sluice --input x=x.npy --input z=z.npy").code, 0);
  EXPECT_THAT(ErrorOf("--input x=x.npy"), HasSubstr("input 'z': missing"));
  EXPECT_THAT(ErrorOf("--input x=x.npy --input q=z.npy"), HasSubstr("'q'"));
  EXPECT_THAT(ErrorOf("--input x=x.npy --input z=absent.npy"), HasSubstr("absent.npy"));
  Npy("f64", DType::kF64, {3, 4});
  EXPECT_THAT(ErrorOf("--input x=x.npy --input z=f64.npy"),
              AllOf(HasSubstr("'z'"), HasSubstr("f64"), HasSubstr("f32")));
  Npy("rank", DType::kF32, {12});
  EXPECT_THAT(ErrorOf("--input x=x.npy --input z=rank.npy"), HasSubstr("'z'"));
  Npy("size", DType::kF32, {3, 5});
  EXPECT_THAT(ErrorOf("--input x=x.npy --input z=size.npy"), AllOf(HasSubstr("'z'"), HasSubstr("dimension 1 is 5")));
  Npy("other", DType::kF32, {2, 4});
  EXPECT_THAT(ErrorOf("--input x=x.npy --input z=other.npy"),
              AnyOf(HasSubstr("the model needs"), HasSubstr("input 'z': dimension 0")));
  const std::string whole(std::filesystem::file_size(Path("z.npy")), '\0');
  std::filesystem::resize_file(Path("z.npy"), whole.size() - 8);
  EXPECT_THAT(ErrorOf("--input x=x.npy --input z=z.npy"), HasSubstr("z.npy"));
  WriteText("z.npy", "no array");
  EXPECT_THAT(ErrorOf("--input x=x.npy --input z=z.npy"), HasSubstr("z.npy"));
}

TEST_F(BadInputs, AnOutputFolderThatCannotBe) {
  WriteText("file", "in the way");
  const test::Outcome run = Run("sluice-run", "m.sluice --input x=x.npy --input z=z.npy --output-dir file/out");
  EXPECT_EQ(run.code, 1) << run.out;
  EXPECT_THAT(run.out, AllOf(HasSubstr("sluice-run: error: "), HasSubstr("file/out")));
}

}  // namespace
}  // namespace sluice
