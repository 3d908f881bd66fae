// Pooling, resizing, recurrent cells and quantization.
#ifndef SLUICE_DIALECTS_NN_NNLAYEROPS_TD
#define SLUICE_DIALECTS_NN_NNLAYEROPS_TD

include "dialects/nn/NNBase.td"

def NN_PoolOp : NN_SizedOp<"pool", [NN_Kernel]> {
  let summary = "Max or average over a sliding window.";
  let arguments = (ins NN_Tensor:$x, StrAttr:$kind, DenseI64ArrayAttr:$kernel, DenseI64ArrayAttr:$strides,
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
  }];
  let arguments = (ins NN_Tensor:$x, StrArrayAttr:$sizes, DenseF64ArrayAttr:$scales, StrAttr:$mode, StrAttr:$coordinate_mode,
      DefaultValuedAttr<StrAttr, "\"round_prefer_floor\"">:$nearest_mode, DefaultValuedAttr<F64Attr, "-0.75">:$cubic_coeff_a,
      DefaultValuedAttr<BoolAttr, "false">:$exclude_outside);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $x `sizes` $sizes `scales` $scales `mode` $mode `coordinate_mode` $coordinate_mode attr-dict
    `:` functional-type(operands, results)
  }];
}

class NN_RecurrentOp<string mnemonic> : NN_SizedOp<mnemonic, [NN_Kernel, AttrSizedOperandSegments]>;

def NN_LstmOp : NN_RecurrentOp<"lstm"> {
  let summary = "LSTM over a sequence (ONNX LSTM, layout 0, default activations).";
  let description = [{
    x [t, b, i]; w [dir, 4h, i]; r [dir, 4h, h]; optional bias [dir, 8h], seq_lens [b] i32, init_h and init_c [dir, b, h],
    peepholes [dir, 3h] → y [t, dir, b, h], y_h, y_c [dir, b, h]. Gates in ONNX's order i, o, f, c.
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, NN_Tensor:$r, Optional<NN_Tensor>:$bias, Optional<NN_IndexTensor>:$seq_lens,
      Optional<NN_Tensor>:$init_h, Optional<NN_Tensor>:$init_c, Optional<NN_Tensor>:$peepholes, I64Attr:$hidden,
      StrAttr:$direction, DefaultValuedAttr<F64Attr, "0.0">:$clip, DefaultValuedAttr<BoolAttr, "false">:$input_forget);
  let results = (outs NN_Tensor:$y, NN_Tensor:$y_h, NN_Tensor:$y_c);
  let assemblyFormat = [{
    $x `,` $w `,` $r (`bias` $bias^)? (`seq_lens` $seq_lens^)? (`init_h` $init_h^)? (`init_c` $init_c^)? (`peepholes` $peepholes^)?
    `hidden` $hidden `direction` $direction attr-dict `:` functional-type(operands, results)
  }];
}

def NN_GruOp : NN_RecurrentOp<"gru"> {
  let summary = "GRU over a sequence (ONNX GRU, layout 0, default activations).";
  let description = [{ As nn.lstm with gates z, r, h: w [dir, 3h, i]; r [dir, 3h, h]; bias [dir, 6h] → y, y_h. }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, NN_Tensor:$r, Optional<NN_Tensor>:$bias, Optional<NN_IndexTensor>:$seq_lens,
      Optional<NN_Tensor>:$init_h, I64Attr:$hidden, StrAttr:$direction, DefaultValuedAttr<F64Attr, "0.0">:$clip,
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
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$scale, Optional<NN_Tensor>:$zero_point, DefaultValuedAttr<I64Attr, "0">:$axis,
      DefaultValuedAttr<I64Attr, "0">:$block);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $scale (`,` $zero_point^)? attr-dict `:` functional-type(operands, results)";
}

def NN_DequantizeOp : NN_LoopSpecOp<"dequantize", "...->...", [NN_Kernel]> {
  let summary = "`(q − zero_point) · scale`; q's unsigned types are ui8, ui4.";
  let description = [{ Scale and zero point as in nn.quantize. A 4-bit weight is `nn.dequantize(nn.weight : tensor<NxKxui4>, …) {axis = 1, block = 32}`. }];
  let arguments = (ins NN_Tensor:$q, NN_Tensor:$scale, Optional<NN_Tensor>:$zero_point, DefaultValuedAttr<I64Attr, "0">:$axis,
      DefaultValuedAttr<I64Attr, "0">:$block);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$q `,` $scale (`,` $zero_point^)? attr-dict `:` functional-type(operands, results)";
}

#endif
