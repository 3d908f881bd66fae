// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-verify-memory

// Two buffers at one place: never alive together.
exec.kernel @copy library "copy"
exec.program @main {
  %a = exec.buffer arena bytes "32" live [0, 0]
  %b = exec.buffer arena bytes "32" live [1, 1]
  %va = exec.view %a f32 ["8"]
  %vb = exec.view %b f32 ["8"]
  exec.launch @copy ins(%va) outs(%va)
  exec.launch @copy ins(%vb) outs(%vb)
  exec.pack bounds {} offsets [0, 0] arena 32 lower_bound 32
}

// -----

// expected-error@+1 {{'func.func' is left after phase memory (sluice-convert-to-program should have removed it)}}
func.func @main() {
  return
}

// -----

exec.kernel @copy library "copy"
exec.program @main {
  %a = exec.buffer arena bytes "32" live [0, 0]
  %va = exec.view %a f32 ["8"]
  exec.launch @copy ins(%va) outs(%va)
  // expected-error@+1 {{instruction 1 of @main touches a buffer outside its live range}}
  exec.launch @copy ins(%va) outs(%va)
}

// -----

// Both are alive at launch 1, and bytes 16 to 32 are both's.
exec.kernel @copy library "copy"
exec.program @main {
  %a = exec.buffer arena bytes "32" live [0, 1]
  %b = exec.buffer arena bytes "32" live [1, 1]
  %va = exec.view %a f32 ["8"]
  %vb = exec.view %b f32 ["8"]
  exec.launch @copy ins(%va) outs(%va)
  exec.launch @copy ins(%va) outs(%vb)
  // expected-error@+1 {{buffers 0 and 1 are alive together, [0, 1] and [1, 1], and share bytes from 16}}
  exec.pack bounds {} offsets [0, 16] arena 48 lower_bound 64
}

// -----

exec.program @main {
  %a = exec.buffer arena bytes "32 * batch" live [0, 0]
  // expected-error@+1 {{places 32 * batch bytes at 32, outside the arena of 64}}
  exec.pack bounds {batch = 2 : i64} offsets [32] arena 64 lower_bound 64
}

// -----

exec.program @main {
  %a = exec.buffer arena bytes "32" live [0, 0]
  // expected-error@+1 {{has 2 offsets for 1 arena buffers}}
  exec.pack bounds {} offsets [0, 32] arena 64 lower_bound 64
}
