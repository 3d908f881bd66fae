#!/usr/bin/env python3
"""A decoder layer's kernels in their places: what a plan of one of its GEMMs costs between the kernels around it.

A GEMM in a chain of itself meets only its like: the shared memory that the kernel before leaves free, how early the weights
may come and what the memory does meanwhile are those of the layer.

  python3 bench/decode_layer.py queries > q.json && build/bin/bench-kernel-texts q.json DIR 1 && cp q.json DIR/queries.json     (no GPU)
  python3 bench/decode_layer.py DIR [WITHIN]    each GEMM's plans that are predicted within WITHIN (1.4) of the best: us a layer
"""
import json
import pathlib
import sys

import attention_suite
import gemm_suite
import memory_suite

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS, CONTEXT, LAYERS, REPEATS = (1, 32, 128), 512, 4, 2
WIDTH, HEADS, GROUPS, HIDDEN = 4096, 32, 8, 14336  # of Llama-3.1-8B
QKV, D = WIDTH + 2 * WIDTH * GROUPS // HEADS, WIDTH // HEADS
NAMES = ["norm", "q, k, v", "attention", "o", "norm", "gate, up", "down"]


def layer(rows):
    norm = memory_suite.norm("rms_norm", [rows], WIDTH)
    norm["ins"][1]["weight"] = True
    return [norm, gemm_suite.linear(rows, QKV, WIDTH), attention_suite.attention(rows, HEADS, GROUPS, 1, CONTEXT, D, causal=1), gemm_suite.linear(rows, WIDTH, WIDTH, epilogue="residual"), norm,
            gemm_suite.gated(gemm_suite.linear(rows, 2 * HIDDEN, WIDTH)), gemm_suite.linear(rows, WIDTH, HIDDEN, epilogue="residual")]


def queries():
    return [query for rows in ROWS for query in layer(rows)]


class Layers:
    """The operands of LAYERS layers that follow one another; graphs of them for a plan of each kernel."""
    def __init__(self, rows, modules, torch, device):
        def rand(*dims):
            return torch.empty(dims, device="cuda", dtype=torch.bfloat16).normal_(0, 0.02)
        self.modules, self.device = modules, device
        room = torch.zeros(64 << 20, device="cuda", dtype=torch.bfloat16)  # as in an arena: something lies behind each

        def carve(*dims):
            nonlocal room
            count = -(-torch.Size(dims).numel() // 128) * 128
            part, room = room[:torch.Size(dims).numel()].view(dims), room[count:]
            return part
        x, normed, qkv, mixed, between, hidden = (carve(rows, n) for n in (WIDTH, WIDTH, QKV, WIDTH, WIDTH, HIDDEN))
        x.normal_()
        scale, bias = torch.ones(WIDTH, device="cuda", dtype=torch.bfloat16), torch.zeros(HIDDEN, 2, device="cuda", dtype=torch.bfloat16)
        heads = lambda t: t.unflatten(1, (HEADS, D)).unsqueeze(2)
        self.operands = []
        for _ in range(LAYERS):
            keys, values = rand(rows, GROUPS, CONTEXT, D), rand(rows, GROUPS, CONTEXT, D)
            self.operands.append([[x, scale, normed], [normed, rand(QKV, WIDTH), qkv], [heads(qkv[:, :WIDTH]), keys, values, None, None, None, None, heads(mixed)],
                                  [mixed, rand(WIDTH, WIDTH), x, between], [between, scale, normed], [normed, rand(2 * HIDDEN, WIDTH), bias, hidden], [hidden, rand(WIDTH, HIDDEN), between, x]])

    def graph(self, plans):
        launches = [self.device.Launch(self.modules, plan, operands) for layer in self.operands for plan, operands in zip(plans, layer)]
        return self.device.graph_of(launches * REPEATS)


def kept(plans, within):
    best = min(p["us"] for p in plans)
    return plans[:1] + [p for p in plans[1:] if p["us"] <= within * best]


def measure(folder, within):
    import torch
    import device
    kernels = [kept(plans, within if query["name"] == "linear" else 0) for query, plans in zip(json.loads((folder / "queries.json").read_text()), device.load(folder))]
    for line in device.compile_texts(folder, ROOT, {p["file"] for plans in kernels for p in plans}):
        print(line)
    modules, each = device.load_modules(folder, kernels), len(NAMES)
    for at, rows in enumerate(ROWS):
        all_plans = kernels[at * each:(at + 1) * each]
        layers, chosen = Layers(rows, modules, torch, device), [plans[0] for plans in all_plans]
        graphs = {("chosen", ""): layers.graph(chosen)}
        for i, plans in enumerate(all_plans):
            for plan in plans[1:]:
                graphs[(NAMES[i], plan["plan"])] = layers.graph(chosen[:i] + [plan] + chosen[i + 1:])
        times = {key: us / LAYERS / REPEATS for key, us in device.race(graphs, 7).items()}
        base = times.pop(("chosen", ""))
        print(f"{rows} rows: {base:.2f} us a layer with " + "; ".join(f"{n} {p['plan']}" for n, p in zip(NAMES, chosen)), flush=True)
        for (name, plan), us in sorted(times.items(), key=lambda item: (item[0][0], item[1])):
            print(f"  {name:10s} {us - base:+7.2f} us  {plan}")


def main():
    if sys.argv[1] == "queries":
        print(json.dumps(queries()))
    else:
        measure(pathlib.Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.4)


if __name__ == "__main__":
    main()
