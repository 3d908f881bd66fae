// Phases are named, and run in one order.

// RUN: not sluice-compile %s --from memory --to fuse 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not sluice-compile %s --to link 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not sluice-compile %s --from import -o %t.sluice 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not sluice-compile %s --from fuse -o %t.sluice 2>&1 | FileCheck %s --check-prefix=BROKEN

// ORDER: sluice-compile: error: --to: phase fuse comes before memory
// NAME: sluice-compile: error: --to: no phase 'link' (phases: import, raise, precision, sparsify, shard, fuse, memory, codegen)
// TEXT: sluice-compile: error: --from: import reads an ONNX model, not {{.*}}order.mlir

// A text that no earlier phase would give is refused where it is wrong.
// BROKEN: sluice-compile: error: {{.*}}operand 1: loop 'k' has size 9 but was 8
func.func @main(%x: tensor<?x8xf32>, %w: tensor<4x9xf32>) {
  %y = nn.linear %x, %w : (tensor<?x8xf32>, tensor<4x9xf32>) -> tensor<?x4xf32>
  return
}
