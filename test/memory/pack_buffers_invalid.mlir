// RUN: sluice-opt %s --verify-diagnostics --sluice-pack-buffers="dims=batch=8" 2>&1
// RUN: not sluice-opt %s --sluice-pack-buffers="dims=seq=1..8" 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not sluice-opt %s --sluice-pack-buffers="buckets=batch=4:2" 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not sluice-opt %s --sluice-pack-buffers="buckets=seq=4" 2>&1 | FileCheck %s --check-prefix=EDGE

// NAME: --dims seq=1..8: the model has no dimension 'seq' (it has batch)
// ORDER: --buckets batch=4:2: expected NAME=EDGE,EDGE, ascending
// EDGE: --buckets seq=4: the model has no dimension 'seq' (it has batch)

// expected-error@+1 {{--dims batch=8: expected NAME=MIN..MAX}}
module {
  exec.symbol "batch" free
  exec.program @main {
  }
}
