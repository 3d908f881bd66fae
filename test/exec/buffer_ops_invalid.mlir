// RUN: sluice-opt %s --split-input-file --verify-diagnostics

exec.program @main {
  // expected-error @+1 {{is not an op of a program}}
  %0 = arith.constant 1.0 : f32
}

// -----

exec.program @main {
  // expected-error @+1 {{an input or output has an index, others have none}}
  %0 = exec.buffer input
}

// -----

exec.program @main {
  // expected-error @+1 {{an arena buffer has bytes, others have none}}
  %0 = exec.buffer arena
}

// -----

exec.program @main {
  // expected-error @+1 {{live is [first, last]}}
  %0 = exec.buffer arena bytes "4" live [3, 1]
}

// -----

exec.program @main {
  %0 = exec.buffer arena bytes "4"
  // expected-error @+1 {{has 1 sizes and 2 strides}}
  %1 = exec.view %0 f32 ["1"] strides ["1", "1"]
}

// -----

exec.program @main {
  %0 = exec.buffer arena bytes "4"
  // expected-error @+1 {{has a start, but its buffer is no state}}
  %1 = exec.view %0 f32 ["1"] start "past"
}

// -----

exec.state @s "k" layer 0 component "k" f32 ["past"] axis 0 before "past" after "past" input 0 output 0
exec.program @main {
  %0 = exec.buffer state @s
  // expected-error @+1 {{of a state has neither strides nor offset}}
  %1 = exec.view %0 f32 ["past"] strides ["1"]
}

// -----

exec.kernel @k library "copy"
exec.program @main {
  %0 = exec.buffer arena bytes "4"
  %1 = exec.view %0 f32 ["1"]
  // expected-error @+1 {{a generated kernel has a grid, one of the library has none}}
  exec.launch @k ins(%1) outs(%1) grid "1"
}

// -----

exec.program @main {
  %0 = exec.buffer arena bytes "1"
  %1 = exec.view %0 i1 []
  // expected-error @+1 {{no exec.program @a}}
  exec.if %1 then @a else @a ins() outs() bind []
}

// -----

exec.program @main {
  // expected-error @+1 {{has all of offsets, arena and lower_bound, or none}}
  "exec.pack"() <{bounds = {}, arena = 4 : i64}> : () -> ()
}

// -----

exec.program @main {
  // expected-error @+1 {{a weight or state names its source, others have none}}
  %0 = exec.buffer weight
}

// -----

exec.program @main {
  // expected-error @+1 {{a constant has a value, others have none}}
  %0 = exec.buffer constant
}

// -----

exec.program @main {
  // expected-error @+1 {{bad size expression '4 * batch *'}}
  %0 = exec.buffer arena bytes "4 * batch *"
}

// -----

exec.program @main {
  %0 = exec.buffer arena bytes "4"
  %1 = exec.view %0 f32 ["1"]
  // expected-error @+1 {{no exec.kernel @k}}
  exec.launch @k ins(%1) outs(%1)
}

// -----

exec.kernel @k generated dims [["p0"], ["p0"]] grid "p0" {
^bb0(%x: tensor<?xf32>, %y: tensor<?xf32>):
  exec.yield %y : tensor<?xf32>
}
exec.program @main {
  %0 = exec.buffer arena bytes "4"
  %1 = exec.view %0 f32 ["1"]
  // expected-error @+1 {{gives 0 params, @k has 1}}
  exec.launch @k ins(%1) outs(%1) grid "1"
}

// -----

exec.program @main {
  // expected-error @+1 {{no exec.program @body}}
  exec.loop @body carried() captured() outs() bind []
}
