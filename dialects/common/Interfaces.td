#ifndef SLUICE_DIALECTS_COMMON_INTERFACES_TD
#define SLUICE_DIALECTS_COMMON_INTERFACES_TD

include "mlir/IR/OpBase.td"

def NN_LoopSpecOpInterface : OpInterface<"LoopSpecOpInterface"> {
  let cppNamespace = "::mlir::nn";
  let description = [{
    An op whose dimensions are related by one loop spec, an einsum-like string such as `...k,nk->...n`
    (dialects/common/LoopSpec.h). Sizes, verification, the sharding rule and the reference lowering are derived from
    it. An op that no spec can say returns an empty one and overrides `inferSizes`.
  }];
  let methods = [
    StaticInterfaceMethod<"The loop spec; empty for none.", "::llvm::StringRef", "getLoopSpec", (ins), "",
      [{ return ""; }]>,
    InterfaceMethod<[{
        Sizes of each result, from the sizes of the operands: the one function behind the verifier, the size analysis
        and the runtime's shapes. Emits an op error and fails when the operands contradict each other.
      }], "::llvm::LogicalResult", "inferSizes",
      (ins "::llvm::ArrayRef<::mlir::nn::Sizes>":$operands, "::llvm::SmallVectorImpl<::mlir::nn::Sizes> &":$results), "",
      [{ return ::mlir::nn::detail::sizesFromLoopSpec($_op, ConcreteOp::getLoopSpec(), operands, results); }]>,
    InterfaceMethod<"One affine map per spec input, then the result.", "::llvm::SmallVector<::mlir::AffineMap>",
      "getLoopMaps", (ins), "", [{ return ::mlir::nn::detail::loopMaps($_op, ConcreteOp::getLoopSpec()); }]>,
    InterfaceMethod<"A factor per loop with size and kind, printed like Shardy's rules.", "std::string",
      "getShardingRule", (ins), "", [{ return ::mlir::nn::detail::shardingRule($_op, ConcreteOp::getLoopSpec()); }]>
  ];
  let verify = [{ return ::mlir::nn::detail::verifySizes($_op); }];
}

def NN_PrecisionOpInterface : OpInterface<"PrecisionOpInterface"> {
  let cppNamespace = "::mlir::nn";
  let description = [{ What the precision phase may do to each operand. }];
  let methods = [
    InterfaceMethod<"The role of operand `index`.", "::mlir::nn::OperandRole", "getOperandRole", (ins "unsigned":$index), "",
      [{ return ::mlir::nn::OperandRole::Activation; }]>
  ];
}

def NN_KernelOpInterface : OpInterface<"KernelOpInterface"> {
  let cppNamespace = "::mlir::nn";
  let description = [{ The query to the kernel registry: an op that one library kernel computes. }];
  let methods = [
    InterfaceMethod<[{ Name of the kernel in kernels/registry.h. Operands, results and attributes go to it in the op's order. }],
      "::llvm::StringRef", "getKernelName", (ins), "",
      [{ return ConcreteOp::getOperationName().substr(3); }]>
  ];
}

#endif
