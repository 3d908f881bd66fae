// The `exec` dialect: dispatches on tensors, then programs of launches on buffers, an op an artifact record.
#ifndef SLUICE_DIALECTS_EXEC_EXECOPS_TD
#define SLUICE_DIALECTS_EXEC_EXECOPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Exec_Dialect : Dialect {
  let name = "exec";
  let cppNamespace = "::mlir::exec";
  let summary = "What runs: kernels, buffers and launches; one op is one record of runtime/artifact/program.fbs.";
  let description = [{
    After fuse, functions hold `exec.dispatch` of `exec.kernel`s on tensors and `exec.constant` references to
    `exec.weight`s. After memory, each function is an `exec.program` of `exec.launch`es on `exec.view`s of `exec.buffer`s.

    Sizes are texts of size expressions (runtime/plan/size_expr.h) over the module's `exec.symbol`s.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

class Exec_Type<string name, string typeMnemonic> : TypeDef<Exec_Dialect, name> {
  let mnemonic = typeMnemonic;
}
def Exec_Buffer : Exec_Type<"Buffer", "buffer">, BuildableType<"$_builder.getType<::mlir::exec::BufferType>()"> {
  let summary = "Bytes a program's launches read and write.";
}
def Exec_View : Exec_Type<"View", "view">, BuildableType<"$_builder.getType<::mlir::exec::ViewType>()"> {
  let summary = "How one launch sees a buffer: element type, offset, sizes, strides.";
}

class Exec_Op<string mnemonic, list<Trait> traits = []> : Op<Exec_Dialect, mnemonic, traits>;
// An op of the module's top level, or of a program's.
class Exec_ModuleOp<string mnemonic, list<Trait> traits = []> : Exec_Op<mnemonic, traits # [HasParent<"::mlir::ModuleOp">]>;
class Exec_ProgramOp<string mnemonic, list<Trait> traits = []> : Exec_Op<mnemonic, traits # [HasParent<"ProgramOp">]>;

//===-- Enums ------------------------------------------------------------------------------------------------------===//

class Exec_Enum<string name, string doc, list<I32EnumAttrCase> cases> : I32EnumAttr<name, doc, cases> {
  let cppNamespace = "::mlir::exec";
  let genSpecializedAttr = 0;
}
class Exec_EnumAttr<EnumAttrInfo info, string attrMnemonic> : EnumAttr<Exec_Dialect, info, attrMnemonic> {
  let assemblyFormat = "$value";
}

def Exec_SymbolKind : Exec_Enum<"SymbolKind", "Where a symbol's value comes from.", [
    I32EnumAttrCase<"Free", 0, "free">, I32EnumAttrCase<"Counted", 1, "counted">, I32EnumAttrCase<"Result", 2, "result">]>;
def Exec_SymbolKindAttr : Exec_EnumAttr<Exec_SymbolKind, "symbol_kind">;

def Exec_BufferKind : Exec_Enum<"BufferKind", "What a buffer's bytes are.", [
    I32EnumAttrCase<"Arena", 0, "arena">, I32EnumAttrCase<"Weight", 1, "weight">, I32EnumAttrCase<"Constant", 2, "constant">,
    I32EnumAttrCase<"Input", 3, "input">, I32EnumAttrCase<"Output", 4, "output">, I32EnumAttrCase<"State", 5, "state">]>;
def Exec_BufferKindAttr : Exec_EnumAttr<Exec_BufferKind, "buffer_kind">;

def Exec_PortKind : Exec_Enum<"PortKind", "Direction of a port.", [
    I32EnumAttrCase<"Input", 0, "input">, I32EnumAttrCase<"Output", 1, "output">]>;
def Exec_PortKindAttr : Exec_EnumAttr<Exec_PortKind, "port_kind">;

// kernels/desc.h, Layout.
def Exec_Layout : Exec_Enum<"Layout", "How a weight's elements lie in memory (docs/layouts.md).", [
    I32EnumAttrCase<"RowMajor", 0, "row_major">, I32EnumAttrCase<"NkTile16", 1, "nk_tile16">,
    I32EnumAttrCase<"Q4Block32", 2, "q4_block32">, I32EnumAttrCase<"OihwTile16", 3, "oihw_tile16">]>;
def Exec_LayoutAttr : Exec_EnumAttr<Exec_Layout, "layout">;

//===-- Module level: kernels, weights, symbols --------------------------------------------------------------------===//

def Exec_KernelOp : Exec_ModuleOp<"kernel", [Symbol, SingleBlock, NoTerminator, IsolatedFromAbove]> {
  let summary = "A kernel: one of the library with its attributes, or a generated one with its linalg body.";
  let description = [{
    A library kernel names its entry of `kernels/registry.h` and keeps the attributes of the nn op it computes.
    A generated kernel's block takes the tensors it reads, then those it writes. `dims` spells each one's sizes: numbers and
    parameters `p0`, `p1` …, whose values each dispatch gives. The body is linalg on these tensors; `exec.yield` returns what
    was written. `grid` is the number of rows of the outermost loop, which the runtime divides among threads: all loops but
    the innermost are one. Tensors that are not read densely have `strides` and `offsets`, in elements.
    `cuda` holds the text and the launch of its form for a GPU (passes/fuse/DeviceKernel.h); a kernel without runs on the CPU.

    ```mlir
    exec.kernel @rms_norm library "rms_norm" {eps = 1.0e-05 : f64}
    exec.kernel @ew_0 generated dims [["p0"], ["p0"]] grid "p0" {
    ^bb0(%x: tensor<?xf32>, %y: tensor<?xf32>):
      %0 = linalg.generic ... ins(%x) outs(%y) { math.exp }
      exec.yield %0
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<StrAttr>:$library, OptionalAttr<DictionaryAttr>:$config,
      OptionalAttr<ArrayAttr>:$dims, OptionalAttr<StrAttr>:$grid, OptionalAttr<ArrayAttr>:$strides,
      OptionalAttr<ArrayAttr>:$offsets, OptionalAttr<DictionaryAttr>:$cuda);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $sym_name (`library` $library^)? (custom<Config>($config)^)? (`generated` `dims` $dims^ `grid` $grid)?
    (`strides` $strides^ `offsets` $offsets)? (`cuda` $cuda^)? ($body^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isGenerated() { return !getLibrary(); }
    // Generated kernels: number of tensors written; the others of the block's arguments are read.
    unsigned getNumOuts();
    // Generated kernels: number of parameters (1 + the largest N of a `pN`).
    unsigned getNumParams();
    static ::llvm::StringRef getDefaultDialect() { return "exec"; }
  }];
}

def Exec_YieldOp : Exec_Op<"yield", [Terminator, Pure, ParentOneOf<["KernelOp", "WeightOp"]>]> {
  let summary = "What a generated kernel wrote, or the value of a weight expression.";
  let description = [{
    ```mlir
    exec.yield %w : tensor<64x64xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

def Exec_WeightOp : Exec_ModuleOp<"weight", [Symbol, SingleBlock, NoTerminator, IsolatedFromAbove]> {
  let summary = "A weight of the artifact: its layout and the expression that packs it from the model's files.";
  let description = [{
    The region is ordinary IR over `nn.weight` and constants (slices, casts, transposes, concats, dequantization); codegen
    turns it into a pack expression. Every user reads the one layout.

    ```mlir
    exec.weight @w0 "layers.0.q" layout nk_tile16 : tensor<64x64xf32> {
      %w = nn.weight "layers.0.q" file 1 offset 0 length 16384 : tensor<64x64xf32>
      exec.yield %w : tensor<64x64xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$name, Exec_LayoutAttr:$layout, TypeAttr:$type);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $name `layout` $layout `:` $type $body attr-dict";
  let hasVerifier = 1;
}

def Exec_SymbolOp : Exec_ModuleOp<"symbol"> {
  let summary = "A named dimension: where its value comes from and its bounds.";
  let description = [{
    `counted`: written by a launch (`counts`), at most `bound`; `result`: bound when a call returns.
    ```mlir
    exec.symbol "batch" free min 1 max 8
    exec.symbol "nonzero.0" counted bound "batch * seq"
    ```
  }];
  let arguments = (ins StrAttr:$name, Exec_SymbolKindAttr:$kind, OptionalAttr<StrAttr>:$bound,
      DefaultValuedAttr<I64Attr, "0">:$min, DefaultValuedAttr<I64Attr, "-1">:$max);
  let assemblyFormat = "$name $kind (`bound` $bound^)? (`min` $min^)? (`max` $max^)? attr-dict";
  let hasVerifier = 1;
}

def Exec_AssumeOp : Exec_ModuleOp<"assume", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A relation between sizes that the runtime checks when a program is entered.";
  let description = [{
    Relations are `==`, `!=` and `>=`. Without a program it is @main's, checked once a run; a sub-program's is checked at each
    call: a branch that is not taken refuses nothing.
    ```mlir
    exec.assume "total == past + seq"
    exec.assume "past >= 1" in @with_past
    ```
  }];
  let arguments = (ins StrAttr:$text, OptionalAttr<FlatSymbolRefAttr>:$program);
  let assemblyFormat = "$text (`in` $program^)? attr-dict";
  let hasVerifier = 1;
}

def Exec_StateOp : Exec_ModuleOp<"state", [Symbol]> {
  let summary = "A cache that lives in a context and grows along one axis.";
  let description = [{
    `sizes` are those of the past; `before` and `after` the lengths along `axis`. `input` and `output` number @main's ports;
    -1: none.
    ```mlir
    exec.state @s0 "0.k" layer 0 component "k" f32 ["batch", "2", "past", "16"] axis 2 before "past" after "past + seq" input 3 output 1
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$name, I64Attr:$layer, StrAttr:$component, TypeAttr:$type,
      StrArrayAttr:$sizes, I64Attr:$axis, StrAttr:$before, StrAttr:$after, I64Attr:$input, I64Attr:$output);
  let assemblyFormat = [{
    $sym_name $name `layer` $layer `component` $component $type $sizes `axis` $axis `before` $before `after` $after
    `input` $input `output` $output attr-dict
  }];
  let hasVerifier = 1;
}

//===-- Tensor level: after fuse -----------------------------------------------------------------------------------===//

def Exec_ConstantOp : Exec_Op<"constant", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a weight.";
  let description = [{
    ```mlir
    %w = exec.constant @w0 : tensor<64x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Exec_DispatchOp : Exec_Op<"dispatch", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Computes tensors with a kernel.";
  let description = [{
    Operands stand in the kernel's order; an optional one that is absent is written `none`. `sizes` spells the results'
    sizes; `params` are the values of a generated kernel's parameters; `counts` names symbols that the kernel determines.

    ```mlir
    %y = exec.dispatch @attention(%q, %k, %v, none, %m) sizes [["batch", "4", "seq", "16"]]
        : (tensor<?x4x?x16xf32>, ...) -> tensor<?x4x?x16xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyRankedTensor>:$ins, DenseI64ArrayAttr:$absent,
      ArrayAttr:$sizes, OptionalAttr<StrArrayAttr>:$params, OptionalAttr<StrArrayAttr>:$counts);
  let results = (outs Variadic<AnyRankedTensor>:$outs);
  let assemblyFormat = [{
    $kernel `(` custom<Slots>($ins, $absent) `)` `sizes` $sizes (`params` $params^)? (`counts` $counts^)? attr-dict
    `:` functional-type($ins, $outs)
  }];
  let hasVerifier = 1;
}

//===-- Buffer level: after memory ---------------------------------------------------------------------------------===//

def Exec_ProgramOp : Exec_ModuleOp<"program", [Symbol, SingleBlock, NoTerminator, IsolatedFromAbove, RegionKindInterface]> {
  let summary = "A function of the artifact: ports, buffers and launches in order.";
  let description = [{
    `@main` is the entry; others are called by `exec.if` and `exec.loop`. Instructions are numbered from 0 in order.
    ```mlir
    exec.program @main {
      %in = exec.buffer input 0
      %out = exec.buffer output 0
      exec.port input "x" f32 ["batch", "64"] in %in
      exec.port output "y" f32 ["batch", "64"] in %out
      %x = exec.view %in f32 ["batch", "64"]
      %y = exec.view %out f32 ["batch", "64"]
      exec.launch @rms_norm ins(%x, %w) outs(%y)
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $body attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    static ::mlir::RegionKind getRegionKind(unsigned) { return ::mlir::RegionKind::SSACFG; }
    static ::llvm::StringRef getDefaultDialect() { return "exec"; }
  }];
}

def Exec_BufferOp : Exec_ProgramOp<"buffer"> {
  let summary = "A buffer: planned, or that of a weight, constant, port or state.";
  let description = [{
    ```mlir
    %x = exec.buffer input 0
    %t = exec.buffer arena bytes "4 * batch * seq" live [0, 2]
    %w = exec.buffer weight @w0
    %c = exec.buffer constant value dense<1.0> : tensor<4xf32>
    ```
    `live`: the first and last instruction that touches it (arena only).
  }];
  let arguments = (ins Exec_BufferKindAttr:$kind, OptionalAttr<FlatSymbolRefAttr>:$source, OptionalAttr<I64Attr>:$index,
      OptionalAttr<StrAttr>:$bytes, OptionalAttr<DenseI64ArrayAttr>:$live, OptionalAttr<ElementsAttr>:$value);
  let results = (outs Exec_Buffer:$result);
  let assemblyFormat = "$kind ($source^)? (custom<PortNumber>($index)^)? (`bytes` $bytes^)? (`live` $live^)? (`value` $value^)? attr-dict";
  let hasVerifier = 1;
}

def Exec_PortOp : Exec_ProgramOp<"port"> {
  let summary = "An input or output of the program, in order.";
  let description = [{
    ```mlir
    exec.port input "input_ids" i64 ["batch", "seq"] role "tokens" in %x
    ```
  }];
  let arguments = (ins Exec_PortKindAttr:$kind, StrAttr:$name, TypeAttr:$type, StrArrayAttr:$sizes, OptionalAttr<StrAttr>:$role,
      OptionalAttr<FlatSymbolRefAttr>:$state, Exec_Buffer:$buffer);
  let assemblyFormat = "$kind $name $type $sizes (`role` $role^)? (`state` $state^)? `in` $buffer attr-dict";
}

def Exec_ViewOp : Exec_ProgramOp<"view"> {
  let summary = "A buffer as a launch sees it.";
  let description = [{
    `offset` and `strides` are in elements; without strides the view is dense. On a state `start` is the position along
    the state's axis that it begins at.
    ```mlir
    %v = exec.view %t f32 ["batch", "4", "seq", "16"] strides ["64 * seq", "16", "64", "1"]
    ```
  }];
  let arguments = (ins Exec_Buffer:$buffer, TypeAttr:$type, StrArrayAttr:$sizes, OptionalAttr<StrArrayAttr>:$strides,
      OptionalAttr<StrAttr>:$offset, OptionalAttr<StrAttr>:$start);
  let results = (outs Exec_View:$result);
  let assemblyFormat = "$buffer $type $sizes (`strides` $strides^)? (`offset` $offset^)? (`start` $start^)? attr-dict";
  let hasVerifier = 1;
}

def Exec_LaunchOp : Exec_ProgramOp<"launch", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a kernel.";
  let description = [{
    ```mlir
    exec.launch @rms_norm ins(%x, %w) outs(%y)
    exec.launch @ew_0 ins(%x) outs(%y) grid "batch * seq" params ["batch * seq"]
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Exec_View>:$ins, Variadic<Exec_View>:$outs, DenseI64ArrayAttr:$absent,
      OptionalAttr<StrAttr>:$grid, OptionalAttr<StrArrayAttr>:$params, OptionalAttr<StrArrayAttr>:$counts);
  let assemblyFormat = [{
    $kernel `ins` `(` custom<Slots>($ins, $absent) `)` `outs` `(` $outs `)` (`grid` $grid^)? (`params` $params^)?
    (`counts` $counts^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Exec_IfOp : Exec_ProgramOp<"if", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Calls one of two programs.";
  let description = [{
    `bind` lists (result, dimension, symbol): symbols bound from the results' sizes when the call returns.
    ```mlir
    exec.if %c then @a else @b ins(%x) outs(%y) bind [[0, 1, "s0"]]
    ```
  }];
  let arguments = (ins Exec_View:$condition, FlatSymbolRefAttr:$then_program, FlatSymbolRefAttr:$else_program,
      Variadic<Exec_View>:$args, Variadic<Exec_View>:$outs, ArrayAttr:$bind);
  let assemblyFormat = [{
    $condition `then` $then_program `else` $else_program `ins` `(` $args `)` `outs` `(` $outs `)` `bind` $bind attr-dict
  }];
}

def Exec_LoopOp : Exec_ProgramOp<"loop", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Calls a program until its condition or the trip count ends it.";
  let description = [{
    ```mlir
    exec.loop @body trip %n while %c carried(%x) captured(%w) outs(%y, %scanned) bind [[1, 0, "trips"]]
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$body, Optional<Exec_View>:$trip, Optional<Exec_View>:$condition,
      Variadic<Exec_View>:$carried, Variadic<Exec_View>:$captured, Variadic<Exec_View>:$outs, ArrayAttr:$bind);
  let assemblyFormat = [{
    $body (`trip` $trip^)? (`while` $condition^)? `carried` `(` $carried `)` `captured` `(` $captured `)`
    `outs` `(` $outs `)` `bind` $bind attr-dict
  }];
}

def Exec_PackOp : Exec_ProgramOp<"pack"> {
  let summary = "Places the arena buffers for an upper bound of the symbols: the problem, then its answer.";
  let description = [{
    `bounds`: the largest value of each symbol. `offsets`: one an arena buffer, in order; absent until solved.
    ```mlir
    exec.pack bounds {batch = 8 : i64, seq = 512 : i64} offsets [0, 4096, 0] arena 8192 lower_bound 8192
    ```
  }];
  let arguments = (ins DictionaryAttr:$bounds, OptionalAttr<DenseI64ArrayAttr>:$offsets, OptionalAttr<I64Attr>:$arena,
      OptionalAttr<I64Attr>:$lower_bound);
  let assemblyFormat = "`bounds` $bounds (`offsets` $offsets^ `arena` $arena `lower_bound` $lower_bound)? attr-dict";
  let hasVerifier = 1;
}

#endif
