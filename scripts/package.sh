#!/usr/bin/env bash
# Makes the tarball of a preset: package.sh [runtime|release] builds it and prints the file's name.  `runtime` holds the
# library, its headers and the tools that need only glibc; `release` adds the compiler's tools, which need Debian's libmlir.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-runtime}
build=build-$preset
cmake --preset "$preset" >/dev/null
cmake --build "$build" --target package
ls "$build"/sluice-*.tar.gz
