// RUN: sluice-opt %s --split-input-file --verify-diagnostics

func.func @weight_length() {
  // expected-error@+1 {{has length 100, its type needs 128 bytes}}
  %0 = nn.weight "w" file 0 offset 0 length 100 : tensor<4x8xf32>
  return
}

// -----

// 15 nibbles are 8 bytes.
func.func @weight_int4() {
  // expected-error@+1 {{has length 7, its type needs 8 bytes}}
  %0 = nn.weight "w" file 0 offset 0 length 7 : tensor<3x5xui4>
  return
}

// -----

func.func @weight_dynamic() {
  // expected-error@+1 {{has a dynamic shape}}
  %0 = nn.weight "w" file 0 offset 0 length 100 : tensor<?x8xf32>
  return
}

// -----

func.func @size_text() {
  // expected-error@+1 {{bad size expression 'batch +'}}
  %0 = nn.size "batch +"
  return
}

// -----

func.func @sizes_count() {
  // expected-error@+1 {{result 0: dimension 0 has size 3, its operands give 2}}
  %0 = nn.sizes ["batch", "seq"] : tensor<3xi64>
  return
}

// -----

func.func @reshape_count(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{gives 25 elements, its operand has 24}}
  %0 = nn.reshape %x ["5", "5"] : (tensor<4x6xf32>) -> tensor<5x5xf32>
  return
}

// -----

func.func @reverse_axes(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{axis 2 is outside rank 2}}
  %0 = nn.reverse %x axes [0, 2] : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @gather_axis(%x: tensor<4x6xf32>, %i: tensor<3xi64>) {
  // expected-error@+1 {{axis 2 is outside rank 2}}
  %0 = nn.gather %x, %i axis 2 : (tensor<4x6xf32>, tensor<3xi64>) -> tensor<4x6x3xf32>
  return
}

// -----

func.func @gather_elements_rank(%x: tensor<4x6xf32>, %i: tensor<3xi64>) {
  // expected-error@+1 {{indices have rank 1, data rank 2}}
  %0 = nn.gather_elements %x, %i axis 0 : (tensor<4x6xf32>, tensor<3xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @gather_nd_depth(%x: tensor<4x6xf32>, %i: tensor<5x3xi64>) {
  // expected-error@+1 {{index tuples and batch dims name 3 dimensions, data has 2}}
  %0 = nn.gather_nd %x, %i batch_dims 0 : (tensor<4x6xf32>, tensor<5x3xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @gather_nd_unknown(%x: tensor<4x6xf32>, %i: tensor<5x?xi64>) {
  // expected-error@+1 {{needs a constant last dimension of indices}}
  %0 = nn.gather_nd %x, %i batch_dims 0 : (tensor<4x6xf32>, tensor<5x?xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @scatter_nd_unknown(%x: tensor<4x6xf32>, %i: tensor<5x?xi64>, %u: tensor<5xf32>) {
  // expected-error@+1 {{needs a constant last dimension of indices}}
  %0 = nn.scatter_nd %x, %i, %u : (tensor<4x6xf32>, tensor<5x?xi64>, tensor<5xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @scatter_nd_depth(%x: tensor<4x6xf32>, %i: tensor<5x3xi64>, %u: tensor<5xf32>) {
  // expected-error@+1 {{index tuples name 3 dimensions, data has 2}}
  %0 = nn.scatter_nd %x, %i, %u : (tensor<4x6xf32>, tensor<5x3xi64>, tensor<5xf32>) -> tensor<4x6xf32>
  return
}

// -----

// Five tuples of one index choose five rows: updates are a matrix.
func.func @scatter_nd_updates(%x: tensor<4x6xf32>, %i: tensor<5x1xi64>, %u: tensor<5xf32>) {
  // expected-error@+1 {{updates have rank 1, slices at the indices rank 2}}
  %0 = nn.scatter_nd %x, %i, %u : (tensor<4x6xf32>, tensor<5x1xi64>, tensor<5xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @scatter_nd_reduction(%x: tensor<4x6xf32>, %i: tensor<5x1xi64>, %u: tensor<5x6xf32>) {
  // expected-error@+1 {{attribute 'reduction' failed to satisfy constraint: string attribute that is one of none, add, mul, max, min}}
  %0 = nn.scatter_nd %x, %i, %u {reduction = "sum"} : (tensor<4x6xf32>, tensor<5x1xi64>, tensor<5x6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @scatter_elements_rank(%x: tensor<4x6xf32>, %i: tensor<3xi64>, %u: tensor<3xf32>) {
  // expected-error@+1 {{indices have rank 1, data rank 2}}
  %0 = nn.scatter_elements %x, %i, %u axis 0 : (tensor<4x6xf32>, tensor<3xi64>, tensor<3xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @scatter_elements_updates(%x: tensor<4x6xf32>, %i: tensor<3x6xi64>, %u: tensor<18xf32>) {
  // expected-error@+1 {{updates have rank 1, indices rank 2}}
  %0 = nn.scatter_elements %x, %i, %u axis 0 : (tensor<4x6xf32>, tensor<3x6xi64>, tensor<18xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @top_k_size(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{bad size expression 'k /'}}
  %0, %1 = nn.top_k %x axis 1 k "k /" largest true sorted true : (tensor<4x6xf32>) -> (tensor<4x?xf32>, tensor<4x?xi64>)
  return
}

// -----

func.func @arg_reduce_kind(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{attribute 'kind' failed to satisfy constraint: string attribute that is one of max, min}}
  %0 = nn.arg_reduce %x axis 1 kind "mean" : (tensor<4x6xf32>) -> tensor<4xi64>
  return
}

// -----

func.func @if_program(%c: tensor<i1>) {
  // expected-error@+1 {{there is no sub-program @nowhere}}
  nn.if %c then @nowhere else @nowhere () sizes [] symbols [] : (tensor<i1>) -> ()
  return
}

// -----

func.func private @yes(%x: tensor<4xf32>) -> tensor<4xf32>
func.func @if_args(%c: tensor<i1>) {
  // expected-error@+1 {{@yes takes 1 values and gives 1, expected 0 and 1}}
  %0 = nn.if %c then @yes else @yes () sizes [["4"]] symbols [] : (tensor<i1>) -> tensor<4xf32>
  return
}

// -----

func.func private @yes(%x: tensor<4xf32>) -> tensor<4xf32>
func.func @if_sizes(%c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error@+1 {{has sizes of 2 results and 1 results}}
  %0 = nn.if %c then @yes else @yes (%x) sizes [["4"], ["4"]] symbols [] : (tensor<i1>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @loop_program(%n: tensor<i64>) {
  // expected-error@+1 {{there is no sub-program @nowhere}}
  nn.loop @nowhere trip %n carried () captured () sizes [] symbols [] : (tensor<i64>) -> ()
  return
}

// -----

// The body takes the iteration and the condition before what is carried, and gives the condition first.
func.func private @body(%x: tensor<4xf32>) -> tensor<4xf32>
func.func @loop_body(%n: tensor<i64>, %x: tensor<4xf32>) {
  // expected-error@+1 {{@body takes 1 values and gives 1, expected 3 and 2}}
  %0 = nn.loop @body trip %n carried (%x) captured () sizes [["4"]] symbols [] : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  return
}
