#!/usr/bin/env python3
"""Compares ids and decoded text with Hugging Face's `tokenizers` on lines of corpus.py; skipped where that is missing.

    check_live.py ENCODE_LINES N TOKENIZER_DIR...     prints `N passed, N failed`, each count in lines

A components.json (make_fixtures.py) stands for all the tokenizers in it.  With N = 0 the lines are instead every code
point of Unicode once, eight to a line.
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


def sweep():
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    return ["".join(f"a{chr(c)}{chr(c)}" for c in points[i:i + 8]) for i in range(0, len(points), 8)]


def expand(paths, scratch):
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            yield path
            continue
        tree = json.loads(path.read_text())
        for name, part in tree["parts"].items():
            directory = pathlib.Path(scratch) / name
            directory.mkdir()
            (directory / "tokenizer.json").write_text(json.dumps({**tree["base"], **part}))
            yield directory


def main():
    tool, n = sys.argv[1], int(sys.argv[2])
    lines = corpus.lines(n) if n > 0 else sweep()
    with tempfile.TemporaryDirectory() as scratch, tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(lines, f)
        f.flush()
        directories = list(expand(sys.argv[3:], scratch))
        failed = sum(check(tool, d, lines, f.name) for d in directories)
    print(f"{len(lines) * len(directories) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
