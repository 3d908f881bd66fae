"""Checks every project #include against scripts/include_table.txt; prints the lines that break it.

    check_includes.py [ROOT]      ROOT: a tree of the same folders (test/style has one that breaks every rule)
"""
import pathlib
import re
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]')
SUFFIXES = {".cpp", ".h", ".c", ".cu", ".cuh"}
MLIR = ("mlir/", "llvm/", "lld/", "clang/", "mlir-c/", "llvm-c/")
OURS = ("runtime/", "kernels/", "dialects/", "passes/", "compiler/", "tools/", "test/", "examples/", "bench/")


def read_table():
    table = {}
    for line in (PROJECT / "scripts/include_table.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            folder, allowed = line.split(":")
            table[folder] = allowed.split()
    return table


def source_names(root):
    if (root / ".git").exists():
        listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
        names = listed.stdout.splitlines()
    else:
        names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return sorted(name for name in names if pathlib.PurePath(name).suffix in SUFFIXES)


def broken_lines(name, text, table):
    folders = [folder for folder in table if name.startswith(folder + "/")]
    if not folders:
        yield f"{name}: its folder has no line in scripts/include_table.txt"
        return
    folder = max(folders, key=len)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        target = match[1] if match else ""
        if not target.startswith(MLIR + OURS) or target.startswith(folder + "/"):
            continue
        wanted = "mlir" if target.startswith(MLIR) else target
        if not any(wanted == allowed or wanted.startswith(allowed + "/") for allowed in table[folder]):
            yield f"{name}:{number}: {folder} may not include {target}"


def main():
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PROJECT
    table = read_table()
    for name in source_names(root):
        for fault in broken_lines(name, (root / name).read_text(), table):
            print(fault)


main()
