"""Compares decode latency with ONNX Runtime's, interleaved: a block of our steps, a block of theirs, and again.

    pip install onnxruntime==1.32.0 numpy
    python bench/decode.py MODEL.onnx MODEL.sluice [--context 128] [--steps 32] [--rounds 12] [--threads 2]

Both start each block at the same context and decode the same number of steps, batch 1; ours by `sluice-bench --decode`,
theirs with caches that stay in ONNX Runtime's own memory (OrtValue), its default optimisations and no logits copied.
Prints the median of each round and of all, and the ratio.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

import numpy as np
import onnxruntime as ort

TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32, "tensor(float16)": np.float16}


class Theirs:
    def __init__(self, model, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()
        self.outputs = [o.name for o in self.session.get_outputs()]

    def step(self, past, tokens):
        """One run over `tokens` ids after the caches `past` (name → OrtValue); returns the new caches."""
        feed = {}
        length = tokens if not past else tokens + next(iter(past.values())).shape()[2]
        for i in self.inputs:
            kind = TYPES[i.type]
            if i.name.startswith("past"):
                # [batch, heads, past, width]; the width may be a name in the graph.
                heads, width = i.shape[1], i.shape[3] if isinstance(i.shape[3], int) else 64
                feed[i.name] = past.get(i.name) or ort.OrtValue.ortvalue_from_numpy(np.zeros([1, heads, 0, width], kind))
            elif i.name == "attention_mask":
                feed[i.name] = ort.OrtValue.ortvalue_from_numpy(np.ones([1, length], kind))
            elif i.name == "position_ids":
                feed[i.name] = ort.OrtValue.ortvalue_from_numpy(np.arange(length - tokens, length, dtype=kind)[None])
            else:
                feed[i.name] = ort.OrtValue.ortvalue_from_numpy((np.arange(tokens, dtype=kind) * 7 + 3)[None] % 64)
        results = dict(zip(self.outputs, self.session.run_with_ort_values(self.outputs, feed)))
        return {n.replace("present", "past_key_values"): v for n, v in results.items() if n.startswith("present")}

    def block(self, context, steps):
        """The time of each of `steps` decode steps from `context` on, in milliseconds."""
        past, times = self.step({}, context), []
        for _ in range(steps):
            began = time.perf_counter()
            past = self.step(past, 1)
            times.append((time.perf_counter() - began) * 1e3)
        return times


def ours(bench, artifact, arguments):
    """The median of one block: sluice-bench reports it."""
    command = [bench, artifact, "--decode", "--json", "--prefill", "1", "--context", arguments.context, "--tokens", arguments.steps,
               "--threads", arguments.threads]
    out = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["decode"][0]["step_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="MODEL.onnx")
    parser.add_argument("artifact", help="MODEL.sluice")
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bench", default=pathlib.Path(__file__).resolve().parents[1] / "build" / "bin" / "sluice-bench")
    arguments = parser.parse_args()
    theirs = Theirs(arguments.model, arguments.threads)
    theirs.block(arguments.context, 4)
    ours(arguments.bench, arguments.artifact, arguments)
    rows = []
    for n in range(arguments.rounds):
        time.sleep(0.05)  # their threads spin a while after a run
        mine = ours(arguments.bench, arguments.artifact, arguments)
        yours = statistics.median(theirs.block(arguments.context, arguments.steps))
        rows.append((mine, yours))
        print(f"round {n + 1}: sluice {mine:.2f} ms, onnxruntime {yours:.2f} ms, load {os.getloadavg()[0]:.1f}")
    mine, yours = (statistics.median(column) for column in zip(*rows))
    ratio = statistics.median(m / y for m, y in rows)
    print(f"median of {len(rows)} rounds, {arguments.threads} threads, context {arguments.context}: sluice {mine:.2f} ms, "
          f"onnxruntime {ort.__version__} {yours:.2f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
