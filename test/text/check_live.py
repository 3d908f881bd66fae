#!/usr/bin/env python3
"""Compares ids and decoded text with Hugging Face's `tokenizers` on lines of corpus.py; skipped where that is missing.

    check_live.py ENCODE_LINES N TOKENIZER_DIR...     prints `N passed, N failed`, each count in lines
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import corpus

try:
    from tokenizers import Tokenizer
except ImportError:
    print("skipped: the Python package tokenizers is not installed")
    sys.exit(77)


def expected(tokenizer, line):
    try:
        plain, special = (tokenizer.encode(line, add_special_tokens=s).ids for s in (False, True))
    except Exception:  # unknown text without unknown token
        return None
    return {"plain": plain, "special": special, "all": tokenizer.decode(special, skip_special_tokens=False),
            "skipped": tokenizer.decode(special, skip_special_tokens=True)}


def check(tool, directory, lines, file):
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    run = subprocess.run([tool, str(directory), file], capture_output=True, text=True)
    if run.returncode != 0:
        print(f"{directory}: {run.stderr}")
        return len(lines)
    failed = 0
    for line, out in zip(lines, run.stdout.split("\n"), strict=False):
        got, want = json.loads(out), expected(tokenizer, line)
        if want is None:
            bad = ["error"] if "error" not in got else []
        else:
            bad = [k for k in want if got.get(k) != want[k]]
        failed += bool(bad)
        if bad and failed <= 5:
            k = bad[0]
            print(f"{directory.name}: {k} of {ascii(line)}\n  want {ascii(want and want[k])[:600]}\n  got  {ascii(got.get(k, got))[:600]}")
            if k in ("plain", "special") and want and got.get(k):
                i = next((i for i, (a, b) in enumerate(zip(want[k], got[k])) if a != b), min(len(want[k]), len(got[k])))
                print(f"  at {i}: want {[tokenizer.id_to_token(t) for t in want[k][i:i + 4]]} got {[tokenizer.id_to_token(t) for t in got[k][i:i + 4]]}")
    print(f"{directory.name}: {len(lines) - failed} of {len(lines)} lines equal")
    return failed


def main():
    tool, n, directories = sys.argv[1], int(sys.argv[2]), [pathlib.Path(d) for d in sys.argv[3:]]
    lines = corpus.lines(n)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(lines, f)
        f.flush()
        failed = sum(check(tool, d, lines, f.name) for d in directories)
    print(f"{n * len(directories) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
