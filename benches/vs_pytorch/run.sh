#!/usr/bin/env bash
# oncospec against PyTorch on this machine's CPU; writes benches/RESULTS.md.
#
#     bash benches/vs_pytorch/run.sh [--pairs 5] [--rows NAME,NAME] [--data ../shared/data] [--out FILE]
#
# Makes a virtual environment outside the repository (VS_PYTORCH_VENV, else below ~/.cache) and builds
# oncospec, unless ONCOSPEC_BIN says where it is. Leave the machine alone meanwhile.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
venv=${VS_PYTORCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/oncospec-vs-pytorch}

if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/"
fi

if [[ -z ${ONCOSPEC_BIN:-} ]]; then
    cargo build --locked --manifest-path "$repository/Cargo.toml"
    export ONCOSPEC_BIN=${CARGO_TARGET_DIR:-$repository/target}/debug/oncospec
fi

exec "$venv/bin/python" "$here/compare.py" "$@"
