// RUN: sluice-opt %s --split-input-file --sluice-split-linears --canonicalize | FileCheck %s

// A packed projection becomes one linear a part, over rows of the weight.
// CHECK-LABEL: func.func @packed
// CHECK: %[[W:.*]] = nn.weight
// CHECK-DAG: %[[Q:.*]] = tensor.extract_slice %[[W]][0, 0] [8, 4] [1, 1]
// CHECK-DAG: %[[K:.*]] = tensor.extract_slice %[[W]][8, 0] [2, 4] [1, 1]
// CHECK-DAG: %[[A:.*]] = nn.linear %arg0, %[[Q]] : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
// CHECK-DAG: %[[B:.*]] = nn.linear %arg0, %[[K]] : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
// CHECK: return %[[A]], %[[B]]
func.func @packed(%x: tensor<?x4xf32> {nn.dims = ["tokens", "4"]}) -> (tensor<?x8xf32>, tensor<?x2xf32>) {
  %w = nn.weight "w" file 0 offset 0 length 160 : tensor<10x4xf32>
  %y = nn.linear %x, %w : (tensor<?x4xf32>, tensor<10x4xf32>) -> tensor<?x10xf32>
  %n = nn.size "tokens"
  %a = tensor.extract_slice %y[0, 0] [%n, 8] [1, 1] : tensor<?x10xf32> to tensor<?x8xf32>
  %b = tensor.extract_slice %y[0, 8] [%n, 2] [1, 1] : tensor<?x10xf32> to tensor<?x2xf32>
  return %a, %b : tensor<?x8xf32>, tensor<?x2xf32>
}

// -----

// A quantized weight stays quantized: elements and scales are sliced.
// CHECK-LABEL: func.func @quantized
// CHECK-DAG: %[[Q:.*]] = tensor.extract_slice %{{.*}}[2, 0] [6, 32] [1, 1] : tensor<8x32xui4>
// CHECK-DAG: %[[S:.*]] = tensor.extract_slice %{{.*}}[2, 0] [6, 2] [1, 1] : tensor<8x2xf32>
// CHECK: %[[W:.*]] = nn.dequantize %[[Q]], %[[S]] {axis = 1 : i64, block = 16 : i64}
// CHECK: nn.linear %arg0, %[[W]]
func.func @quantized(%x: tensor<?x32xf32> {nn.dims = ["tokens", "32"]}) -> tensor<?x6xf32> {
  %q = nn.weight "q" file 0 offset 0 length 128 : tensor<8x32xui4>
  %s = nn.weight "s" file 0 offset 128 length 64 : tensor<8x2xf32>
  %w = nn.dequantize %q, %s {axis = 1 : i64, block = 16 : i64} : (tensor<8x32xui4>, tensor<8x2xf32>) -> tensor<8x32xf32>
  %y = nn.linear %x, %w : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %n = nn.size "tokens"
  %a = tensor.extract_slice %y[0, 2] [%n, 6] [1, 1] : tensor<?x8xf32> to tensor<?x6xf32>
  return %a : tensor<?x6xf32>
}

// -----

// A result that is used whole, too, stays one.
// CHECK-LABEL: func.func @whole
// CHECK: %[[Y:.*]] = nn.linear
// CHECK: tensor.extract_slice %[[Y]]
func.func @whole(%x: tensor<?x4xf32> {nn.dims = ["tokens", "4"]}) -> (tensor<?x10xf32>, tensor<?x2xf32>) {
  %w = nn.weight "w" file 0 offset 0 length 160 : tensor<10x4xf32>
  %y = nn.linear %x, %w : (tensor<?x4xf32>, tensor<10x4xf32>) -> tensor<?x10xf32>
  %n = nn.size "tokens"
  %b = tensor.extract_slice %y[0, 8] [%n, 2] [1, 1] : tensor<?x10xf32> to tensor<?x2xf32>
  return %y, %b : tensor<?x10xf32>, tensor<?x2xf32>
}
