#!/usr/bin/env python3
"""Does a decoder write the text that it should?  Greedy ids of expected.json, on the GPU or wherever the artifact runs.

    python3 test/gpu/real_text.py MODEL.sluice EXPECTED.json TOKENIZER [--weights MODEL.onnx] [--within 0.1] [--run sluice-run]

Without --within the ids must be equal.  With it, which is for types of fewer bits, they may part where the logits of both
tokens are as near as that; what comes behind is another text and is not compared.
"""
import argparse
import json
import pathlib
import subprocess
import sys


def generate(arguments, case):
    command = [arguments.run, arguments.artifact, "--tokenizer", arguments.tokenizer, "--prompt", case["prompt_text"], "--temperature", 0,
               "--max-tokens", len(case["greedy_ids"]), "--json", "-q"]
    command += ["--weights", arguments.weights] if arguments.weights else []
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"real_text.py: error: {arguments.artifact}: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout)


def verdict(case, said, within):
    """(whether it holds, what to say of it)."""
    if said["prompt_ids"] != case["prompt_ids"]:
        return False, "the prompt's ids differ"
    mine, theirs = said["ids"], case["greedy_ids"]
    step = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
    if step == len(mine) == len(theirs):
        return True, f"{len(mine)} ids equal"
    if step == min(len(mine), len(theirs)):
        return False, f"{len(mine)} ids, {len(theirs)} expected"
    ours, reference = apart(said["steps"][step]["top"], mine[step], theirs[step]), apart(case["top5_per_step"][step], theirs[step], mine[step])
    return within is not None and ours <= within, (f"{step} ids equal, then {mine[step]} for {theirs[step]}, whose logits are {ours:.4f} apart "
                                                   f"here and {reference:.4f} in the reference")


def apart(top, first, second):
    """How much larger the logit of one id is than that of another."""
    logits = dict(map(tuple, top))
    return logits[first] - logits[second] if second in logits else float("inf")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=pathlib.Path)
    parser.add_argument("expected", type=pathlib.Path)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("--weights", help="of a stripped artifact")
    parser.add_argument("--within", type=float)
    parser.add_argument("--run", default=pathlib.Path(__file__).resolve().parents[2] / "build" / "bin" / "sluice-run")
    arguments = parser.parse_args()
    failed = 0
    for case in json.loads(arguments.expected.read_text())["cases"]:
        said = generate(arguments, case)
        holds, text = verdict(case, said, arguments.within)
        failed += not holds
        print(f"{'ok' if holds else 'FAIL'} {arguments.artifact.name} {case['name']}: {text}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
