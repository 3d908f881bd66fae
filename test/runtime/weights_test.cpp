// Stripped artifacts: weights made at load.
#include <filesystem>
#include <fstream>

#include "runtime/base/pack_weight.h"
#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

using test::ArtifactBuilder;
using test::F32;
using test::FunctionBuilder;
using test::Views;
using testing::ElementsAre;
using testing::HasSubstr;

// y = x · wᵀ; w [2, 3] lies transposed at byte 8 of the second file.
std::vector<uint8_t> Stripped(uint64_t weights_bytes = 32) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int weight = b.Weight("w", DType::kF32, {2, 3}, std::vector<uint8_t>(24));
  PackExpr expr;
  expr.nodes.push_back({.kind = PackKind::kSource, .dtype = DType::kF32, .sizes = {3, 2}, .file = 1, .offset = 8});
  expr.nodes.push_back(
      {.kind = PackKind::kTranspose, .dtype = DType::kF32, .sizes = {2, 3}, .inputs = {0}, .ints = {1, 0}});
  const std::string pack = SerializePack(expr);
  b.program.weights[weight]->pack.assign(pack.begin(), pack.end());
  for (const auto& [name, bytes] :
       {std::pair<const char*, uint64_t>{"model.onnx", 5}, {"weights.bin", weights_bytes}}) {
    auto file = std::make_unique<fb::WeightFileT>();
    file->name = name;
    file->bytes = bytes;
    b.program.files.push_back(std::move(file));
  }
  const int x = main.Input("x", DType::kF32, {"n", "2"});
  const int y = main.Output("y", DType::kF32, {"n", "3"});
  const int w = main.Weight(weight);
  main.Launch(b.Kernel("matmul"), Views(main.View(x, {"n", "2"}), main.View(w, {"2", "3"})),
              Views(main.View(y, {"n", "3"})));
  return b.Finish();
}

absl::StatusOr<std::vector<float>> RunWith(const std::vector<uint8_t>& file, const std::string& weights) {
  ASSIGN_OR_RETURN(auto model, test::LoadModel(file, {.threads = 2, .weights = weights}));
  ASSIGN_OR_RETURN(auto context, exec::Context::Create(model));
  std::vector<float> x = {1, 0, 0, 1};
  return test::ValuesOf<float>(test::RunOrDie(*context, {F32(x, {2, 2})})[0].tensor);
}

TEST(Weights, FromTheModelsFiles) {
  const std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / "sluice_weights_test";
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "renamed.onnx", std::ios::binary) << "12345";
  const std::vector<float> values = {0, 0, 1, 2, 3, 4, 5, 6};
  std::ofstream(dir / "weights.bin", std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 32);
  const std::string model = (dir / "renamed.onnx").string();
  auto y = RunWith(Stripped(), model);
  ASSERT_TRUE(y.ok()) << y.status();
  EXPECT_THAT(*y, ElementsAre(1, 3, 5, 2, 4, 6));
  EXPECT_TRUE(RunWith(Stripped(0), model).ok());  // compiled before the file was there: any size will do
  std::filesystem::resize_file(dir / "weights.bin", 31);
  EXPECT_THAT(std::string(RunWith(Stripped(), model).status().message()), HasSubstr("weights.bin: has 31 bytes"));
  EXPECT_FALSE(RunWith(Stripped(0), model).ok());  // but it must hold the weights
  std::filesystem::remove(dir / "weights.bin");
  EXPECT_EQ(RunWith(Stripped(), model).status().code(), absl::StatusCode::kNotFound);
  std::filesystem::remove_all(dir);
}

TEST(Weights, AtRandom) {
  auto a = RunWith(Stripped(), "random:7"), b = RunWith(Stripped(), "random:7"), c = RunWith(Stripped(), "random");
  ASSERT_TRUE(a.ok() && b.ok() && c.ok()) << a.status();
  EXPECT_EQ(*a, *b);
  EXPECT_NE(*a, *c);
  EXPECT_THAT(std::string(RunWith(Stripped(), "random:x").status().message()), HasSubstr("give random or random:SEED"));
}

TEST(Weights, NoneGiven) {
  EXPECT_THAT(std::string(RunWith(Stripped(), "").status().message()), HasSubstr("holds no weights ('w')"));
}

}  // namespace
}  // namespace sluice
