// RUN: sluice-opt %s --sluice-assign-roles | FileCheck %s

// A decoder without names that say anything.  Tokens index the table whose 32 rows are the logits' width; the mask
// reaches attention; what is as long as the tokens and is neither tells positions; the caches are concatenated with new
// keys and values and returned.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %arg0: tensor<?x?xi64> {{[^}]*}}nn.role = "tokens"
// CHECK-SAME: %arg1: tensor<?x?xi1> {{[^}]*}}nn.role = "mask"
// CHECK-SAME: %arg2: tensor<?x?xi64> {{[^}]*}}nn.role = "positions"
// CHECK-SAME: %arg3: tensor<?x1x?x8xf32> {{[^}]*}}nn.role = "state"
// CHECK-SAME: %arg4: tensor<?x1x?x8xf32> {{[^}]*}}nn.role = "state"
// CHECK-SAME: -> (tensor<?x1x?x8xf32> {nn.role = "state"}, tensor<?x?x32xf32> {nn.role = "logits"}, tensor<?x1x?x8xf32> {nn.role = "state"})
// CHECK-SAME: nn.states = [{axis = 2 : i64, component = "v", layer = 0 : i64, name = "0.v", past = 3 : i64, present = 0 : i64},
// CHECK-SAME: {axis = 2 : i64, component = "k", layer = 0 : i64, name = "0.k", past = 4 : i64, present = 2 : i64}]
func.func @main(%a: tensor<?x?xi64> {nn.name = "a", nn.dims = ["batch", "seq"]},
                %b: tensor<?x?xi1> {nn.name = "b", nn.dims = ["batch", "past + seq"]},
                %c: tensor<?x?xi64> {nn.name = "c", nn.dims = ["batch", "seq"]},
                %d: tensor<?x1x?x8xf32> {nn.name = "d", nn.dims = ["batch", "1", "past", "8"]},
                %e: tensor<?x1x?x8xf32> {nn.name = "e", nn.dims = ["batch", "1", "past", "8"]})
    -> (tensor<?x1x?x8xf32>, tensor<?x?x32xf32>, tensor<?x1x?x8xf32>) {
  %table = nn.weight "table" file 0 offset 0 length 1024 : tensor<32x8xf32>
  %place = nn.weight "place" file 0 offset 1024 length 512 : tensor<16x8xf32>
  %x0 = nn.gather %table, %a axis 0 : (tensor<32x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %x1 = nn.gather %place, %c axis 0 : (tensor<16x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %x = arith.addf %x0, %x1 : tensor<?x?x8xf32>
  %heads = nn.reshape %x ["batch", "1", "seq", "8"] : (tensor<?x?x8xf32>) -> tensor<?x1x?x8xf32>
  %k = tensor.concat dim(2) %e, %heads : (tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x1x?x8xf32>
  %v = tensor.concat dim(2) %d, %heads : (tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x1x?x8xf32>
  %o = nn.attention %heads, %k, %v mask %b pattern <causal> scale 3.5e-01
      : (tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x?xi1>) -> tensor<?x1x?x8xf32>
  %flat = nn.reshape %o ["batch", "seq", "8"] : (tensor<?x1x?x8xf32>) -> tensor<?x?x8xf32>
  %logits = nn.linear %flat, %table : (tensor<?x?x8xf32>, tensor<32x8xf32>) -> tensor<?x?x32xf32>
  return %v, %logits, %k : tensor<?x1x?x8xf32>, tensor<?x?x32xf32>, tensor<?x1x?x8xf32>
}
