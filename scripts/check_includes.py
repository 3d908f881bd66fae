"""Checks every project #include against scripts/include_table.txt; prints the lines that break it."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]')
MLIR = ("mlir/", "llvm/", "lld/", "clang/", "mlir-c/", "llvm-c/")
OURS = ("runtime/", "kernels/", "dialects/", "passes/", "compiler/", "tools/", "test/", "examples/")


def read_table():
    table = {}
    for line in (ROOT / "scripts/include_table.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            folder, allowed = line.split(":")
            table[folder] = allowed.split()
    return table


def main():
    table = read_table()
    files = subprocess.run(["git", "ls-files", "*.cpp", "*.h", "*.c"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in files:
        folders = [f for f in table if name.startswith(f + "/")]
        if not folders:
            continue
        folder = max(folders, key=len)
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(1)
            wanted = "mlir" if target.startswith(MLIR) else target
            if wanted != "mlir" and not target.startswith(OURS):
                continue
            if target.startswith(folder + "/"):
                continue
            if not any(wanted == a or wanted.startswith(a + "/") for a in table[folder]):
                print(f"{name}:{number}: {folder} may not include {target}")


main()
