#!/usr/bin/env python3
"""Checks the reference that target `docs` made: nothing in it may be undocumented or untested.

    check_reference.py BUILD/docs SOURCE       a line for each gap; exit 1 when there is one

Every op has a summary, and a description with an example that uses it, and is parsed by a test of its dialect.  Every pass
has a summary, a description, and its test test/<phase>/<pass>.mlir.  Every interface says what it is.
"""
import pathlib
import re
import sys

# A heading of mlir-tblgen's Markdown, and what stands below it.
SECTION = re.compile(r"^###+ (.+?)\n(.*?)(?=^##+ |\Z)", re.M | re.S)


def sections(page):
    return SECTION.findall(page.read_text())


def op_gaps(page, source):
    dialect = page.stem
    tests = "".join(f.read_text() for f in (source / "test" / dialect).glob("*.mlir") if "invalid" not in f.name)
    for heading, body in sections(page):
        name = re.match(rf"`({dialect}\.\w+)`", heading)
        if not name:
            continue
        op = name[1]
        if not re.search(r"^_.+_$", body, re.M):
            yield f"{op}: no summary"
        uses = rf"(^|[\s=]){re.escape(op)}\b"
        examples = re.findall(r"```mlir\n(.*?)```", body, re.S)
        if not any(re.search(uses, example, re.M) for example in examples):
            yield f"{op}: its description has no example that uses it"
        if not re.search(uses, tests, re.M):
            yield f"{op}: no test in test/{dialect}/ parses it"


def pass_gaps(page, source):
    phase = page.stem.removeprefix("passes_")
    for heading, body in sections(page):
        name = re.match(r"`-(sluice-[\w-]+)`", heading)
        if not name:
            continue
        if not re.match(r"\s*_.+_\n\n?\S", body):
            yield f"{name[1]}: needs a summary and a description"
        test = f"test/{phase}/{name[1].removeprefix('sluice-').replace('-', '_')}.mlir"
        if not (source / test).exists():
            yield f"{name[1]}: no {test}"


def interface_gaps(page):
    for name, first in re.findall(r"^## (\w+).*\n\n(.*)", page.read_text(), re.M):
        if first.startswith("#"):
            yield f"{name}: no description"


def main():
    docs, source = map(pathlib.Path, sys.argv[1:])
    pages = sorted(docs.glob("*.md"))
    gaps = [] if len(pages) > 2 else [f"{docs}: not generated (ninja docs)"]
    for page in pages:
        if page.stem.startswith("passes_"):
            gaps += pass_gaps(page, source)
        elif page.stem == "interfaces":
            gaps += interface_gaps(page)
        else:
            gaps += op_gaps(page, source)
    print("\n".join(gaps))
    return bool(gaps)


if __name__ == "__main__":
    sys.exit(main())
