// Codegen alone: a program in, an artifact out that the runtime reads.

// RUN: sluice-compile %s --from codegen -o %t.sluice -q
// RUN: sluice-dump %t.sluice --verify
// RUN: sluice-dump %t.sluice --launches | FileCheck %s

// CHECK: softmax
exec.symbol "batch" free
exec.kernel @softmax library "softmax" {axis = -1 : i64}
exec.program @main {
  %in = exec.buffer input 0
  %out = exec.buffer output 0
  exec.port input "x" f32 ["batch", "4"] role "input" in %in
  exec.port output "y" f32 ["batch", "4"] role "output" in %out
  %x = exec.view %in f32 ["batch", "4"]
  %y = exec.view %out f32 ["batch", "4"]
  exec.launch @softmax ins(%x) outs(%y)
}
