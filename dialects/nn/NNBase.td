// Dialect, base classes and attributes of `nn`; the ops are in NN*Ops.td, a file per family.
#ifndef SLUICE_DIALECTS_NN_NNBASE_TD
#define SLUICE_DIALECTS_NN_NNBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/common/Interfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::mlir::nn";
  let summary = "Neural networks on tensors: what Sluice's passes reason about.";
  let description = [{
    Only contractions, convolutions, attention, norms, rope, softmax, gathers, top-k, MoE, quantization, recurrent
    cells, weights and sizes are `nn` ops. Element-wise maths is `arith`/`math` on tensors, with every broadcast and
    transpose explicit (`linalg.broadcast`, `linalg.transpose`); reductions are `linalg.reduce`.

    Dimensions that vary are `?` in types; which expression a `?` is follows from the text: arguments carry
    `nn.dims = ["batch", "past + seq"]`, `nn.size "expr" : index` gives sizes to upstream ops, and every nn op infers
    its results' sizes from its operands' (`dialects/nn/SizeAnalysis.h`).
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 0;
  let hasCanonicalizer = 1;
}

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

// An op with no memory effects whose result sizes are inferred and verified.
class NN_SizedOp<string mnemonic, list<Trait> traits = []>
    : NN_Op<mnemonic, traits # [Pure, DeclareOpInterfaceMethods<NN_LoopSpecOpInterface, ["inferSizes"]>]>;

// An op whose sizes follow from a loop spec.
class NN_LoopSpecOp<string mnemonic, string spec, list<Trait> traits = []>
    : NN_Op<mnemonic, traits # [Pure, NN_LoopSpecOpInterface]> {
  code loopSpecDecl = [{
    static ::llvm::StringRef getLoopSpec() { return "}] # spec # [{"; }
  }];
  let extraClassDeclaration = loopSpecDecl;
}

def NN_Kernel : DeclareOpInterfaceMethods<NN_KernelOpInterface>;

// `axis` is a dimension of the first operand, counted from the end when it is negative.
def NN_HasAxis : NativeOpTrait<"HasAxis"> {
  let cppNamespace = "::mlir::nn";
}

// A text that is one of a few words.
class NN_Word<list<string> words> : ConfinedAttr<StrAttr, [AttrConstraint<
    CPred<"::llvm::is_contained<::llvm::StringRef>({\"" # !interleave(words, "\", \"") #
          "\"}, ::llvm::cast<::mlir::StringAttr>($_self).getValue())">,
    "that is one of " # !interleave(words, ", ")>]>;

defvar NN_Tensor = AnyRankedTensor;
def NN_FloatTensor : RankedTensorOf<[AnyFloat]>;
def NN_IndexTensor : RankedTensorOf<[I64, I32]>;
def NN_BoolTensor : RankedTensorOf<[I1]>;

//===-- Attributes -------------------------------------------------------------------------------------------------===//

def NN_PatternAttr : AttrDef<NN_Dialect, "Pattern"> {
  let mnemonic = "pattern";
  let summary = "Which keys a query sees: one attribute, replaced by sparsify.";
  let description = [{
    `#nn.pattern<full>`, `#nn.pattern<causal>`, `#nn.pattern<causal, window = 6>`. Causal: key position ≤ query position;
    window w: query position − key position < w as well. The query of row i sits at key position t − s + i, or at
    lengths[b] − s + i when the op has `lengths`.
  }];
  let parameters = (ins "bool":$causal, "int64_t":$window);
  let hasCustomAssemblyFormat = 1;
}

def NN_FullyMaskedAttr : I32EnumAttr<"EmptyRows", "The result of a query that sees no key.", [
    I32EnumAttrCase<"Zero", 0, "zero">, I32EnumAttrCase<"Uniform", 1, "uniform">,
    I32EnumAttrCase<"Scores", 2, "scores">, I32EnumAttrCase<"Either", 3, "either">]> {
  let cppNamespace = "::mlir::nn";
}

#endif
