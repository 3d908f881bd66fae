// mlir-opt with Sluice's dialects and passes, and a frontend: `sluice-opt --onnx MODEL.onnx [passes]` imports a model
// (FILE.onnxtxt: ONNX's text form) and runs the passes on the result.
#include "compiler/onnx/Import.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/nn/NNDialect.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/fuse/Passes.h"
#include "passes/import/Passes.h"
#include "passes/memory/Passes.h"
#include "passes/precision/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/shard/Passes.h"
#include "passes/sparsify/Passes.h"

namespace {

llvm::cl::opt<std::string> onnx("onnx", llvm::cl::desc("Import this ONNX model instead of reading MLIR"),
                                llvm::cl::value_desc("file"));
llvm::cl::opt<bool> stripWeights("strip-weights", llvm::cl::desc("With --onnx: external data files need not exist"));
llvm::cl::opt<bool> int8Activations("int8-activations",
                                    llvm::cl::desc("With --onnx: round activations where the graph allows it"));

// The module of an ONNX model as text with locations, or null after a diagnostic.
std::unique_ptr<llvm::MemoryBuffer> importToText(const mlir::DialectRegistry& registry) {
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::onnx_import::importOnnx(
      context, {.path = onnx, .strip_weights = stripWeights, .int8_activations = int8Activations});
  if (!module) {
    return nullptr;
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os, mlir::OpPrintingFlags().enableDebugInfo());
  return llvm::MemoryBuffer::getMemBufferCopy(text, onnx);
}

}  // namespace

int main(int argc, char** argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::nn::NNDialect, mlir::exec::ExecDialect, mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                  mlir::tensor::TensorDialect, mlir::arith::ArithDialect, mlir::math::MathDialect>();
  mlir::registerTransformsPasses();
  mlir::sluice::importer::registerImportPasses();
  mlir::sluice::raise::registerRaisePasses();
  mlir::sluice::precision::registerPrecisionPasses();
  mlir::sluice::sparsify::registerSparsifyPasses();
  mlir::sluice::shard::registerShardPasses();
  mlir::sluice::fuse::registerFusePasses();
  mlir::sluice::memory::registerMemoryPasses();
  auto [input, output] = mlir::registerAndParseCLIOptions(argc, argv, "Sluice optimizer\n", registry);
  if (onnx.empty()) {
    return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, input, output, registry));
  }
  std::unique_ptr<llvm::MemoryBuffer> module = importToText(registry);
  if (!module) {
    return EXIT_FAILURE;
  }
  std::string error;
  std::unique_ptr<llvm::ToolOutputFile> file = mlir::openOutputFile(output, &error);
  if (!file) {
    llvm::errs() << error << "\n";
    return EXIT_FAILURE;
  }
  mlir::LogicalResult result =
      mlir::MlirOptMain(file->os(), std::move(module), registry, mlir::MlirOptMainConfig::createFromCLOptions());
  file->keep();
  return mlir::asMainReturnCode(result);
}
