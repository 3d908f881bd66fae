// Pooling, resampling, recurrent cells and quantization.
#ifndef SLUICE_DIALECTS_NN_NNLAYEROPS_TD
#define SLUICE_DIALECTS_NN_NNLAYEROPS_TD

include "dialects/nn/NNBase.td"

def NN_PoolOp : NN_SizedOp<"pool", [NN_Kernel]> {
  let summary = "Max or average over a sliding window.";
  let description = [{
    x [b, c, spatial…]; `pads` in ONNX's order, all begins, then all ends. An average counts the padding when
    `count_include_pad`; `ceil_mode` keeps a last window that begins inside and ends outside.

    ```mlir
    %y = nn.pool %x kind "max" kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1]
        : (tensor<?x3x32x32xf32>) -> tensor<?x3x16x16xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Word<["max", "average"]>:$kind, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
      DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, DefaultValuedAttr<BoolAttr, "false">:$ceil_mode,
      DefaultValuedAttr<BoolAttr, "false">:$count_include_pad);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $x `kind` $kind `kernel` $kernel `strides` $strides `pads` $pads `dilations` $dilations attr-dict
    `:` functional-type(operands, results)
  }];
}

def NN_ResizeOp : NN_SizedOp<"resize", [NN_Kernel]> {
  let summary = "Interpolates to other sizes (ONNX Resize).";
  let description = [{
    `sizes`: result sizes; `scales`: one a dimension when the graph gave scales, else empty (result / input).

    ```mlir
    %y = nn.resize %x sizes ["batch", "3", "64", "64"] scales [] mode "linear" coordinate_mode "half_pixel"
        : (tensor<?x3x32x32xf32>) -> tensor<?x3x64x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, StrArrayAttr:$sizes, DenseF64ArrayAttr:$scales,
      NN_Word<["nearest", "linear", "cubic"]>:$mode,
      NN_Word<["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"]>:$coordinate_mode,
      DefaultValuedAttr<NN_Word<["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]>,
                        "\"round_prefer_floor\"">:$nearest_mode, DefaultValuedAttr<F64Attr, "-0.75">:$cubic_coeff_a,
      DefaultValuedAttr<BoolAttr, "false">:$exclude_outside);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $x `sizes` $sizes `scales` $scales `mode` $mode `coordinate_mode` $coordinate_mode attr-dict
    `:` functional-type(operands, results)
  }];
}

