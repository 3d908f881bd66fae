// mlir-opt with Sluice's dialects and passes.
#include "dialects/exec/ExecDialect.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/fuse/Passes.h"
#include "passes/memory/Passes.h"
#include "passes/raise/Passes.h"

int main(int argc, char** argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::nn::NNDialect, mlir::exec::ExecDialect, mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                  mlir::tensor::TensorDialect, mlir::arith::ArithDialect, mlir::math::MathDialect>();
  mlir::registerTransformsPasses();
  mlir::sluice::raise::registerRaisePasses();
  mlir::sluice::fuse::registerFusePasses();
  mlir::sluice::memory::registerMemoryPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Sluice optimizer\n", registry));
}
