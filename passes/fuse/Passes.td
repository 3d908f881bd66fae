// Passes of the fuse phase: every op that computes becomes a dispatch of a kernel.
#ifndef SLUICE_PASSES_FUSE_PASSES_TD
#define SLUICE_PASSES_FUSE_PASSES_TD

include "mlir/Pass/PassBase.td"

def ChooseTokensPass : Pass<"sluice-choose-tokens", "::mlir::ModuleOp"> {
  let summary = "Lets a decoder on a GPU choose its next tokens there.";
  let description = [{
    Runs first in fuse, when logits are what the caller gets, in the type of the precision phase.

    Input: @main with an argument of role `tokens`, a result of role `logits` and a cache that grows.
    Output: one more result of @main, of role `next`: the `nn.arg_reduce` of each sequence's last logits, in the type of the
    tokens. A step of greedy generation feeds it to the next one without a way over the host; callers do not see it.
    The last logits are computed anew, through ops that compute positions alone (`nn.linear`, norms, element-wise ones),
    from the values on that other results need: the logits of all positions are left to whoever asks for them
    (the runtime computes what is wanted).

    Leaves everything else alone, and the CPU, where logits are at hand.
  }];
  let dependentDialects = ["::mlir::nn::NNDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def MergeLinearsPass : Pass<"sluice-merge-linears", "::mlir::ModuleOp"> {
  let summary = "Merges linears that share an input into one.";
  let description = [{
    Runs before kernels are formed, which then read the parts where they lie. q, k, v and gate, up are separate linears
    until here: one canonical form for all exporters.

    Input: `%q = nn.linear %x, %wq`, `%k = nn.linear %x, %wk`.
    Output: `%y = nn.linear %x, concat(%wq, %wk)` and slices of its columns. Codes and scales of quantized weights are
    concatenated, not what they stand for. Where biases and scales of columns follow (`arith.addf %q, %bias`) and somebody
    reads the parts from memory, they become one on `%y`: what finishes one linear.

    Refuses linears whose result somebody would have to copy out: a kernel that reads no strides (`nn.rms_norm` of q), or a
    result of the function.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def IntegerProductsPass : Pass<"sluice-integer-products", "::mlir::ModuleOp"> {
  let summary = "Makes products of codes less their zero points exact products of the codes.";
  let description = [{
    Runs while dequantizations stand before the products.

    Input: `nn.linear`, `nn.conv` or an unbatched `nn.matmul` whose operands both are 8-bit codes less a zero point: `nn.dequantize`
    in f32, or `arith.subi` of widened codes in i32 (ConvInteger, MatMulInteger).
    Output: the op on codes, `ui8, i8 → i32`, and element-wise ops that take the zero points off
    (`Σ(x − zx)(w − zw) = Σxw − zx·(Σw − k·zw) − zw·Σx`; `Σw` of a weight is a weight, `Σx` a product with ones), scale and add
    the bias. A convolution's padding counts as the zero point of x (`outside`). Where signed codes of values that are not negative
    are read by dequantizations only, they become unsigned ones, whose zero point is 0.

    Leaves alone, and tells in a remark why: f32 on the CPU, whose kernels sum floats faster; scales and zero points that vary along
    what is summed; more products in a sum than i32 holds; groups whose weights have a zero point; padding with a zero point that is
    computed.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def ExpandQuantizationPass : Pass<"sluice-expand-quantization", "::mlir::ModuleOp"> {
  let summary = "Makes quantizations element-wise ops when the target is a GPU, where kernels take them in.";
  let description = [{
    Runs after products of codes are found, before layouts and kernels.

    Input: `nn.quantize` and `nn.dequantize` between f32 and 8-bit codes. Output: `arith` and `math`: what finishes a product
    (its scale, bias and activation, the division by the next scale, rounding half to even, the cut to a code's range) is one
    group then, which its epilogue takes in.

    Leaves alone weights, zero points that are computed or differ from each other, blocked scales, and what convolutions that
    are no products of codes read.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

def ChannelsLastPass : Pass<"sluice-channels-last", "::mlir::ModuleOp"> {
  let summary = "Gives convolutions of a GPU, and what stands between them, channels last.";
  let description = [{
    Runs before kernels are formed, while element-wise ops can still be moved behind a transpose.

    Input: `nn.conv`, `nn.conv_transpose` and what follows them. Output: `exec.dispatch @conv(...)` of a kernel with
    `channels_last`, its weight `[o, kernel…, c / groups]` packed at compile time; element-wise ops, pools, reductions and
    concatenations on `[b, spatial…, c]`; a `linalg.transpose` where somebody needs the channels second.

    Leaves alone convolutions whose family has no plan for it (a remark says why), those of dequantized codes, and
    everything on the CPU.
  }];
  let dependentDialects = ["::mlir::exec::ExecDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
}

def FormKernelsPass : Pass<"sluice-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Groups element-wise ops into generated kernels, equal ones once.";
  let description = [{
    Runs once linears and layouts are as they will be. Broadcasts, transposes, slices and reshapes that only element-wise ops read become how the kernel
    reads its operands; loops that every operand walks as one are merged.

    Input: `arith`/`math` on tensors, `linalg.broadcast`, `linalg.transpose`, constants.
    Output: `exec.dispatch @ew_0(%x, %b) ...` and `exec.kernel @ew_0 generated` with one `linalg.generic`.

    Leaves alone what is computed from weights only, and the reshapes and slices that other ops read.
  }];
  let dependentDialects = ["::mlir::exec::ExecDialect", "::mlir::linalg::LinalgDialect", "::mlir::arith::ArithDialect"];
}

def SelectKernelsPass : Pass<"sluice-select-kernels", "::mlir::ModuleOp"> {
  let summary = "Makes each remaining op that computes a dispatch of a library kernel.";
  let description = [{
    Input: ops with a KernelOpInterface and `linalg.reduce`. Output: `exec.dispatch @rms_norm(...)`, `exec.kernel @rms_norm
    library "rms_norm" {eps = ...}`; one kernel for each name and set of attributes. A linear or gather of a dequantized weight
    takes the codes and scales themselves (`linear_q4`, `linear_q8`, `gather_q4`).

    On a GPU target (`exec.target` of the module) the op's CUDA family chooses among its plans (kernels/cuda.h) and the kernel
    carries text and launch; an op without a plan keeps its CPU kernel, and a remark says what is missing.

    Refuses ops the registry has no kernel for: all of them are listed, with the kernels that there are.
  }];
  let dependentDialects = ["::mlir::exec::ExecDialect"];
}

def PrintKernelsPass : Pass<"sluice-print-kernels", "::mlir::ModuleOp"> {
  let summary = "Prints generated kernels as CUDA C++, when the target is a GPU.";
  let description = [{
    Input: `exec.kernel @ew_0 generated` with one parallel `linalg.generic`. Output: the same with `cuda {text = …}`: loads and
    stores of 16 bytes where the innermost loop is contiguous, a grid that covers the parameters' bound.

    A body with an op that has no text keeps its kernel on the CPU; a remark names the op.
  }];
}

def FuseEpiloguesPass : Pass<"sluice-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "Moves element-wise kernels into the GPU kernel whose result they finish.";
  let description = [{
    Input: `exec.dispatch @ew_0(%s, %bias)` where `%s` is the result of `@linear` and nobody else reads it. Output:
    `exec.dispatch @linear_0(%x, %w, %bias)`, whose text holds the body as a functor over value, row and column.

    A kernel that reads two halves of the columns of `%s` (`silu(gate) * up`) becomes a functor over both values; the rows of
    the weights, a multiple of 16, are then put into blocks of 8, one of each half in turn.

    Leaves alone kernels that read at strides that are not constant, and producers whose family takes no epilogue.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def OutlineWeightsPass : Pass<"sluice-outline-weights", "::mlir::ModuleOp"> {
  let summary = "Moves each weight expression into an exec.weight with the one layout all its users read.";
  let description = [{
    Runs last in fuse, when the users are known kernels. Equal expressions become one weight. A weight that only kernels
    reading a packed layout use gets that layout; a mixed one stays row-major unless summed cost says a second copy pays, which a
    remark then tells with its bytes.

    Input: `nn.weight`, slices, casts, transposes … used by dispatches. Output: `exec.constant @w0`.
  }];
  let dependentDialects = ["::mlir::exec::ExecDialect"];
}

def VerifyFusePass : Pass<"sluice-verify-fuse", "::mlir::ModuleOp"> {
  let summary = "Checks that only dispatches, views, calls and constants are left after fuse.";
  let description = [{ The message names the op and the pass that should have removed it. }];
}

#endif
