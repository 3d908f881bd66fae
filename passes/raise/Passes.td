// Passes of the raise phase: primitives become the composites that later phases reason about.
#ifndef SLUICE_PASSES_RAISE_PASSES_TD
#define SLUICE_PASSES_RAISE_PASSES_TD

include "mlir/Pass/PassBase.td"

def SplitLinearsPass : Pass<"sluice-split-linears", "::mlir::ModuleOp"> {
  let summary = "Splits linears over packed weights into one for each part.";
  let description = [{
    Exporters pack the weights of q, k and v, or of gate and up, into one matrix; here each has its own, so that later passes
    see one form. The weight's rows are sliced, which costs nothing: it is a weight expression.

    Input: `tensor.extract_slice` of the last dimension, at numbers, of `nn.linear %x, %w`.
    Output: `nn.linear %x, (tensor.extract_slice %w)`; rows of an `nn.dequantize` are one of sliced operands.

    Refuses a linear whose result is used whole, and quantized weights whose scales are not rows [n, blocks].
  }];
  let dependentDialects = ["::mlir::nn::NNDialect", "::mlir::tensor::TensorDialect"];
}

def RaiseNormPass : Pass<"sluice-raise-norm", "::mlir::ModuleOp"> {
  let summary = "Raises written-out root-mean-square norms to nn.rms_norm.";
  let description = [{
    Runs before attention and rope are raised, which look for nothing of it. The weight is taken in when its
    multiplication is the norm's only use.

    Input: `mulf %x, broadcast(rsqrt(addf(mean(mulf %x, %x), eps)))`, then `mulf` by a broadcast vector.
    Output: `nn.rms_norm %x, %w eps 1.0e-5`.

    Refuses a mean over other dimensions than the last, or a divisor that is not the last dimension's size.
  }];
  let dependentDialects = ["::mlir::nn::NNDialect"];
}

def RaiseRopePass : Pass<"sluice-raise-rope", "::mlir::ModuleOp"> {
  let summary = "Raises written-out rotary embeddings to nn.rope.";
  let description = [{
    Input: `x·cos + rotate_half(x)·sin` with cos and sin made of an angle repeated twice along the last dimension
    (`concat(f, f)`); partial rotation as a slice before and a concat after.
    Output: `nn.rope %x, %cos, %sin` with cos and sin of half the width; partial rotation inside the op.

    Refuses, with a remark, angles whose halves it cannot prove equal.
  }];
  let dependentDialects = ["::mlir::nn::NNDialect", "::mlir::tensor::TensorDialect"];
}

def RaiseMoePass : Pass<"sluice-raise-moe", "::mlir::ModuleOp"> {
  let summary = "Raises written-out mixtures of experts to nn.moe.";
  let description = [{
    Routing (scores, top-k, groups, renormalising) stays; what the chosen experts compute becomes one op, and the matrices of all
    experts one weight expression each.

    Input, gathered: `reduce(mulf(%w, expert(%x)))` over choices, with matrices `nn.gather_nd %stack, %indices`.
    Input, unrolled: for each expert, the rows of `nn.nonzero(%indices == e)` through its linears, scaled and scattered onto the
    sum of those before.
    Output: `nn.moe %x, %indices, %w gate %g up %u down %d activation "silu"`.

    Refuses, with a remark, mixtures where an expert is missing or other than the rest, rows that are not read and scaled by
    their own token and choice, and sums that do not start from zero.
  }];
  let dependentDialects = ["::mlir::nn::NNDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def RaiseAttentionPass : Pass<"sluice-raise-attention", "::mlir::ModuleOp"> {
  let summary = "Raises written-out attention to nn.attention and gives attention its real pattern.";
  let description = [{
    Runs after norms and rope, which end the way up from a product's operands. Masks are recognised by meaning: the mask's
    element (b, h, q, k) as a symbolic expression, proven equal to causal, window and padding (MaskAnalysis.h). Heads that
    were repeated for their groups are read before the repetition.

    Input: `nn.matmul`, scale, cap, mask, `nn.softmax`, a guard for rows without keys, `nn.matmul`; or `nn.attention` with an
    explicit bias or repeated heads.
    Output: `nn.attention %q, %k, %v mask %m pattern #nn.pattern<causal> scale 0.25`.

    Each candidate leaves a remark: matched, or the part that did not match. A mask that is not proven stays a bias.
  }];
  let dependentDialects = ["::mlir::nn::NNDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def FoldCacheBranchPass : Pass<"sluice-fold-cache-branch", "::mlir::ModuleOp"> {
  let summary = "Makes one program of a decoder that was exported with caches and without them.";
  let description = [{
    Runs after attention is raised, when both programs speak of the same composites. Where no cache holds anything the program
    with caches has to be, op by op, the one without; then it alone is kept: one program to plan, that prefills in chunks and
    decodes. The input that chose between them gets the role `branch`: where it is false the runtime takes the caches as empty,
    whatever they hold.

    Input: `nn.if` over an input of @main; then: `concat(past, new)` is a result; else: reads no past.
    Output: the body of the program with caches, in place of the `nn.if`.

    Refuses, with a remark that names the first ops that differ, programs that it cannot prove the same: an encoder-decoder's
    first step computes keys and values of the encoder that later ones only read.
  }];
  let dependentDialects = ["::mlir::nn::NNDialect", "::mlir::tensor::TensorDialect"];
}

def AssignRolesPass : Pass<"sluice-assign-roles", "::mlir::ModuleOp"> {
  let summary = "Gives each graph input and output of @main its role, and pairs caches into states.";
  let description = [{
    Runs last in raise: it reads what attention's operands are. From structure only: tokens index the table whose rows are
    the logits' width, a mask reaches attention as key mask, bias or lengths, a cache is concatenated with new keys or values
    and returned. Names only break ties, with a remark.

    Output: `nn.role` on arguments and results, `nn.states` on the function (docs/internals.md).
  }];
  let dependentDialects = ["::mlir::nn::NNDialect"];
}

def VerifyRaisePass : Pass<"sluice-verify-raise", "::mlir::ModuleOp"> {
  let summary = "Checks that @main's inputs and outputs have roles, and that its states are caches of it.";
  let description = [{
    Runs last in raise. The message names the argument, result or state. Composites that stay written out are no fault: a
    remark says why each did.
  }];
}

#endif
