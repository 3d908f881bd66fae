// Passes of the precision phase: element types and accumulate types.
#ifndef SLUICE_PASSES_PRECISION_PASSES_TD
#define SLUICE_PASSES_PRECISION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertPrecisionPass : Pass<"sluice-convert-precision", "::mlir::ModuleOp"> {
  let summary = "Changes the types values are stored in, on demand.";
  let description = [{
    Input: layers (ops over rows of numbers, by their loop spec or accumulate type) of any float type. Output with `f16` or
    `bf16`: their operands, results and caches in that type, weights cut while they are packed; element-wise maths, softmax,
    reductions and the angles of sines and cosines in f32 between a widening and a cut. With `f32`: everything in f32. With
    `tf32`: f32 as it is, contractions with `acc tf32`, whose products keep 10 bits.

    Inputs and results that are no caches keep their type. Leaves alone layers over quantized weights and f64.
  }];
  let options = [Option<"dtype", "dtype", "std::string", /*default=*/"", "f16, bf16, tf32 or f32; empty: as the model says">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def AssignPrecisionPass : Pass<"sluice-assign-precision", "::mlir::ModuleOp"> {
  let summary = "Gives every contraction its accumulate type.";
  let description = [{
    Input: contractions without `acc`. Output: `acc f32` (f64 for f64, the operands' type for integers), with a remark.
    Leaves an `acc` that is there already.
  }];
}

def VerifyPrecisionPass : Pass<"sluice-verify-precision", "::mlir::ModuleOp"> {
  let summary = "Checks that every contraction names its accumulate type.";
  let description = [{ After precision no pass may guess one. }];
}

#endif
