#!/usr/bin/env bash
# run.sh COMMAND [ARG ...]: runs a command on an emulated CUDA device (README.md has the variables).
#
# Needs cargo, python3 with venv, and a registry for NVRTC the first time. Exits 77 without running
# the command where NVRTC cannot be had.
set -euo pipefail

if (($# == 0)); then
    echo "usage: run.sh COMMAND [ARG ...]" >&2
    exit 2
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${CUDA_EMULATOR_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/oncospec-cuda-emulator}
sm=${CUDA_EMULATOR_SM:-75}
# What compiles CUDA C++; from compute capability 8.0 on kernels include CUDA's headers.
nvrtc=nvidia-cuda-nvrtc-cu12==12.9.86
headers=(nvidia-cuda-runtime-cu12==12.9.79 nvidia-cuda-cccl-cu12==12.9.27 nvidia-cuda-nvcc-cu12==12.9.86)

skip() {
    echo "CUDA emulator: $1" >&2
    exit 77
}

mkdir -p "$home"
# One at a time makes what is missing; it is seen under its name when it is whole.
exec 9>"$home/lock"
flock 9

install() { # FOLDER PACKAGE ...
    local folder=$1 log=$home/pip.log
    shift
    command -v python3 >/dev/null || skip "there is no python3, which installs NVRTC"
    if [[ ! -x $home/venv/bin/pip ]]; then
        rm -rf "$home/venv"
        python3 -m venv "$home/venv" >"$log" 2>&1 || skip "python3 -m venv failed: $(tail -n 1 "$log")"
    fi
    rm -rf "$folder.part"
    "$home/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$folder.part" \
        "$@" >"$log" 2>&1 || skip "$* cannot be installed: $(tail -n 1 "$log")"
    mv "$folder.part" "$folder"
}

[[ -d $home/nvrtc ]] || install "$home/nvrtc" "$nvrtc"
if ((sm >= 80)) && [[ ! -d $home/headers ]]; then
    install "$home/headers" "${headers[@]}"
fi

# What NVRTC is told are the headers: none below 8.0.
toolkit=$home/toolkit-none
if ((sm >= 80)); then
    toolkit=$home/toolkit
fi
if [[ ! -d $toolkit ]]; then
    mkdir -p "$toolkit.part/include"
    if ((sm >= 80)); then
        for folder in "$home"/headers/nvidia/*/include; do
            cp -r "$folder/." "$toolkit.part/include/"
        done
    fi
    mv "$toolkit.part" "$toolkit"
fi

target=${CARGO_TARGET_DIR:-$root/target}
cargo build --quiet --locked --manifest-path "$root/Cargo.toml" -p oncospec-cuda-emulator >&2
built=$target/debug/libcuda_emulator.so

# Links in a folder of their own, by what they lead to, so that no other run's are changed.
name=$(sha256sum "$built" | cut -c1-16)
libraries=$home/lib-$name
if [[ ! -d $libraries ]]; then
    rm -rf "$libraries.part"
    mkdir -p "$libraries.part"
    cp "$built" "$libraries.part/libcuda_emulator.so"
    # Both names lead to one file, so that a process has one device.
    ln -s libcuda_emulator.so "$libraries.part/libcuda.so.1"
    ln -s libcuda_emulator.so "$libraries.part/libnvidia-ml.so.1"
    for library in "$home"/nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc*.so*; do
        ln -s "$library" "$libraries.part/"
    done
    mv "$libraries.part" "$libraries"
fi
# Those of builds that nobody has used for a week.
touch "$libraries"
find "$home" -maxdepth 1 -name 'lib-*' -mtime +7 -exec rm -rf {} +
flock -u 9
exec 9>&-

export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export CUDA_PATH=${CUDA_PATH:-$toolkit}
export CUDA_EMULATOR_SM=$sm
export CUDA_EMULATOR_MEM=${CUDA_EMULATOR_MEM:-6000000000}
# Autotune tries few kernels: a process that emulates them takes its time for each.
export CUBECL_AUTOTUNE_LEVEL=${CUBECL_AUTOTUNE_LEVEL:-minimal}
exec "$@"