def NN_GridSampleOp : NN_SizedOp<"grid_sample", [NN_Kernel]> {
  let summary = "Samples an image at the positions of a grid (ONNX GridSample).";
  let description = [{
    x [b, c, spatial…], grid [b, out…, n] for n spatial dimensions → [b, c, out…]. The last dimension of grid is a position,
    the innermost spatial dimension first: −1 and 1 are the outer edges of the first and the last element, or their centres
    when `align_corners`. What lies outside is zero, the nearest element, or mirrored at the edges.

    ```mlir
    %y = nn.grid_sample %x, %grid mode "linear" padding "zeros"
        : (tensor<?x3x32x32xf32>, tensor<?x16x20x2xf32>) -> tensor<?x3x16x20xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$x, NN_FloatTensor:$grid, NN_Word<["nearest", "linear", "cubic"]>:$mode,
      NN_Word<["zeros", "border", "reflection"]>:$padding, DefaultValuedAttr<BoolAttr, "false">:$align_corners);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $grid `mode` $mode `padding` $padding attr-dict `:` functional-type(operands, results)
  }];
}

def NN_Direction : NN_Word<["forward", "reverse", "bidirectional"]>;
class NN_RecurrentOp<string mnemonic> : NN_SizedOp<mnemonic, [NN_Kernel, AttrSizedOperandSegments]>;

def NN_LstmOp : NN_RecurrentOp<"lstm"> {
  let summary = "LSTM over a sequence (ONNX LSTM, layout 0, default activations).";
  let description = [{
    x [t, b, i]; w [dir, 4h, i]; r [dir, 4h, h]; optional bias [dir, 8h], seq_lens [b] i32, init_h and init_c [dir, b, h],
    peepholes [dir, 3h] → y [t, dir, b, h], y_h, y_c [dir, b, h]. Gates in ONNX's order i, o, f, c.

    ```mlir
    %y, %h, %c = nn.lstm %x, %w, %r hidden 16 direction "forward"
        : (tensor<?x?x8xf32>, tensor<1x64x8xf32>, tensor<1x64x16xf32>)
        -> (tensor<?x1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>)
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, NN_Tensor:$r, Optional<NN_Tensor>:$bias, Optional<NN_IndexTensor>:$seq_lens,
      Optional<NN_Tensor>:$init_h, Optional<NN_Tensor>:$init_c, Optional<NN_Tensor>:$peepholes, I64Attr:$hidden,
      NN_Direction:$direction, DefaultValuedAttr<F64Attr, "0.0">:$clip, DefaultValuedAttr<BoolAttr, "false">:$input_forget);
  let results = (outs NN_Tensor:$y, NN_Tensor:$y_h, NN_Tensor:$y_c);
  let assemblyFormat = [{
    $x `,` $w `,` $r (`bias` $bias^)? (`seq_lens` $seq_lens^)? (`init_h` $init_h^)? (`init_c` $init_c^)? (`peepholes` $peepholes^)?
    `hidden` $hidden `direction` $direction attr-dict `:` functional-type(operands, results)
  }];
}

def NN_GruOp : NN_RecurrentOp<"gru"> {
  let summary = "GRU over a sequence (ONNX GRU, layout 0, default activations).";
  let description = [{
    As nn.lstm with gates z, r, h: w [dir, 3h, i]; r [dir, 3h, h]; bias [dir, 6h] → y, y_h.

    ```mlir
    %y, %h = nn.gru %x, %w, %r hidden 16 direction "reverse"
        : (tensor<?x?x8xf32>, tensor<1x48x8xf32>, tensor<1x48x16xf32>) -> (tensor<?x1x?x16xf32>, tensor<1x?x16xf32>)
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, NN_Tensor:$r, Optional<NN_Tensor>:$bias, Optional<NN_IndexTensor>:$seq_lens,
      Optional<NN_Tensor>:$init_h, I64Attr:$hidden, NN_Direction:$direction, DefaultValuedAttr<F64Attr, "0.0">:$clip,
      DefaultValuedAttr<BoolAttr, "false">:$linear_before_reset);
  let results = (outs NN_Tensor:$y, NN_Tensor:$y_h);
  let assemblyFormat = [{
    $x `,` $w `,` $r (`bias` $bias^)? (`seq_lens` $seq_lens^)? (`init_h` $init_h^)? `hidden` $hidden
    `direction` $direction attr-dict `:` functional-type(operands, results)
  }];
}

def NN_QuantizeOp : NN_LoopSpecOp<"quantize", "...->...", [NN_Kernel]> {
  let summary = "`saturate(round_half_even(x / scale) + zero_point)`.";
  let description = [{
    Scale and zero point: rank 0 (per tensor), [size of axis] (per axis), or x's sizes with `axis` divided by `block`.

    ```mlir
    %q = nn.quantize %x, %scale, %zero : (tensor<?x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x64xui8>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$scale, Optional<NN_Tensor>:$zero_point, DefaultValuedAttr<I64Attr, "0">:$axis,
      DefaultValuedAttr<I64Attr, "0">:$block);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $scale (`,` $zero_point^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_DequantizeOp : NN_LoopSpecOp<"dequantize", "...->...", [NN_Kernel]> {
  let summary = "`(q − zero_point) · scale`; q's unsigned types are ui8, ui4.";
  let description = [{
    Scale and zero point as in nn.quantize. A 4-bit weight in blocks of 32 along its columns:

    ```mlir
    %w = nn.dequantize %q, %scale {axis = 1 : i64, block = 32 : i64}
        : (tensor<128x64xui4>, tensor<128x2xf32>) -> tensor<128x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$q, NN_Tensor:$scale, Optional<NN_Tensor>:$zero_point, DefaultValuedAttr<I64Attr, "0">:$axis,
      DefaultValuedAttr<I64Attr, "0">:$block);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$q `,` $scale (`,` $zero_point^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif
