#!/usr/bin/env bash
# Installs what the build needs and is missing: Debian packages (scripts/packages.txt) and a Python environment in
# .venv (scripts/requirements.txt).  Does nothing, in under a second, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
while read -r name version; do
  [[ -z "$name" || "$name" == \#* ]] && continue
  dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || missing+=("$name=$version")
done < scripts/packages.txt

if (( ${#missing[@]} )); then
  sudo=$([[ $(id -u) == 0 ]] || echo sudo)
  echo "installing ${#missing[@]} Debian packages" >&2
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  # A pinned version leaves the archive when a security update replaces it: take the current one then, and say so.
  if ! $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
    echo "note: some pinned versions are gone from the archive, installing the current ones" >&2
    $sudo apt-get install -y -qq --no-install-recommends "${missing[@]%%=*}" >/dev/null
  fi
fi

stamp=.venv/requirements.sha256
want=$(sha256sum scripts/requirements.txt | cut -d' ' -f1)
if [[ "$(cat $stamp 2>/dev/null)" != "$want" ]]; then
  echo "making the Python environment .venv" >&2
  python3 -m venv .venv
  .venv/bin/python -m pip install -q --disable-pip-version-check -r scripts/requirements.txt
  echo "$want" > $stamp
fi
