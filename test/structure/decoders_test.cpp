// Every decoder of ../shared/models raises all its attention: as many nn.attention as its caches say, each with a
// remark.
#include <algorithm>
#include <fstream>

#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"
#include "test/structure/compiled.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;

// Pairs of a key and a value cache among the inputs or outputs, once for each of the sub-programs a graph chooses from:
// an attention each.
int AttentionsOf(const fs::path& file) {
  onnx::ModelProto model;
  std::ifstream in(file, std::ios::binary);
  model.ParseFromIstream(&in);
  const auto caches = [](const auto& ports, const char* prefix) {
    return std::count_if(ports.begin(), ports.end(), [prefix](const auto& port) {
      return port.name().rfind(prefix, 0) == 0 && port.type().tensor_type().shape().dim_size() == 4;
    });
  };
  const onnx::GraphProto& graph = model.graph();
  const bool merged = std::any_of(graph.node().begin(), graph.node().end(),
                                  [](const onnx::NodeProto& node) { return node.op_type() == "If"; });
  const auto pairs = std::max(caches(graph.input(), "past"), caches(graph.output(), "present")) / 2;
  return static_cast<int>(pairs) * (merged ? 2 : 1);
}

bool IsDecoder(const std::string& name) { return AttentionsOf(SharedModel(name) / "model.onnx") > 0; }

std::vector<std::string> Decoders() {
  std::vector<std::string> names = SharedModelNames({"", "shapes"});
  if (IsThere(SharedModel())) {
    std::erase_if(names, [](const std::string& name) { return !IsDecoder(name); });
  }
  return names;
}

class RaisedDecoders : public testing::TestWithParam<std::string> {};

TEST_P(RaisedDecoders, AllTheirAttention) {
  const fs::path file = SharedModel(GetParam()) / "model.onnx";
  ASSERT_TRUE(IsThere(file));
  const auto raised = CompileToRaise(file);
  ASSERT_TRUE(raised.ok()) << raised.status();
  EXPECT_EQ(raised->count("nn.attention"), AttentionsOf(file));
  int passed = 0;
  for (const compiler::Remark& remark : raised->remarks) {
    passed += remark.name == "attention" && remark.kind == "passed";
    EXPECT_FALSE(remark.name == "attention" && remark.kind == "missed") << remark.node << ": " << remark.text;
  }
  EXPECT_EQ(passed, AttentionsOf(file));
}

INSTANTIATE_TEST_SUITE_P(Shared, RaisedDecoders, testing::ValuesIn(Decoders()),
                         [](const auto& info) { return ModelTestName(info.param); });

}  // namespace
}  // namespace sluice::test
