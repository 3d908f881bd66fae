// RUN: sluice-opt %s --split-input-file --sluice-order-ops=nominal=4 | FileCheck %s

// Two big values of 4000 bytes and their sums of 40: as given both big ones are alive at once, 8040 bytes; with each sum
// after its big value 4080.
exec.kernel @big library "copy"
exec.kernel @sum library "reduce"
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = exec.dispatch @big(%arg0)
// CHECK-NEXT: %[[C:.*]] = exec.dispatch @sum(%[[A]])
// CHECK-NEXT: %[[B:.*]] = exec.dispatch @big(%arg1)
// CHECK-NEXT: %[[D:.*]] = exec.dispatch @sum(%[[B]])
// CHECK-NEXT: return %[[C]], %[[D]]
func.func @main(%x: tensor<10xf32>, %y: tensor<10xf32>) -> (tensor<10xf32>, tensor<10xf32>) {
  %a = exec.dispatch @big(%x) sizes [["100", "10"]] : (tensor<10xf32>) -> tensor<100x10xf32>
  %b = exec.dispatch @big(%y) sizes [["100", "10"]] : (tensor<10xf32>) -> tensor<100x10xf32>
  %c = exec.dispatch @sum(%a) sizes [["10"]] : (tensor<100x10xf32>) -> tensor<10xf32>
  %d = exec.dispatch @sum(%b) sizes [["10"]] : (tensor<100x10xf32>) -> tensor<10xf32>
  return %c, %d : tensor<10xf32>, tensor<10xf32>
}

// -----

// Nothing to win: the order stays as it is given.
exec.kernel @copy library "copy"
// CHECK-LABEL: func.func @main
// CHECK: exec.dispatch @copy(%arg1)
// CHECK-NEXT: exec.dispatch @copy(%arg0)
func.func @main(%x: tensor<10xf32>, %y: tensor<10xf32>) -> (tensor<10xf32>, tensor<10xf32>) {
  %a = exec.dispatch @copy(%y) sizes [["10"]] : (tensor<10xf32>) -> tensor<10xf32>
  %b = exec.dispatch @copy(%x) sizes [["10"]] : (tensor<10xf32>) -> tensor<10xf32>
  return %a, %b : tensor<10xf32>, tensor<10xf32>
}
