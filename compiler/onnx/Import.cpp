#include "compiler/onnx/Import.h"

#include "compiler/onnx/Functions.h"
#include "compiler/onnx/ImportError.h"
#include "compiler/onnx/ProgramImporter.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

namespace mlir::onnx_import {
namespace {

// More rounds than symbols to express by others means that the facts contradict each other in circles.
constexpr int kMaxRounds = 200;

OwningOpRef<ModuleOp> importRound(MLIRContext& context, const ImportOptions& options, const Model& model,
                                  FactStore& facts) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  Builder builder(&context);
  if (const std::string& name = model.proto.graph().name(); !name.empty()) {
    (*module)->setAttr(nn::kNameAttr, builder.getStringAttr(name));
  }
  SmallVector<StringRef> files(model.files.begin(), model.files.end());
  (*module)->setAttr(nn::kFilesAttr, builder.getStrArrayAttr(files));
  ModuleState state{options, model, *module, facts, {}, {}};
  Opsets opsets = opsetsOf(model.proto.opset_import());
  ProgramImporter(state, "main", opsets, nullptr).importMain();
  return module;
}

OwningOpRef<ModuleOp> importModel(MLIRContext& context, const ImportOptions& options) {
  Model model = loadModel(options);
  checkModel(model);
  FactStore facts;
  for (int round = 0; round < kMaxRounds; ++round) {
    try {
      OwningOpRef<ModuleOp> module = importRound(context, options, model, facts);
      if (failed(verify(*module))) {
        return {};
      }
      return module;
    } catch (const NewFact&) {
      continue;
    }
  }
  fail("its dimensions are related in circles");
}

// A fault of no node is the file's.
void emitFileError(MLIRContext& context, const std::string& path, const std::string& message) {
  bool named = StringRef(message).starts_with(path + ":");
  emitError(UnknownLoc::get(&context), named ? message : path + ": " + message);
}

}  // namespace

OwningOpRef<ModuleOp> importOnnx(MLIRContext& context, const ImportOptions& options) {
  context.loadDialect<nn::NNDialect, func::FuncDialect, linalg::LinalgDialect, tensor::TensorDialect,
                      arith::ArithDialect, math::MathDialect>();
  try {
    return importModel(context, options);
  } catch (const ImportError& error) {
    if (error.loc) {
      emitError(*error.loc, error.message);
    } else {
      emitFileError(context, options.path, error.message);
    }
  } catch (const std::exception& error) {  // protobuf and the ONNX library
    emitFileError(context, options.path, std::string("cannot be imported: ") + error.what());
  }
  return {};
}

}  // namespace mlir::onnx_import
