#!/usr/bin/env python3
"""Whole models on a GPU beside torch's, in one run and in turn: a block of ours, a block of theirs, and again.

    python3 bench/models.py FOLDER [MODEL[:BATCH,BATCH]]… [--rounds 3] [--mode MODE] [--bench sluice-bench] [--json=FILE]

FOLDER holds stripped artifacts NAME.sluice or, for one batch, NAME-bB.sluice, of the graphs in ../shared/models/shapes:
bert-base (128 tokens), vit-b-16, resnet50 at batch 1, 8, 32; llama-3.1-8b, smollm2 (a decode step at context 512) at
batch 1, 32, 128.  Without MODEL: all whose artifacts are there.  Needs torch, transformers and torchvision; --no-peers
times ours alone.
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ENCODERS = {"bert-base": "batch={batch},sequence=128", "vit-b-16": "batch={batch}", "resnet50": "batch={batch}"}
DECODERS = ("llama-3.1-8b", "smollm2")
# Milliseconds a batch of ONNX Runtime 1.31.1 with its transformer optimizer, IO binding and a CUDA graph, NHWC for
# convolutions, on an H200: not of the run that prints them.
ORT_MS = {"bert-base": {1: 0.510, 8: 0.747, 32: 1.919}, "vit-b-16": {1: 0.634, 8: 1.084, 32: 3.350},
          "resnet50": {1: 0.588, 8: 1.086, 32: 2.846}}


def asked(texts, folder):
    """[(model, batch, artifact)] of "bert-base:1,8" …; of all that the folder has without any."""
    pairs = []
    for text in texts or [*ENCODERS, *DECODERS]:
        name, _, batches = text.partition(":")
        if name not in ENCODERS and name not in DECODERS:
            sys.exit(f"models.py: error: '{name}': is none of {', '.join([*ENCODERS, *DECODERS])}")
        for batch in map(int, batches.split(",")) if batches else ((1, 32, 128) if name in DECODERS else (1, 8, 32)):
            found = [path for path in (folder / f"{name}-b{batch}.sluice", folder / f"{name}.sluice") if path.exists()]
            if found:
                pairs.append((name, batch, found[0]))
            elif texts:
                sys.exit(f"models.py: error: {folder}: no {name}-b{batch}.sluice and no {name}.sluice")
    return pairs


def command(bench, name, batch, artifact):
    ours = [bench, artifact, "--weights", "random", "--json"]
    if name in DECODERS:
        return ours + ["--decode", "--batch", batch, "--context", 512, "--tokens", 128, "--prefill", 512]
    return ours + ["--dims", ENCODERS[name].format(batch=batch), "--on-device", "--iters", 20]


def ours_ms(bench, name, batch, artifact):
    """One block of ours, and what sluice-bench said."""
    run = subprocess.run([str(c) for c in command(bench, name, batch, artifact)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"models.py: error: {artifact}: {run.stderr.strip() or run.returncode}")
    said = json.loads(run.stdout)
    return (said["decode"][0]["step_ms"] if name in DECODERS else said["runs"][0]["latency_ms"]["p50"]), said


def row_of(name, batch, ours, theirs, said):
    """A row of the result: medians of the rounds, and ours over each peer's (below 1: we are faster)."""
    row = {"model": name, "batch": batch, "rounds": len(ours), "sluice_ms": statistics.median(ours)}
    if name in DECODERS:
        row |= {"context": 512, "sluice_tok_s": batch * 1e3 / row["sluice_ms"], "host_us": said["decode"][0]["host_us"],
                "prefill_tok_s": said["prefill"][0]["tok_s"]}
    if theirs and None not in theirs:
        compiled = [t["compile_ms"] for t in theirs]
        row |= {"compile_ms": statistics.median(compiled), "eager_ms": statistics.median(t["eager_ms"] for t in theirs)}
        row["to_compile"] = statistics.median(a / b for a, b in zip(ours, compiled))
    published = ORT_MS.get(name, {}).get(batch)
    if published:
        row |= {"ort_ms_of_another_run": published, "to_ort": row["sluice_ms"] / published}
    return row


def text_of(row):
    text = f"{row['model']:13s} batch {row['batch']:3d}: sluice {row['sluice_ms']:.3f} ms"
    if "sluice_tok_s" in row:
        text += f" ({row['sluice_tok_s']:.0f} tok/s, host {row['host_us']:.0f} us, prefill {row['prefill_tok_s']:.0f} tok/s)"
    if "compile_ms" in row:
        text += f", torch.compile {row['compile_ms']:.3f} (x {row['to_compile']:.2f}), eager {row['eager_ms']:.3f}"
    if "to_ort" in row:
        text += f" | ONNX Runtime {row['ort_ms_of_another_run']:.3f}, not of this run (x {row['to_ort']:.2f})"
    return text


class Peers:
    """A process of torch_models.py for each model and batch: they compile side by side and are timed one at a time."""
    def __init__(self, pairs, mode):
        script, threads = pathlib.Path(__file__).with_name("torch_models.py"), {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
        self.each, self.errors = {}, {}
        for name, batch, _ in pairs:
            self.errors[name, batch] = tempfile.TemporaryFile("w+")
            self.each[name, batch] = subprocess.Popen([sys.executable, str(script), name, str(batch), mode], text=True,
                                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                      stderr=self.errors[name, batch], env=os.environ | threads)

    def answer(self, pair):
        """What a peer says next; None once it has failed, which is told."""
        for line in self.each[pair].stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.errors[pair].seek(0)
        print(f"{pair[0]} batch {pair[1]}: torch failed: {self.errors[pair].read().strip()[-500:]}", flush=True)
        return None

    def times(self, pair):
        """One block of a peer that is ready."""
        with contextlib.suppress(BrokenPipeError):  # it has failed: so says the answer
            self.each[pair].stdin.write("time\n")
            self.each[pair].stdin.flush()
        return self.answer(pair)

    def close(self):
        for process in self.each.values():
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        for process in self.each.values():
            process.wait()


def compare(pairs, arguments):
    peers = None if arguments.no_peers else Peers(pairs, arguments.mode)
    ready = {pair[:2]: peers.answer(pair[:2]) if peers else None for pair in pairs}
    for pair, said in ready.items():
        if said:
            print(f"{pair[0]} batch {pair[1]}: torch {said['torch']} is ready after {said['ready_s']:.0f} s, {said['device']}", flush=True)
    rows = []
    for name, batch, artifact in pairs:
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ms, said = ours_ms(arguments.bench, name, batch, artifact)
            ours.append(ms)
            if ready[name, batch]:
                theirs.append(peers.times((name, batch)))
        rows.append(row_of(name, batch, ours, theirs, said))
        print(text_of(rows[-1]), flush=True)
    if peers:
        peers.close()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("models", nargs="*", metavar="MODEL[:BATCH,BATCH]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", default="default", help="of torch.compile; max-autotune-no-cudagraphs takes minutes")
    parser.add_argument("--bench", default=pathlib.Path(__file__).resolve().parents[1] / "build" / "bin" / "sluice-bench")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    pairs = asked(arguments.models, arguments.folder)
    rows = compare(pairs, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
