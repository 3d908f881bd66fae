// RUN: sluice-opt %s | sluice-opt | FileCheck %s

// Every index op prints what it parses.

// CHECK-LABEL: func.func @sources
func.func @sources() {
  // CHECK: nn.weight "w" file 0 offset 4096 length 32768 : tensor<128x64xf32>
  %0 = nn.weight "w" file 0 offset 4096 length 32768 : tensor<128x64xf32>
  // 15 nibbles are 8 bytes.
  // CHECK: nn.weight "q" file 1 offset 0 length 8 : tensor<3x5xui4>
  %1 = nn.weight "q" file 1 offset 0 length 8 : tensor<3x5xui4>
  // CHECK: nn.size "batch * seq"
  %2 = nn.size "batch * seq"
  // CHECK: nn.sizes ["batch", "seq"] : tensor<2xi64>
  %3 = nn.sizes ["batch", "seq"] : tensor<2xi64>
  // CHECK: nn.sizes ["seq"] : tensor<i64>
  %4 = nn.sizes ["seq"] : tensor<i64>
  // CHECK: nn.iota "past + seq" : tensor<?xi64>
  %5 = nn.iota "past + seq" : tensor<?xi64>
  return
}

// CHECK-LABEL: func.func @views
func.func @views(%x: tensor<?x?x64xf32>) {
  // CHECK: nn.reshape %{{.*}} ["batch", "seq", "4", "16"]
  %0 = nn.reshape %x ["batch", "seq", "4", "16"] : (tensor<?x?x64xf32>) -> tensor<?x?x4x16xf32>
  // CHECK: nn.reverse %{{.*}} axes [1, -1]
  %1 = nn.reverse %x axes [1, -1] : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  return
}

// CHECK-LABEL: func.func @gathers
func.func @gathers(%x: tensor<?x64xf32>, %ids: tensor<?x?xi64>, %i: tensor<?x1xi32>, %e: tensor<?x8xi64>) {
  // The gathered axis becomes the indices' sizes.
  // CHECK: nn.gather %{{.*}}, %{{.*}} axis 0 : (tensor<?x64xf32>, tensor<?x?xi64>) -> tensor<?x?x64xf32>
  %0 = nn.gather %x, %ids axis 0 : (tensor<?x64xf32>, tensor<?x?xi64>) -> tensor<?x?x64xf32>
  // CHECK: nn.gather_nd %{{.*}}, %{{.*}} batch_dims 0
  %1 = nn.gather_nd %x, %i batch_dims 0 : (tensor<?x64xf32>, tensor<?x1xi32>) -> tensor<?x64xf32>
  // CHECK: nn.gather_elements %{{.*}}, %{{.*}} axis -1
  %2 = nn.gather_elements %x, %e axis -1 : (tensor<?x64xf32>, tensor<?x8xi64>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: func.func @scatters
func.func @scatters(%x: tensor<?x64xf32>, %i: tensor<?x1xi64>, %u: tensor<?x64xf32>, %e: tensor<?x64xi64>) {
  // CHECK: nn.scatter_nd %{{.*}}, %{{.*}}, %{{.*}} :
  %0 = nn.scatter_nd %x, %i, %u : (tensor<?x64xf32>, tensor<?x1xi64>, tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: nn.scatter_elements %{{.*}}, %{{.*}}, %{{.*}} axis 1 {reduction = "add"}
  %1 = nn.scatter_elements %x, %e, %u axis 1 {reduction = "add"} : (tensor<?x64xf32>, tensor<?x64xi64>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: func.func @orders
func.func @orders(%x: tensor<?x?x64xf32>, %flat: tensor<?xi1>) {
  // CHECK: nn.top_k %{{.*}} axis -1 k "2" largest true sorted true
  %0, %1 = nn.top_k %x axis -1 k "2" largest true sorted true : (tensor<?x?x64xf32>) -> (tensor<?x?x2xf32>, tensor<?x?x2xi64>)
  // CHECK: nn.arg_reduce %{{.*}} axis 2 kind "max"
  %2 = nn.arg_reduce %x axis 2 kind "max" : (tensor<?x?x64xf32>) -> tensor<?x?xi64>
  // CHECK: nn.cumsum %{{.*}} axis 1 {exclusive = true}
  %3 = nn.cumsum %x axis 1 {exclusive = true} : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.nonzero %{{.*}} symbol "hits"
  %4 = nn.nonzero %flat symbol "hits" : (tensor<?xi1>) -> tensor<1x?xi64>
  return
}

func.func private @yes(%x: tensor<?x4xf32>) -> tensor<?x4xf32>
func.func private @no(%x: tensor<?x4xf32>) -> tensor<?x4xf32>
func.func private @body(%i: tensor<i64>, %c: tensor<i1>, %x: tensor<?x4xf32>, %w: tensor<4xf32>) -> (tensor<i1>, tensor<?x4xf32>, tensor<4xf32>)

// CHECK-LABEL: func.func @control
func.func @control(%c: tensor<i1>, %n: tensor<i64>, %x: tensor<?x4xf32>, %w: tensor<4xf32>) {
  // CHECK: nn.if %{{.*}} then @yes else @no(%{{.*}}) sizes {{\[}}["batch", "4"]] symbols []
  %0 = nn.if %c then @yes else @no (%x) sizes [["batch", "4"]] symbols [] : (tensor<i1>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // One value is carried, one captured, one stacked: an iteration gives 4 numbers.
  // CHECK: nn.loop @body trip %{{.*}} while %{{.*}} carried(%{{.*}}) captured(%{{.*}}) sizes {{.*}} symbols ["trips"]
  %1, %2 = nn.loop @body trip %n while %c carried (%x) captured (%w) sizes [["batch", "4"], ["trips", "4"]] symbols ["trips"]
      : (tensor<i64>, tensor<i1>, tensor<?x4xf32>, tensor<4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  return
}
