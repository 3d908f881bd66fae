// RUN: sluice-opt %s --sluice-pack-buffers="dims=batch=1..8" | FileCheck %s
// RUN: sluice-opt %s --sluice-pack-buffers="dims=batch=1..8 buckets=batch=2:4" | FileCheck %s --check-prefix=BUCKETS
// RUN: sluice-opt %s --sluice-pack-buffers | FileCheck %s --check-prefix=FREE

// At batch 8 each buffer has 8 * 32 = 256 bytes.  The first and the third are never alive together and share bytes; the
// second lies behind: 512 bytes, which the two that are alive at launch 1 need at least.
// CHECK: exec.symbol "batch" free min 1 max 8
// CHECK: exec.pack bounds {batch = 8 : i64} offsets {{\[}}[[A:[0-9]+]], {{[0-9]+}}, [[A]]] arena 512 lower_bound 512

// One pack an edge; the bound is the last edge.
// BUCKETS: exec.pack bounds {batch = 2 : i64} offsets {{\[}}[[B:[0-9]+]], {{[0-9]+}}, [[B]]] arena 128 lower_bound 128
// BUCKETS: exec.pack bounds {batch = 4 : i64} offsets {{\[}}[[C:[0-9]+]], {{[0-9]+}}, [[C]]] arena 256 lower_bound 256
// BUCKETS: exec.pack bounds {batch = 8 : i64} offsets {{\[}}[[D:[0-9]+]], {{[0-9]+}}, [[D]]] arena 512 lower_bound 512

// Without bounds the runtime plans.
// FREE-NOT: exec.pack
exec.symbol "batch" free
exec.kernel @copy library "copy"
exec.program @main {
  %in = exec.buffer input 0
  %out = exec.buffer output 0
  exec.port input "x" f32 ["batch", "8"] in %in
  exec.port output "y" f32 ["batch", "8"] in %out
  %a = exec.buffer arena bytes "32 * batch" live [0, 1]
  %b = exec.buffer arena bytes "32 * batch" live [1, 2]
  %c = exec.buffer arena bytes "32 * batch" live [2, 3]
  %vx = exec.view %in f32 ["batch", "8"]
  %va = exec.view %a f32 ["batch", "8"]
  %vb = exec.view %b f32 ["batch", "8"]
  %vc = exec.view %c f32 ["batch", "8"]
  %vy = exec.view %out f32 ["batch", "8"]
  exec.launch @copy ins(%vx) outs(%va)
  exec.launch @copy ins(%va) outs(%vb)
  exec.launch @copy ins(%vb) outs(%vc)
  exec.launch @copy ins(%vc) outs(%vy)
}
