// Norms, softmax, rope, attention: the ops of a transformer layer besides contractions.
#ifndef SLUICE_DIALECTS_NN_NNTOKENOPS_TD
#define SLUICE_DIALECTS_NN_NNTOKENOPS_TD

include "dialects/nn/NNBase.td"

def NN_RmsNormOp : NN_LoopSpecOp<"rms_norm", "...d,d->...d", [NN_Kernel]> {
  let summary = "Root-mean-square norm over the last dimension.";
  let description = [{
    `x / sqrt(mean(x²) + eps) · w`, computed in f32 (f64 for f64). The weight is optional.

    ```mlir
    %y = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<?x?x64xf32>, tensor<64xf32>) -> tensor<?x?x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, Optional<NN_Tensor>:$w, F64Attr:$eps);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x (`,` $w^)? `eps` $eps attr-dict `:` functional-type(operands, results)";
}

def NN_LayerNormOp : NN_LoopSpecOp<"layer_norm", "...d,d,d->...d", [NN_Kernel, AttrSizedOperandSegments]> {
  let summary = "Layer norm over the last dimension.";
  let description = [{
    `(x − mean) / sqrt(var + eps) · w + b`, in f32; w is needed when b is there.

    ```mlir
    %y = nn.layer_norm %x, %w, %b eps 1.0e-5 : (tensor<?x?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<?x?x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, Optional<NN_Tensor>:$w, Optional<NN_Tensor>:$b, F64Attr:$eps);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x (`,` $w^ (`,` $b^)?)? `eps` $eps attr-dict `:` functional-type(operands, results)";
}

def NN_SoftmaxOp : NN_LoopSpecOp<"softmax", "...->...", [NN_Kernel, NN_HasAxis]> {
  let summary = "Softmax (or its logarithm) along one dimension.";
  let description = [{
    `exp(x − max) / Σ exp(x − max)`, and `log` of it when asked: `x − max − log Σ exp(x − max)`, which does not underflow.

    ```mlir
    %p = nn.softmax %x axis -1 : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$log);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `axis` $axis attr-dict `:` functional-type(operands, results)";
}

def NN_RopeOp : NN_LoopSpecOp<"rope", "bhsd->bhsd", [NN_Kernel, DeclareOpInterfaceMethods<NN_PrecisionOpInterface, ["getOperandRole"]>]> {
  let summary = "Rotary position embedding of queries or keys.";
  let description = [{
    x [b, h, s, d]; cos, sin [b or 1, s, r/2]: the first r of d are rotated, the rest copied. Half style rotates the
    pairs (i, i + r/2), interleaved style (2i, 2i + 1).

    ```mlir
    %q1 = nn.rope %q, %cos, %sin : (tensor<?x4x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x4x?x16xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$cos, NN_Tensor:$sin, DefaultValuedAttr<BoolAttr, "false">:$interleaved);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $cos `,` $sin attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_AttentionOp : NN_LoopSpecOp<"attention", "bhsd,bgtd,bgte->bhse", [NN_Kernel, AttrSizedOperandSegments]> {
  let summary = "Scaled dot-product attention with its real pattern.";
  let description = [{
    q [b, h, s, d], k [b, g, t, d], v [b, g, t, e], h a multiple of g: query head i reads key head i / (h/g).
    `softmax(cap(q·kᵀ · scale) + bias + alibi, visible keys) · v`, softmax in f32.
    - `pattern`: causal and window (the attribute's own text says where a query sits);
    - `key_mask` [b, t] i1: keys that may be seen (padding);
    - `lengths` [b] i64: row b has that many valid keys, counted from 0, and its queries are the last s of them;
    - `bias` [b|1, h|1, s|1, t]: added after scale and cap, when a mask or bias was not proven to be a pattern;
    - `slopes` [h]: ALiBi, `slopes[h] · (key position − query position)` is added;
    - `empty_rows`: what a query that sees no key gives: `zero`; `uniform`, the mean of all v; `scores`, what it would give
      if it saw all keys within its length; `either`, those that pattern or key mask alone would show (all, if none).

    ```mlir
    %o = nn.attention %q, %k, %v mask %m pattern #nn.pattern<causal> scale 2.5e-01
        : (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x?xi1>) -> tensor<?x4x?x16xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$q, NN_Tensor:$k, NN_Tensor:$v, Optional<NN_Tensor>:$bias, Optional<NN_BoolTensor>:$key_mask,
      Optional<NN_IndexTensor>:$lengths, Optional<NN_Tensor>:$slopes, NN_PatternAttr:$pattern, F64Attr:$scale,
      DefaultValuedAttr<F64Attr, "0.0">:$softcap, DefaultValuedAttr<NN_FullyMaskedAttr, "::mlir::nn::EmptyRows::Zero">:$empty_rows);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $q `,` $k `,` $v (`bias` $bias^)? (`mask` $key_mask^)? (`lengths` $lengths^)? (`slopes` $slopes^)?
    `pattern` $pattern `scale` $scale (`empty_rows` $empty_rows^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif
