// RUN: sluice-opt %s -sluice-channels-last | FileCheck %s

module attributes {exec.target = "cuda-sm90a"} {
  // What follows a convolution works with channels last, up to the reduction that has none: no transpose is left but the
  // one of x.  The weight is packed as [o, kernel…, c].
  // CHECK-LABEL: func.func @stays_last
  // CHECK: %[[W:.*]] = linalg.transpose ins({{.*}} : tensor<8x8x3x3xf16>) outs({{.*}} : tensor<8x3x3x8xf16>) permutation = [0, 2, 3, 1]
  // CHECK: %[[X:.*]] = linalg.transpose ins(%arg0 : tensor<?x8x6x6xf16>) outs({{.*}}) permutation = [0, 2, 3, 1]
  // CHECK: %[[Y:.*]] = exec.dispatch @conv(%[[X]], %[[W]], %arg1) sizes {{\[\[}}"b", "6", "6", "8"]]
  // CHECK: %[[S:.*]] = linalg.broadcast ins(%arg2 : tensor<8xf16>) outs({{.*}} : tensor<?x6x6x8xf16>) dimensions = [0, 1, 2]
  // CHECK: %[[M:.*]] = arith.mulf %[[Y]], %[[S]] : tensor<?x6x6x8xf16>
  // CHECK: %[[P:.*]] = exec.dispatch @pool(%[[M]]) sizes {{\[\[}}"b", "3", "3", "8"]]
  // CHECK-NOT: linalg.transpose
  // CHECK: linalg.reduce ins(%[[P]] : tensor<?x3x3x8xf16>) outs({{.*}}) dimensions = [1, 2]
  func.func @stays_last(%x: tensor<?x8x6x6xf16> {nn.dims = ["b", "8", "6", "6"]}, %bias: tensor<8xf16>, %scale: tensor<8xf16>,
                        %zeros: tensor<?x8xf16> {nn.dims = ["b", "8"]}) -> tensor<?x8xf16> {
    %w = nn.weight "w" file 1 offset 0 length 1152 : tensor<8x8x3x3xf16>
    %y = nn.conv %x, %w, %bias strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
        : (tensor<?x8x6x6xf16>, tensor<8x8x3x3xf16>, tensor<8xf16>) -> tensor<?x8x6x6xf16>
    %b = nn.size "b"
    %empty = tensor.empty(%b) : tensor<?x8x6x6xf16>
    %s = linalg.broadcast ins(%scale : tensor<8xf16>) outs(%empty : tensor<?x8x6x6xf16>) dimensions = [0, 2, 3]
    %m = arith.mulf %y, %s : tensor<?x8x6x6xf16>
    %p = nn.pool %m kind "max" kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1]
        : (tensor<?x8x6x6xf16>) -> tensor<?x8x3x3xf16>
    %r = linalg.reduce ins(%p : tensor<?x8x3x3xf16>) outs(%zeros : tensor<?x8xf16>) dimensions = [2, 3]
        (%in: f16, %acc: f16) { %0 = arith.addf %in, %acc : f16 linalg.yield %0 : f16 }
    return %r : tensor<?x8xf16>
  }

  // What is made of broadcasts alone has its channels where its reader wants them.
  // CHECK-LABEL: func.func @of_broadcasts
  // CHECK: %[[Y:.*]] = exec.dispatch @conv
  // CHECK-DAG: %[[A:.*]] = linalg.broadcast ins(%arg1 : tensor<8xf16>) outs({{.*}} : tensor<2x6x6x8xf16>) dimensions = [0, 1, 2]
  // CHECK-DAG: %[[B:.*]] = linalg.broadcast ins(%arg2 : tensor<2x6x6xf16>) outs({{.*}} : tensor<2x6x6x8xf16>) dimensions = [3]
  // CHECK: %[[M:.*]] = arith.mulf %[[A]], %[[B]] : tensor<2x6x6x8xf16>
  // CHECK: arith.addf %[[Y]], %[[M]] : tensor<2x6x6x8xf16>
  func.func @of_broadcasts(%x: tensor<2x8x6x6xf16>, %a: tensor<8xf16>, %b: tensor<2x6x6xf16>) -> tensor<2x8x6x6xf16> {
    %w = nn.weight "w" file 1 offset 0 length 1152 : tensor<8x8x3x3xf16>
    %y = nn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
        : (tensor<2x8x6x6xf16>, tensor<8x8x3x3xf16>) -> tensor<2x8x6x6xf16>
    %empty = tensor.empty() : tensor<2x8x6x6xf16>
    %as = linalg.broadcast ins(%a : tensor<8xf16>) outs(%empty : tensor<2x8x6x6xf16>) dimensions = [0, 2, 3]
    %bs = linalg.broadcast ins(%b : tensor<2x6x6xf16>) outs(%empty : tensor<2x8x6x6xf16>) dimensions = [1]
    %m = arith.mulf %as, %bs : tensor<2x8x6x6xf16>
    %s = arith.addf %y, %m : tensor<2x8x6x6xf16>
    return %s : tensor<2x8x6x6xf16>
  }

  // A sum with what has its channels second would move that for nothing: the transpose stays before it.  A transposed
  // convolution's weight is what each result gathers.
  // CHECK-LABEL: func.func @meets_second
  // CHECK: linalg.transpose ins({{.*}} : tensor<2x4x3x2x2xf16>) outs({{.*}} : tensor<2x3x2x2x4xf16>) permutation = [0, 2, 3, 4, 1]
  // CHECK: exec.dispatch @conv_transpose({{.*}} : (tensor<1x5x5x8xf16>, tensor<6x2x2x4xf16>) -> tensor<1x10x10x6xf16>
  // CHECK: %[[T:.*]] = linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
  // CHECK: arith.addf %[[T]], %arg1 : tensor<1x6x10x10xf16>
  func.func @meets_second(%x: tensor<1x8x5x5xf16>, %z: tensor<1x6x10x10xf16>) -> tensor<1x6x10x10xf16> {
    %w = nn.weight "v" file 1 offset 0 length 192 : tensor<8x3x2x2xf16>
    %y = nn.conv_transpose %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] groups 2
        : (tensor<1x8x5x5xf16>, tensor<8x3x2x2xf16>) -> tensor<1x6x10x10xf16>
    %s = arith.addf %y, %z : tensor<1x6x10x10xf16>
    return %s : tensor<1x6x10x10xf16>
  }

  // Windows that neither overlap nor leave anything out are pixels that have a patch's elements as channels, in the order
  // of the weight.
  // CHECK-LABEL: func.func @patches
  // CHECK: %[[W:.*]] = nn.reshape {{.*}} ["16", "1", "1", "24"] : (tensor<16x3x4x2xf16>) -> tensor<16x1x1x24xf16>
  // CHECK: %[[S:.*]] = nn.reshape %arg0 ["b", "3", "2", "4", "3", "2"]
  // CHECK: %[[T:.*]] = linalg.transpose ins(%[[S]] : tensor<?x3x2x4x3x2xf16>) outs({{.*}} : tensor<?x2x3x3x4x2xf16>) permutation = [0, 2, 4, 1, 3, 5]
  // CHECK: %[[X:.*]] = nn.reshape %[[T]] ["b", "2", "3", "24"]
  // CHECK: exec.dispatch @conv{{.*}}(%[[X]], %[[W]]) sizes {{\[\[}}"b", "2", "3", "16"]]
  func.func @patches(%x: tensor<?x3x8x6xf16> {nn.dims = ["b", "3", "8", "6"]}) -> tensor<?x16x2x3xf16> {
    %w = nn.weight "p" file 1 offset 0 length 768 : tensor<16x3x4x2xf16>
    %y = nn.conv %x, %w strides [4, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<?x3x8x6xf16>, tensor<16x3x4x2xf16>) -> tensor<?x16x2x3xf16>
    return %y : tensor<?x16x2x3xf16>
  }

  // Those of an image that has its channels last already have them innermost.
  // CHECK-LABEL: func.func @patches_of_last
  // CHECK: exec.dispatch @conv
  // CHECK: linalg.transpose ins({{.*}} : tensor<16x8x2x2xf16>) outs({{.*}} : tensor<16x2x2x8xf16>) permutation = [0, 2, 3, 1]
  // CHECK: linalg.transpose ins({{.*}} : tensor<1x3x2x3x2x8xf16>) outs({{.*}} : tensor<1x3x3x2x2x8xf16>) permutation = [0, 1, 3, 2, 4, 5]
  // CHECK: exec.dispatch @conv{{.*}} : (tensor<1x3x3x32xf16>, tensor<16x1x1x32xf16>) -> tensor<1x3x3x16xf16>
  func.func @patches_of_last(%x: tensor<1x8x6x6xf16>) -> tensor<1x16x3x3xf16> {
    %w = nn.weight "q" file 1 offset 0 length 1152 : tensor<8x8x3x3xf16>
    %y = nn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
        : (tensor<1x8x6x6xf16>, tensor<8x8x3x3xf16>) -> tensor<1x8x6x6xf16>
    %v = nn.weight "r" file 1 offset 0 length 1024 : tensor<16x8x2x2xf16>
    %z = nn.conv %y, %v strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<1x8x6x6xf16>, tensor<16x8x2x2xf16>) -> tensor<1x16x3x3xf16>
    return %z : tensor<1x16x3x3xf16>
  }

  // No plan for f64: nothing moves.
  // CHECK-LABEL: func.func @keeps
  // CHECK: nn.conv
  // CHECK-NOT: exec.dispatch
  func.func @keeps(%x: tensor<1x8x5x5xf64>) -> tensor<1x8x5x5xf64> {
    %w = nn.weight "u" file 1 offset 0 length 512 : tensor<8x8x1x1xf64>
    %y = nn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<1x8x5x5xf64>, tensor<8x8x1x1xf64>) -> tensor<1x8x5x5xf64>
    return %y : tensor<1x8x5x5xf64>
  }

  // Sums of codes are rounded to codes: they keep the kernel whose sums are those of f32.
  // CHECK-LABEL: func.func @keeps_codes
  // CHECK: nn.conv
  // CHECK-NOT: exec.dispatch
  func.func @keeps_codes(%q: tensor<1x8x5x5xui8>, %scale: tensor<f32>) -> tensor<1x8x5x5xf32> {
    %x = nn.dequantize %q, %scale : (tensor<1x8x5x5xui8>, tensor<f32>) -> tensor<1x8x5x5xf32>
    %w = nn.weight "t" file 1 offset 0 length 256 : tensor<8x8x1x1xf32>
    %y = nn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<1x8x5x5xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x5x5xf32>
    return %y : tensor<1x8x5x5xf32>
  }
}
