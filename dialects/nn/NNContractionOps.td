#ifndef SLUICE_DIALECTS_NN_NNCONTRACTIONOPS_TD
#define SLUICE_DIALECTS_NN_NNCONTRACTIONOPS_TD

include "dialects/nn/NNBase.td"

def NN_LinearOp : NN_LoopSpecOp<"linear", "...k,nk->...n", [NN_Kernel, DeclareOpInterfaceMethods<NN_PrecisionOpInterface, ["getOperandRole"]>]> {
  let summary = "Applies a weight matrix to each token.";
  let description = [{
    `result[..., n] = Σ_k x[..., k] · w[n, k]`. The weight is a weight expression (nn.weight and what passes do to weights
    only) or a constant, output features first. `acc` is the accumulate type; absent until the precision phase. 8-bit codes of
    either sign on either side are summed in i32.

    ```mlir
    %y = nn.linear %x, %w : (tensor<?x?x64xf32>, tensor<128x64xf32>) -> tensor<?x?x128xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, OptionalAttr<TypeAttr>:$acc);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $w (`acc` $acc^)? attr-dict `:` functional-type(operands, results)";
}

def NN_MatmulOp : NN_LoopSpecOp<"matmul", "...mk,...kn->...mn", [NN_Kernel]> {
  let summary = "Batched matrix product of two activations.";
  let description = [{
    Leading (batch) dimensions are equal on both sides; broadcasts are explicit ops before it.

    ```mlir
    %c = nn.matmul %a, %b : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$a, NN_Tensor:$b, OptionalAttr<TypeAttr>:$acc);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$a `,` $b (`acc` $acc^)? attr-dict `:` functional-type(operands, results)";
}

def NN_ConvOp : NN_SizedOp<"conv", [NN_Kernel]> {
  let summary = "Convolution over 1 to 3 spatial dimensions, channels second.";
  let description = [{
    x [b, c, spatial…], w [o, c / groups, kernel…], optional bias [o] → [b, o, spatial…]. `pads` is ONNX's order: all
    begins, then all ends. Elements beyond x count as `outside`, 0 when it is absent: of quantized codes their zero point.

    ```mlir
    %y = nn.conv %x, %w strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1
        : (tensor<?x3x32x32xf32>, tensor<8x3x3x3xf32>) -> tensor<?x8x16x16xf32>

    %sums = nn.conv %q, %c strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 {outside = 114 : i64}
        : (tensor<?x64x8x8xui8>, tensor<32x64x3x3xi8>) -> tensor<?x32x8x8xi32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, Optional<NN_Tensor>:$bias, DenseI64ArrayAttr:$strides,
      DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups, OptionalAttr<I64Attr>:$outside);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $x `,` $w (`,` $bias^)? `strides` $strides `pads` $pads `dilations` $dilations `groups` $groups attr-dict
    `:` functional-type(operands, results)
  }];
}

def NN_ConvTransposeOp : NN_SizedOp<"conv_transpose", [NN_Kernel]> {
  let summary = "Transposed convolution over 1 to 3 spatial dimensions.";
  let description = [{
    x [b, c, spatial…], w [c, o / groups, kernel…], optional bias [o] → [b, o, spatial…]; each output size is
    (in − 1)·stride + (kernel − 1)·dilation + 1 + output_padding − pads.

    ```mlir
    %y = nn.conv_transpose %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] groups 1
        : (tensor<?x3x32x32xf32>, tensor<3x4x2x2xf32>) -> tensor<?x4x64x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, Optional<NN_Tensor>:$bias, DenseI64ArrayAttr:$strides,
      DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$output_padding, I64Attr:$groups);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $x `,` $w (`,` $bias^)? `strides` $strides `pads` $pads `dilations` $dilations `output_padding` $output_padding
    `groups` $groups attr-dict `:` functional-type(operands, results)
  }];
}

def NN_MoeOp : NN_LoopSpecOp<"moe", "td,tp,tp,efd,edf->td", [NN_Kernel, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<NN_PrecisionOpInterface, ["getOperandRole"]>]> {
  let summary = "Mixture of experts: each token through its chosen feed-forward experts.";
  let description = [{
    `result[t] = Σ_p weights[t, p] · down_e(act(gate_e x[t]) · up_e x[t])` with e = indices[t, p]. Routing (scores, top-k,
    groups, renormalising) stays outside and gives `indices` and `weights` [t, p].

    - `gate` [e, f, d], `down` [e, d, f], and `up` [e, f, d] when the experts are gated: weight expressions, experts first,
      then output features;
    - `gate_bias`, `up_bias` [e, f], `down_bias` [e, d]: added to the product of their name;
    - `activation`: "silu", "gelu", "gelu_tanh" or "relu".

    Indices are within [0, e). `acc` is the accumulate type; absent until the precision phase.

    ```mlir
    %y = nn.moe %x, %indices, %weights gate %g up %u down %d activation "silu"
        : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>, tensor<4x16x8xf32>)
        -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$x, NN_IndexTensor:$indices, NN_FloatTensor:$weights, NN_FloatTensor:$gate,
      NN_FloatTensor:$down, Optional<NN_FloatTensor>:$up, Optional<NN_FloatTensor>:$gate_bias,
      Optional<NN_FloatTensor>:$up_bias, Optional<NN_FloatTensor>:$down_bias, NN_Word<["silu", "gelu", "gelu_tanh", "relu"]>:$activation,
      OptionalAttr<TypeAttr>:$acc);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $indices `,` $weights `gate` $gate (`bias` $gate_bias^)? (`up` $up^ (`bias` $up_bias^)?)? `down` $down
    (`bias` $down_bias^)? `activation` $activation (`acc` $acc^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif
