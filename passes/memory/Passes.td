// Passes of the memory phase: tensors become buffers, buffers become slices of one arena.
#ifndef SLUICE_PASSES_MEMORY_PASSES_TD
#define SLUICE_PASSES_MEMORY_PASSES_TD

include "mlir/Pass/PassBase.td"

def OrderOpsPass : Pass<"sluice-order-ops", "::mlir::ModuleOp"> {
  let summary = "Reorders dispatches so that fewer bytes are alive at one time.";
  let description = [{
    Runs first in memory, on tensors, where any order that respects uses is right. List scheduling: of the ops that are
    ready, the one that frees most (and needs least) comes next. Kept only where the peak is lower than the given order's, at
    nominal sizes.
  }];
  let options = [Option<"nominal", "nominal", "int64_t", "64", "Value of every dimension while bytes are compared">];
}

def ConvertToProgramPass : Pass<"sluice-convert-to-program", "::mlir::ModuleOp"> {
  let summary = "Turns functions of dispatches on tensors into programs of launches on buffers.";
  let description = [{
    Input: `exec.dispatch`, views (`nn.reshape`, `linalg.transpose`, `tensor.extract_slice`, `linalg.broadcast`), `tensor.concat`,
    `nn.if`, `nn.loop`. Output: `exec.program` with `exec.launch`, `exec.symbol`, `exec.assume`, `exec.state`.

    Views cost nothing; a kernel that reads no strides gets a dense copy. Results are written into the output, concat or state
    that wants them, or over an operand that dies.
  }];
  let dependentDialects = ["::mlir::exec::ExecDialect"];
}

def ShareLaunchesPass : Pass<"sluice-share-launches", "::mlir::ModuleOp"> {
  let summary = "Gives neighbouring launches that need nothing of each other one launch on a GPU.";
  let description = [{
    Runs once launches are on buffers, copies among them, and before buffers have places: a launch that is several keeps all
    their operands alive together.

    Input: `exec.launch @rope ins(%q, …) outs(%q1)`, `exec.launch @copy ins(%v) outs(%values)`.
    Output: `exec.launch @rope_copy ins(%q, …, %v) outs(%q1, %values) params ["blocks of rope", "blocks of copy"]`, whose kernel
    gives each part a share of its blocks.

    Leaves alone kernels that need a launch for themselves (`kernels/cuda.h`, CudaKernel::part), launches of which one writes a
    buffer that the other touches, and everything on the CPU.
  }];
  let dependentDialects = ["::mlir::exec::ExecDialect"];
}

def PackBuffersPass : Pass<"sluice-pack-buffers", "::mlir::ModuleOp"> {
  let summary = "Places arena buffers for each bucket of sizes, when the symbols have bounds.";
  let description = [{
    Input: programs with live ranges; `dims` bounds every free symbol (`batch=1..8`), `buckets` gives edges (`seq=16,128`).
    Output: bounds on `exec.symbol`s and an `exec.pack` with offsets for each combination of edges. Without bounds the runtime plans.
  }];
  let options = [
    ListOption<"dims", "dims", "std::string", "Bounds, NAME=MIN..MAX">,
    ListOption<"buckets", "buckets", "std::string", "Edges, NAME=E:E:E">];
  let dependentDialects = ["::mlir::exec::ExecDialect"];
}

def VerifyMemoryPass : Pass<"sluice-verify-memory", "::mlir::ModuleOp"> {
  let summary = "Checks that only programs are left, that live ranges hold, and that no two live buffers share bytes.";
  let description = [{ The message names the buffers, their ranges and the bytes they share. }];
}

#endif
