// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-verify-shard

module {
  func.func @main() {
    return
  }
}

// -----

// expected-error@+1 {{names the mesh "tp=2" after phase shard: a cpu artifact is one device's program}}
module attributes {nn.mesh = "tp=2"} {
  func.func @main() {
    return
  }
}
