#!/usr/bin/env bash
# Peak memory and seconds of `oncospec predict` on synthetic regions of several sizes, as rows of a Markdown table.
#
#     bash benches/regions.sh [WIDTHxHEIGHT ...]        (ONCOSPEC names the program, else target/debug/oncospec)
set -euo pipefail
program=$(realpath "${ONCOSPEC:-target/debug/oncospec}")
sizes=("${@:-3391x2418}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$program" data synth --kind bcss --out synthetic --cases 24 --seed 1 >/dev/null
cat >region.toml <<'SPEC'
name = "region"
[dataset]
kind = "bcss"
root = "synthetic/rois"
layout = { kind = "rois", stride = 112 }
classes = { kind = "five" }
image-size = 224
split = { kind = "holdout", fractions = { train = 0.5, valid = 0.5, test = 0.0 }, stratify = "none" }
[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }
[loss]
kind = "cross-entropy"
[schedule]
epochs = 1
batch-size = 4
[evaluation]
splits = ["valid"]
window-overlap = 0.25
SPEC
"$program" run region.toml --device cpu --quiet >/dev/null
echo "| image | file | peak RSS | seconds |"
echo "|---|---:|---:|---:|"
for size in "${sizes[@]}"; do
    python3 - "$size" <<'PYTHON'
import struct, sys, zlib

width, height = map(int, sys.argv[1].split("x"))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


with open("image.png", "wb") as file:
    file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)))
    pattern = bytes((x * x // 977 + c * 60) % 251 for x in range(width + 509) for c in range(3))
    stream = zlib.compressobj(1)
    for y in range(height):
        start = 3 * (y * 7 % 509)
        data = stream.compress(b"\0" + pattern[start : start + 3 * width])
        if data:
            file.write(chunk(b"IDAT", data))
    file.write(chunk(b"IDAT", stream.flush()) + chunk(b"IEND", b""))
PYTHON
    rm -rf masks
    python3 - "$program" "$size" <<'PYTHON'
import os, resource, subprocess, sys, time

program, size = sys.argv[1:]
start = time.time()
subprocess.run([program, "predict", "region", "image.png", "--out", "masks", "--device", "cpu", "--quiet"], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
print(f"| {size} | {os.path.getsize('image.png') >> 20} MiB | {peak} MiB | {time.time() - start:.0f} |")
PYTHON
done
