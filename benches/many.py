#!/usr/bin/env python3
"""Seconds and peak memory of oncospec's commands on many small images, as rows of a Markdown table.

    python3 benches/many.py [--cases 100000] [--set distinct|near|same] [--read folder|table] [--keep FOLDER]

ONCOSPEC names the program, else target/debug/oncospec. `distinct` has images of 32 x 32 pixels that are unlike each
other, `near` varies three pixels of each of a hundredth as many, `same` names each of these a hundred times.
"""

import argparse
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

SIDE = 32
SPEC = """
name = "many"
[dataset]
kind = "{kind}"
root = "data"
{keys}
image-size = {side}
split = {{ kind = "holdout", group = "{group}" }}
[model]
kind = "unet"
encoder = {{ kind = "plain", filters = [4, 8] }}
[schedule]
epochs = 1
batch-size = 64
"""
KEYS = {
    "folder": """images = "images/*.png"
masks = "masks/{stem}.png"
class = '^(?<class>benign|malignant)'
group = '_(?<group>p[0-9]+)_'""",
    "table": """table = "cases.csv"
image = "image"
masks = ["mask"]
class = "class"
group = "patient\"""",
}


def png(rows):
    """A grey PNG of square images, given as rows."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    stream = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def picture(draw):
    """Squares of four pixels, each of a grey level of its own."""
    rows = []
    for _ in range(SIDE // 4):
        row = b"".join(bytes([level]) * 4 for level in draw.randbytes(SIDE // 4))
        rows += [bytearray(row) for _ in range(4)]
    return rows


def mask(draw):
    """A disc."""
    x, y, radius = draw.uniform(10, 22), draw.uniform(10, 22), draw.uniform(4, 9)
    inside = lambda i, j: 255 if (i - x) ** 2 + (j - y) ** 2 < radius**2 else 0
    return [bytes(inside(i, j) for i in range(SIDE)) for j in range(SIDE)]


def make(folder, cases, kind):
    draw = random.Random(1)
    for name in ["images", "masks"]:
        os.makedirs(f"{folder}/{name}")
    for number in range(100):
        with open(f"{folder}/mask{number}", "wb") as file:
            file.write(png(mask(draw)))
    bases = max(cases // 100, 1)
    with open(f"{folder}/cases.csv", "w") as table:
        table.write("image,mask,class,patient,age\n")
        for number in range(cases):
            label = ["benign", "malignant"][number % 2]
            name = f"{label}_p{number // 4}_{number}"
            path = f"{folder}/images/{name}.png"
            if kind == "same" and number >= bases:
                os.link(of_base[number % bases], path)
            else:
                base = random.Random(number % bases if kind == "near" else number)
                rows = picture(base)
                for _ in range(3 if kind == "near" else 0):
                    rows[draw.randrange(SIDE)][draw.randrange(SIDE)] ^= 31
                with open(path, "wb") as file:
                    file.write(png(rows))
                if number == 0:
                    of_base = []
                if number < bases:
                    of_base.append(path)
            os.link(f"{folder}/mask{number % 100}", f"{folder}/masks/{name}.png")
            table.write(f"images/{name}.png,masks/{name}.png,{label},p{number // 4},{30 + number // 4 % 50}\n")
    for number in range(100):
        os.remove(f"{folder}/mask{number}")


def measured(words, folder, environment):
    """Seconds, seconds of processors and peak memory in MiB of a command."""
    start = time.time()
    with open(f"{folder}/output", "ab") as output:
        process = subprocess.Popen(words, cwd=folder, stdout=output, stderr=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(words)}: status {status}, see {folder}/output (--keep)")
    return time.time() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--set", choices=["distinct", "near", "same"], default="distinct")
    parser.add_argument("--read", choices=["folder", "table"], default="folder")
    parser.add_argument("--group", choices=["auto", "duplicates"], default="auto")
    parser.add_argument("--commands", default="check,check again,plan,run,report")
    parser.add_argument("--keep", help="folder that keeps data, runs and output")
    given = parser.parse_args()
    program = os.path.realpath(os.environ.get("ONCOSPEC", "target/debug/oncospec"))
    folder = given.keep or tempfile.mkdtemp()
    try:
        if not os.path.exists(f"{folder}/data"):
            make(f"{folder}/data", given.cases, given.set)
        with open(f"{folder}/many.toml", "w") as spec:
            spec.write(SPEC.format(kind=given.read, keys=KEYS[given.read], side=SIDE, group=given.group))
        shutil.rmtree(f"{folder}/cache", ignore_errors=True)
        environment = os.environ | {"XDG_CACHE_HOME": f"{folder}/cache"}
        commands = {
            "check": ["check", "many.toml"],
            "check again": ["check", "many.toml"],
            "plan": ["plan", "many.toml"],
            "run": ["run", "many.toml", "--device", "cpu", "--force"],
            "report": ["report", "runs/many", "--output", "page.html"],
        }
        print("| images | read by | command | seconds | CPU seconds | peak RSS |\n|---|---|---|---:|---:|---:|")
        for name in given.commands.split(","):
            seconds, processor, peak = measured([program, *commands[name]], folder, environment)
            row = f"| {given.cases:,} {given.set} | {given.read} | {name} |"
            print(f"{row} {seconds:.1f} | {processor:.1f} | {peak} MiB |", flush=True)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


main()
