#!/usr/bin/env python3
"""Printed element-wise kernels as shares of the copy bandwidth: models of one group each.

  python3 bench/elementwise.py models DIR                       DIR/NAME.onnxtxt, to be compiled with --target cuda-sm90a
  python3 bench/elementwise.py table DIR build/bin/sluice-bench [ROWS]     DIR/NAME.sluice beside torch's copy of as many bytes
"""
import json
import pathlib
import subprocess
import sys

COLUMNS = 4096
BYTES = {"float": 4, "float16": 2, "bfloat16": 2, "uint8": 1, "bool": 1}
# Inputs beside x, the nodes.
GROUPS = {
    "add": ("{t}[rows, 4096] z", "y = Add(x, z)"),
    "bias_relu": ("{t}[4096] b", "s = Add(x, b) y = Relu(s)"),
    "scale_rows": ("{t}[rows, 1] s", "y = Mul(x, s)"),
    "silu_product": ("{t}[rows, 4096] z", "s = Sigmoid(x) g = Mul(x, s) y = Mul(g, z)"),
    "where": ("bool[rows, 4096] m, {t}[rows, 4096] z", "y = Where(m, x, z)"),
}
CASTS = {"narrow": ("float", "float16", 10), "widen": ("float16", "float", 1), "narrow_bf16": ("float", "bfloat16", 16), "from_bytes": ("uint8", "float", 1)}


def models():
    """(name, ONNX text, bytes a row)."""
    for name, (more, nodes) in GROUPS.items():
        for t in ("float", "float16", "bfloat16"):
            ins = f"{t}[rows, {COLUMNS}] x, " + more.format(t=t)
            row = COLUMNS * (2 * BYTES[t] + (BYTES[t] if "] z" in ins else 0) + (1 if "bool" in ins else 0))
            yield f"{name}_{t}", f'<ir_version: 8, opset_import: ["" : 17]>\ng ({ins}) => ({t}[rows, {COLUMNS}] y) {{\n  {nodes}\n}}\n', row
    for name, (source, to, number) in CASTS.items():
        text = f'<ir_version: 8, opset_import: ["" : 17]>\ng ({source}[rows, {COLUMNS}] x) => ({to}[rows, {COLUMNS}] y) {{\n  y = Cast<to = {number}>(x)\n}}\n'
        yield name, text, COLUMNS * (BYTES[source] + BYTES[to])


def copy_us(size):
    """Torch's copy that moves `size` bytes in all, in a graph of several pairs of buffers."""
    import torch
    import device
    buffers = [torch.empty(size // 2, dtype=torch.uint8, device="cuda") for _ in range(4)]
    graph = device.graph_of([lambda a=a, b=b: a.copy_(b) for a, b in zip(buffers, buffers[1:] + buffers[:1])])
    return device.race({"copy": graph})["copy"] / 4


def table(folder, bench, rows):
    least = 1.0
    for name, _, row in models():
        done = subprocess.run([bench, str(folder / f"{name}.sluice"), "--dims", f"rows={rows}", "--kernels", "--json"], capture_output=True, text=True, check=True)
        launches = json.loads(done.stdout)["runs"][0]["kernels"]
        us, copy = 1e3 * sum(k["ms"] for k in launches), copy_us(row * rows)
        least = min(least, copy / us)
        print(f"{name:24s} {us:9.2f} us, {len(launches)} launches | copy {copy:9.2f}  ratio {copy / us:.3f}", flush=True)
    print(f"least {least:.3f}")


def main():
    folder = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "models":
        folder.mkdir(parents=True, exist_ok=True)
        for name, text, _ in models():
            (folder / f"{name}.onnxtxt").write_text(text)
    else:
        table(folder, sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 16384)


if __name__ == "__main__":
    main()
