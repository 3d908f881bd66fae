// ONNX files, through wire format, checker and importer.
#include "compiler/onnx/Import.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "test/fuzz/target.h"
#include "test/tools/onnx_files.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() {
  onnx::ModelProto affine = test::OnnxModel(R"(g (float[n, 12] x) => (float[n, 12] y) {
    p = MatMul(x, w)
    y = Add(p, b)
  })");
  test::AddWeight(affine, "w", {12, 12}, std::vector<float>(144, 0.5f));
  test::AddWeight(affine, "b", {12}, std::vector<float>(12, 1));
  const onnx::ModelProto shapes = test::OnnxModel(R"(g (float[n, s, 8] x) => (float[n, s, 2, 4] y, int64[1] m) {
    shape = Shape(x)
    two = Constant <value = int64[2] {2, 4}> ()
    front = Slice(shape, zero, end)
    to = Concat <axis = 0> (front, two)
    y = Reshape(x, to)
    flat = ReduceSum <keepdims = 0> (y)
    m = ArgMax <axis = 0> (front)
  })");
  onnx::ModelProto complete = shapes;
  for (const auto& [name, value] : {std::pair{"zero", 0}, std::pair{"end", 2}}) {
    onnx::TensorProto& tensor = *complete.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(1);
    tensor.add_int64_data(value);
  }
  const onnx::ModelProto branch = test::OnnxModel(R"(g (bool c, float[n] x) => (float[n] y) {
    y = If (c) <then_branch = t () => (float[n] a) { a = Tanh(x) }, else_branch = e () => (float[n] b) { b = Neg(x) }>
  })");
  return {affine.SerializeAsString(), complete.SerializeAsString(), branch.SerializeAsString()};
}

void Run(std::string_view bytes) {
  static auto* context = new mlir::MLIRContext(mlir::MLIRContext::Threading::DISABLED);
  const mlir::ScopedDiagnosticHandler quiet(context, [](mlir::Diagnostic&) { return mlir::success(); });
  (void)mlir::onnx_import::importOnnx(*context, {.path = ScratchFile("fuzz.onnx", bytes)});
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(onnx, sluice::fuzz::Seeds, sluice::fuzz::Run)
