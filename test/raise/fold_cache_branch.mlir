// RUN: split-file %s %t
// RUN: sluice-opt %t/same.mlir --sluice-fold-cache-branch --sluice-assign-roles | FileCheck %t/same.mlir
// RUN: sluice-opt %t/other.mlir --sluice-fold-cache-branch --sluice-assign-roles --remarks-filter=.* --remark-format=emitRemark 2>%t/remarks | FileCheck %t/other.mlir
// RUN: FileCheck %t/other.mlir --check-prefix=REMARK < %t/remarks
// RUN: sluice-opt %t/reads.mlir --sluice-fold-cache-branch --sluice-assign-roles | FileCheck %t/reads.mlir

//--- same.mlir

// Without a past the program with one adds 0 to the positions, concatenates nothing and slices everything: it is the
// other.  It stands in @main, which takes its knowledge of sizes and what it assumes; the condition chose, and is `branch`.
// CHECK-LABEL: func.func @main
// CHECK-SAME: nn.dims = ["batch", "1", "past", "8"]{{[^}]*}}nn.role = "state"
// CHECK-SAME: nn.dims = ["batch", "past + seq"], nn.name = "total"
// CHECK-SAME: nn.name = "use", nn.role = "branch"
// CHECK-SAME: nn.dims = ["batch", "1", "past + seq", "8"], nn.role = "state"
// CHECK-SAME: nn.assumptions = ["batch != 1", "past >= seq"]
// CHECK-NOT: nn.if
// CHECK: tensor.concat
// CHECK-NOT: func.func
func.func @main(%x: tensor<?x1x?x8xf32> {nn.name = "x", nn.dims = ["batch", "1", "seq", "8"]},
                %past: tensor<?x1x?x8xf32> {nn.name = "past", nn.dims = ["batch", "1", "past", "8"]},
                %total: tensor<?x?xi64> {nn.name = "total", nn.dims = ["batch", "total"]},
                %use: tensor<1xi1> {nn.name = "use", nn.dims = ["1"]})
    -> (tensor<?x1x?x8xf32> {nn.dims = ["batch", "1", "fresh", "8"]}, tensor<?xi64>, tensor<?x?xi64>)
    attributes {nn.assumptions = ["batch != 1"]} {
  %c = nn.reshape %use [] : (tensor<1xi1>) -> tensor<i1>
  %r:3 = nn.if %c then @with else @without (%x, %past, %total)
      sizes [["batch", "1", "fresh", "8"], ["seq"], ["batch", "wide"]] symbols ["fresh", "wide"]
      : (tensor<i1>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x?xi64>)
      -> (tensor<?x1x?x8xf32>, tensor<?xi64>, tensor<?x?xi64>)
  return %r#0, %r#1, %r#2 : tensor<?x1x?x8xf32>, tensor<?xi64>, tensor<?x?xi64>
}
func.func private @with(%x: tensor<?x1x?x8xf32> {nn.dims = ["batch", "1", "seq", "8"]},
                        %past: tensor<?x1x?x8xf32> {nn.dims = ["batch", "1", "past", "8"]},
                        %total: tensor<?x?xi64> {nn.dims = ["batch", "past + seq"]})
    -> (tensor<?x1x?x8xf32>, tensor<?xi64>, tensor<?x?xi64>) attributes {nn.assumptions = ["past >= seq"]} {
  %k = tensor.concat dim(2) %past, %x : (tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x1x?x8xf32>
  %i = nn.iota "seq" : tensor<?xi64>
  %p = nn.sizes ["past"] : tensor<i64>
  %n = nn.size "seq"
  %e = tensor.empty(%n) : tensor<?xi64>
  %b = linalg.broadcast ins(%p : tensor<i64>) outs(%e : tensor<?xi64>) dimensions = [0]
  %positions = arith.addi %i, %b : tensor<?xi64>
  %from = nn.size "past"
  %batch = nn.size "batch"
  %last = tensor.extract_slice %total[0, %from] [%batch, %n] [1, 1] : tensor<?x?xi64> to tensor<?x?xi64>
  return %k, %positions, %last : tensor<?x1x?x8xf32>, tensor<?xi64>, tensor<?x?xi64>
}
func.func private @without(%x: tensor<?x1x?x8xf32> {nn.dims = ["batch", "1", "seq", "8"]},
                           %past: tensor<?x1x?x8xf32> {nn.dims = ["batch", "1", "past", "8"]},
                           %total: tensor<?x?xi64> {nn.dims = ["batch", "seq"]})
    -> (tensor<?x1x?x8xf32>, tensor<?xi64>, tensor<?x?xi64>) {
  %i = nn.iota "seq" : tensor<?xi64>
  return %x, %i, %total : tensor<?x1x?x8xf32>, tensor<?xi64>, tensor<?x?xi64>
}

//--- other.mlir

// Keys that the first program makes of other inputs (an encoder's) stay two programs: the input that chooses between
// them is still `branch`, the caches are no states.
// CHECK-LABEL: func.func @main
// CHECK-SAME: nn.name = "past", nn.role = "input"
// CHECK-SAME: nn.name = "use", nn.role = "branch"
// CHECK-SAME: nn.states = []
// CHECK: nn.if
// REMARK: kept as two programs: without a past its two programs differ: argument 0 and arith.negf
// REMARK: no states: only one of two programs grows the caches
func.func @main(%x: tensor<?x8xf32> {nn.name = "x", nn.dims = ["seq", "8"]},
                %past: tensor<?x8xf32> {nn.name = "past", nn.dims = ["past", "8"]},
                %use: tensor<i1> {nn.name = "use", nn.dims = []}) -> tensor<?x8xf32> {
  %r = nn.if %use then @with else @without (%x, %past) sizes [["fresh", "8"]] symbols ["fresh"]
      : (tensor<i1>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}
func.func private @with(%x: tensor<?x8xf32> {nn.dims = ["seq", "8"]}, %past: tensor<?x8xf32> {nn.dims = ["past", "8"]})
    -> tensor<?x8xf32> {
  %k = tensor.concat dim(0) %past, %x : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %k : tensor<?x8xf32>
}
func.func private @without(%x: tensor<?x8xf32> {nn.dims = ["seq", "8"]},
                           %past: tensor<?x8xf32> {nn.dims = ["past", "8"]}) -> tensor<?x8xf32> {
  %n = arith.negf %x : tensor<?x8xf32>
  return %n : tensor<?x8xf32>
}

//--- reads.mlir

// A program that reads the past where the other grows it does not begin without one: the condition is any input.
// CHECK-LABEL: func.func @main
// CHECK-SAME: nn.name = "use", nn.role = "input"
// CHECK: nn.if
func.func @main(%x: tensor<?x8xf32> {nn.name = "x", nn.dims = ["seq", "8"]},
                %past: tensor<?x8xf32> {nn.name = "past", nn.dims = ["past", "8"]},
                %use: tensor<i1> {nn.name = "use", nn.dims = []}) -> tensor<?x8xf32> {
  %r = nn.if %use then @with else @reads (%x, %past) sizes [["fresh", "8"]] symbols ["fresh"]
      : (tensor<i1>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}
func.func private @with(%x: tensor<?x8xf32> {nn.dims = ["seq", "8"]}, %past: tensor<?x8xf32> {nn.dims = ["past", "8"]})
    -> tensor<?x8xf32> {
  %k = tensor.concat dim(0) %past, %x : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %k : tensor<?x8xf32>
}
func.func private @reads(%x: tensor<?x8xf32> {nn.dims = ["seq", "8"]}, %past: tensor<?x8xf32> {nn.dims = ["past", "8"]})
    -> tensor<?x8xf32> {
  return %past : tensor<?x8xf32>
}
