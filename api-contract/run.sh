#!/usr/bin/env bash
# The program against its own document: `api-contract/run.sh PROGRAM [SECONDS]`, 180 seconds unless said.
# What is fetched from PyPI is pinned, and kept outside the clone.
set -euo pipefail
cd "$(dirname "$0")"
program="$(realpath "$1")"
seconds="${2:-180}"

pinned="$(sha256sum requirements.txt | cut -c1-12)"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/burgee-api-contract-$pinned"
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement requirements.txt
    touch "$venv/complete"
fi
exec "$venv/bin/python" run.py "$program" "$seconds"
