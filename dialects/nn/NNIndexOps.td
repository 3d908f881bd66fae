// Sizes, weights, views and everything that moves elements by index.
#ifndef SLUICE_DIALECTS_NN_NNINDEXOPS_TD
#define SLUICE_DIALECTS_NN_NNINDEXOPS_TD

include "dialects/nn/NNBase.td"

def NN_WeightOp : NN_Op<"weight", [Pure]> {
  let summary = "A constant tensor that lives in a file.";
  let description = [{
    `file` indexes the module's `nn.files`; `offset` and `length` are bytes, row-major, little-endian. 4-bit types are two
    a byte, low nibble first. Never loaded whole: what passes do to weights only becomes a pack expression (codegen).

    ```mlir
    %w = nn.weight "model.embed_tokens.weight" file 1 offset 4096 length 131072 : tensor<512x64xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, I64Attr:$file, I64Attr:$offset, I64Attr:$length);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$name `file` $file `offset` $offset `length` $length attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def NN_SizeOp : NN_Op<"size", [Pure]> {
  let summary = "A size expression as an index, for upstream ops.";
  let description = [{
    The grammar is in runtime/plan/size_expr.h.

    ```mlir
    %n = nn.size "batch * seq"
    ```
  }];
  let arguments = (ins StrAttr:$expr);
  let results = (outs Index:$result);
  let assemblyFormat = "$expr attr-dict";
  let hasVerifier = 1;
}

def NN_SizesOp : NN_SizedOp<"sizes"> {
  let summary = "Size expressions as a tensor of integers (a Shape that data depend on).";
  let description = [{
    A rank-0 result takes one expression.

    ```mlir
    %s = nn.sizes ["batch", "past + seq"] : tensor<2xi64>
    ```
  }];
  let arguments = (ins StrArrayAttr:$exprs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$exprs attr-dict `:` type($result)";
}

def NN_ReshapeOp : NN_SizedOp<"reshape"> {
  let summary = "The same elements in row-major order under other sizes: a view.";
  let description = [{
    ```mlir
    %y = nn.reshape %x ["batch", "seq", "4", "16"] : (tensor<?x?x64xf32>) -> tensor<?x?x4x16xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, StrArrayAttr:$sizes);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x $sizes attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def NN_ReverseOp : NN_LoopSpecOp<"reverse", "...->...", [NN_Kernel]> {
  let summary = "The elements of some dimensions in reverse order (a slice with negative step, a reversed scan).";
  let description = [{
    ```mlir
    %y = nn.reverse %x axes [1] : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
    ```
  }];
  let hasVerifier = 1;
  let arguments = (ins NN_Tensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `axes` $axes attr-dict `:` functional-type(operands, results)";
}

def NN_IotaOp : NN_SizedOp<"iota", [NN_Kernel]> {
  let summary = "0, 1, 2, … along one dimension.";
  let description = [{
    Any integer or float element type.

    ```mlir
    %p = nn.iota "past + seq" : tensor<?xi64>
    ```
  }];
  let arguments = (ins StrAttr:$size);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$size attr-dict `:` type($result)";
}

def NN_GatherOp : NN_SizedOp<"gather", [NN_Kernel, NN_HasAxis, DeclareOpInterfaceMethods<NN_PrecisionOpInterface, ["getOperandRole"]>]> {
  let summary = "Slices of `data` along one axis, chosen by indices (ONNX Gather; an embedding when data is a weight).";
  let description = [{
    result sizes: data[:axis] ++ indices ++ data[axis+1:]. Negative indices count from the end; out of range is an error.

    ```mlir
    %e = nn.gather %table, %ids axis 0 : (tensor<512x64xf32>, tensor<?x?xi64>) -> tensor<?x?x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$data, NN_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$data `,` $indices `axis` $axis attr-dict `:` functional-type(operands, results)";
}

def NN_GatherElementsOp : NN_SizedOp<"gather_elements", [NN_Kernel, NN_HasAxis]> {
  let summary = "Elements of `data` along one axis, one index an element (ONNX GatherElements).";
  let description = [{
    Axis 1 of a matrix: `result[i, j] = data[i, indices[i, j]]`. Negative indices count from the end.

    ```mlir
    %y = nn.gather_elements %x, %i axis 1 : (tensor<?x64xf32>, tensor<?x8xi64>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$data, NN_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$data `,` $indices `axis` $axis attr-dict `:` functional-type(operands, results)";
}

def NN_GatherNdOp : NN_SizedOp<"gather_nd", [NN_Kernel]> {
  let summary = "Slices of `data` chosen by index tuples (ONNX GatherND).";
  let description = [{
    The last dimension of indices is a tuple that names the first dimensions of `data` after `batch_dims` shared ones:
    result sizes are indices[:-1] ++ data[batch_dims + tuple:].

    ```mlir
    %y = nn.gather_nd %x, %i batch_dims 0 : (tensor<?x4x64xf32>, tensor<?x2xi64>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$data, NN_IndexTensor:$indices, I64Attr:$batch_dims);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$data `,` $indices `batch_dims` $batch_dims attr-dict `:` functional-type(operands, results)";
}

def NN_Reduction : NN_Word<["none", "add", "mul", "max", "min"]>;

def NN_ScatterNdOp : NN_LoopSpecOp<"scatter_nd", "...->...", [NN_Kernel]> {
  let summary = "`data` with slices at index tuples replaced or combined (ONNX ScatterND).";
  let description = [{
    Where the gather_nd of the same indices would read, `updates` is written, or combined with what is there.

    ```mlir
    %y = nn.scatter_nd %x, %i, %u {reduction = "add"} : (tensor<?x64xf32>, tensor<?x1xi64>, tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$data, NN_IndexTensor:$indices, NN_Tensor:$updates,
      DefaultValuedAttr<NN_Reduction, "\"none\"">:$reduction);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$data `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_ScatterElementsOp : NN_LoopSpecOp<"scatter_elements", "...->...", [NN_Kernel, NN_HasAxis]> {
  let summary = "`data` with elements along one axis replaced or combined (ONNX ScatterElements).";
  let description = [{
    Where the gather_elements of the same indices would read, `updates` is written, or combined with what is there.

    ```mlir
    %y = nn.scatter_elements %x, %i, %u axis 1 : (tensor<?x64xf32>, tensor<?x8xi64>, tensor<?x8xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$data, NN_IndexTensor:$indices, NN_Tensor:$updates, I64Attr:$axis,
      DefaultValuedAttr<NN_Reduction, "\"none\"">:$reduction);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$data `,` $indices `,` $updates `axis` $axis attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_TopKOp : NN_SizedOp<"top_k", [NN_Kernel, NN_HasAxis]> {
  let summary = "The k largest (or smallest) elements along one axis, and where they were.";
  let description = [{
    `k` is a size expression. Of equal elements the one with the lower index comes first.

    ```mlir
    %v, %i = nn.top_k %x axis -1 k "2" largest true sorted true : (tensor<?x64xf32>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
    ```
  }];
  let arguments = (ins NN_Tensor:$x, I64Attr:$axis, StrAttr:$k, BoolAttr:$largest, BoolAttr:$sorted);
  let results = (outs NN_Tensor:$values, NN_IndexTensor:$indices);
  let assemblyFormat = "$x `axis` $axis `k` $k `largest` $largest `sorted` $sorted attr-dict `:` functional-type(operands, results)";
}

def NN_ArgReduceOp : NN_SizedOp<"arg_reduce", [NN_Kernel, NN_HasAxis]> {
  let summary = "Index of the largest or smallest element along one axis, which is removed.";
  let description = [{
    Of equal elements the first one, or the last when `select_last_index`.

    ```mlir
    %i = nn.arg_reduce %x axis 2 kind "max" : (tensor<?x?x64xf32>) -> tensor<?x?xi64>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, I64Attr:$axis, NN_Word<["max", "min"]>:$kind, DefaultValuedAttr<BoolAttr, "false">:$select_last_index);
  let results = (outs NN_IndexTensor:$result);
  let assemblyFormat = "$x `axis` $axis `kind` $kind attr-dict `:` functional-type(operands, results)";
}

def NN_CumsumOp : NN_LoopSpecOp<"cumsum", "...->...", [NN_Kernel, NN_HasAxis]> {
  let summary = "Running sum along one axis.";
  let description = [{
    `exclusive` leaves the element itself out; `reverse` sums from the end.

    ```mlir
    %y = nn.cumsum %x axis 1 {exclusive = true} : (tensor<?x?xi64>) -> tensor<?x?xi64>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$exclusive,
      DefaultValuedAttr<BoolAttr, "false">:$reverse);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `axis` $axis attr-dict `:` functional-type(operands, results)";
}

def NN_NonzeroOp : NN_SizedOp<"nonzero", [NN_Kernel]> {
  let summary = "Index tuples of the elements that are not zero.";
  let description = [{
    x of rank r → [r, count]. The count is a data-dependent size: it gets the fresh symbol `symbol`, at most the number of
    elements of x, and is known to the ops after this one.

    ```mlir
    %at = nn.nonzero %mask symbol "hits" : (tensor<?xi1>) -> tensor<1x?xi64>
    ```
  }];
  let arguments = (ins NN_Tensor:$x, StrAttr:$symbol);
  let results = (outs NN_IndexTensor:$result);
  let assemblyFormat = "$x `symbol` $symbol attr-dict `:` functional-type(operands, results)";
}

def NN_IfOp : NN_Op<"if", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Calls one of two sub-programs.";
  let description = [{
    Both take `args` and give the results. A result dimension that the two branches spell differently gets a fresh symbol,
    listed in `symbols`; `sizes` holds one list of expressions a result.

    ```mlir
    %r = nn.if %c then @then else @else (%x) sizes [["batch", "4"]] symbols [] : (tensor<i1>, tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins NN_BoolTensor:$condition, FlatSymbolRefAttr:$then_program, FlatSymbolRefAttr:$else_program,
      Variadic<NN_Tensor>:$args, ArrayAttr:$sizes, StrArrayAttr:$symbols);
  let results = (outs Variadic<NN_Tensor>:$outs);
  let assemblyFormat = [{
    $condition `then` $then_program `else` $else_program `(` $args `)` `sizes` $sizes `symbols` $symbols attr-dict
    `:` functional-type(operands, results)
  }];
}

def NN_LoopOp : NN_Op<"loop", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "ONNX Loop: calls a sub-program until a condition or a trip count ends it.";
  let description = [{
    The body takes (iteration i64, condition i1, carried…, captured…) and gives (condition, carried…, scanned…). Results
    are the carried values, then each scanned value stacked along a new first dimension. `trip` and `condition` are optional
    operands; `sizes` and `symbols` as in nn.if.

    ```mlir
    %r = nn.loop @body trip %n carried (%x) captured () sizes [["batch", "4"]] symbols []
        : (tensor<i64>, tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins Optional<NN_Tensor>:$trip, Optional<NN_BoolTensor>:$condition, Variadic<NN_Tensor>:$carried,
      Variadic<NN_Tensor>:$captured, FlatSymbolRefAttr:$body, ArrayAttr:$sizes, StrArrayAttr:$symbols);
  let results = (outs Variadic<NN_Tensor>:$outs);
  let assemblyFormat = [{
    $body (`trip` $trip^)? (`while` $condition^)? `carried` `(` $carried `)` `captured` `(` $captured `)` `sizes` $sizes
    `symbols` $symbols attr-dict `:` functional-type(operands, results)
  }];
}

#endif
