"""Takes a training step of each network of `experiments/` on an emulated GPU whose kernels are checked and not computed.

    networks.py check    [--all] [--size 64]   a step each; fails where a command, a kernel or a pass failed
    networks.py measure  [--all] [--steps 10]  what does not need a card, as a table in Markdown

`--binary` is the program; `--counts` a folder for what each process launched and copied. Networks, losses and sizes are
those of the experiments; images are synthetic, so that no data is needed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EMULATE = ROOT / "crates/cuda-emulator/run.sh"
# Networks of every commit; the others are the nightly run's.
OFTEN = ["demo", "busi_unext", "busi_efficientnet_b0"]
# Networks that no experiment has.
MORE = {
    "unet_bilinear": {"model": {"kind": "unet", "encoder": {"kind": "plain", "up-sampling": "bilinear"}}},
    "resnet18": {"task": {"kind": "classify"}, "model": {"kind": "resnet18"}},
    "resnet34": {"task": {"kind": "classify"}, "model": {"kind": "resnet34"}},
}


def merged(base, over):
    """A table over another, key by key; a table of another `kind` replaces the whole."""
    if "kind" in over and over["kind"] != base.get("kind"):
        return over
    both = dict(base)
    for key, value in over.items():
        is_table = isinstance(value, dict) and isinstance(base.get(key), dict)
        both[key] = merged(base[key], value) if is_table else value
    return both


def load(path):
    spec = tomllib.loads(path.read_text())
    base = spec.pop("extends", None)
    return merged(load(path.parent / base), spec) if base else spec


def without_weights(table):
    return {
        key: without_weights(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if key not in ("weights", "frozen")
    }


def synthetic(name, spec, size):
    """The spec with synthetic images of its size in the place of its data."""
    data = spec.get("dataset", {})
    task = spec.get("task", {})
    histology = data.get("kind") == "bcss"
    schedule = spec.get("schedule", {})
    batch = schedule.get("batch-size", 8)
    return {
        "name": name.replace("_", "-"),
        **({"task": {key: task[key] for key in task if key not in ("guide", "inputs")}} if task else {}),
        "dataset": {
            "kind": "phantom",
            "cases": 2 * batch + 20,
            "image-size": size or data.get("image-size", 256),
            "channels": "rgb" if histology else data.get("channels", "rgb"),
            **({"modality": "histology"} if histology else {}),
        },
        "model": without_weights(spec["model"]),
        **({"loss": spec["loss"]} if "loss" in spec else {}),
        "schedule": {
            key: schedule[key] for key in ("batch-size", "optimizer", "clip") if key in schedule
        },
    }


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(part) for part in value) + "]"
    return json.dumps(value)


def networks(everything, size):
    """Name and spec of each network."""
    seen = set()
    paths = [ROOT / "experiments/demo.toml", *sorted((ROOT / "experiments").glob("b*_*.toml"))]
    found = {path.stem: load(path) for path in paths}
    for name, more in MORE.items():
        found[name] = merged(load(ROOT / "experiments/base/busi.toml"), more)
        if "task" in more:
            found[name]["loss"] = {"kind": "cross-entropy"}
    for name, spec in found.items():
        made = synthetic(name, spec, size)
        same = json.dumps([made.get("task"), made["model"], made.get("loss", {}).get("kind")])
        if same not in seen and (everything or name in OFTEN):
            seen.add(same)
            yield name, made


class Bench:
    """One process: `oncospec bench` on the emulated GPU."""

    def __init__(self, options, folder, name, spec, steps, cache, label="only"):
        path = folder / f"{name}.toml"
        path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in spec.items()))
        counts = Path(options.counts or folder) / f"launched-{name}-{label}-{os.getpid()}-%p.json"
        environment = {
            **os.environ,
            "CUDA_EMULATOR_EXEC": "0",
            "CUDA_EMULATOR_MEM": "140000000000",
            "CUDA_EMULATOR_COUNTS": str(counts),
            "XDG_CACHE_HOME": str(cache),
        }
        command = [EMULATE, options.binary.resolve(), "bench", path, "--device", "cuda", "--json"]
        command += ["--warmup", "0", "--steps", str(steps)]
        self.ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        self.fault = None
        if self.ran.returncode != 0:
            self.fault = f"exit code {self.ran.returncode}"
        elif "panicked" in self.ran.stderr or "failed" in self.ran.stderr:
            self.fault = "a panic or a failure on standard error"
        found = sorted(counts.parent.glob(counts.name.replace("%p", "*")), key=os.path.getsize)
        self.counts = json.loads(found[-1].read_text()) if found else None
        self.figures = json.loads(self.ran.stdout) if self.fault is None else None


def check(options, folder):
    """A step of each network, at a small size."""
    failed = 0
    for name, spec in networks(options.all, options.size):
        spec["schedule"]["batch-size"] = 2
        spec["dataset"]["cases"] = 24
        bench = Bench(options, folder, name, spec, 1, folder / "cache")
        kernels = len(bench.counts["launches_by_kernel"]) if bench.counts else 0
        print(f"{name:28} {bench.fault or 'ok'}, {kernels} kernels", flush=True)
        if bench.fault:
            failed += 1
            print(bench.ran.stderr, file=sys.stderr)
    return failed


def measure(options, folder):
    """The table: a first process without a cache, then two that have one and differ in their steps."""
    print("| network | size, batch | first step, first process | second | kernels compiled | host time of a step "
          "| launches a step | reads a step | bytes to the device beyond images and labels |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, spec in networks(options.all, options.size):
        cache = folder / f"cache-{name}"
        few, many = 3, 3 + options.steps
        first, short, long = (
            Bench(options, folder, name, spec, steps, cache, label)
            for label, steps in (("first", few), ("short", few), ("long", many))
        )
        faults = [bench.fault for bench in (first, short, long) if bench.fault]
        if faults:
            print(f"| {name} | {faults[0]} |", flush=True)
            continue
        def a_step(key, part=None):
            more, less = ((counts[key][part] if part else counts[key]) for counts in (long.counts, short.counts))
            return (more - less) / options.steps

        host = statistics.median(long.figures["steps_s"][few:])
        size, batch = long.figures["image_size"], long.figures["batch_size"]
        images = batch * long.figures["channels"] * size * size * 4
        labels = batch if spec.get("task", {}).get("kind") == "classify" else batch * size * size
        more = a_step("host_to_device", "bytes") - images - labels
        print(f"| {name} | {size} px, {batch} | {first.figures['first_step_s']:.1f} s "
              f"| {short.figures['first_step_s']:.1f} s | {'0' if short.counts['export_table_requests'] == 0 else 'some'} "
              f"| {1e3 * host:.1f} ms | {a_step('launches'):.0f} | {a_step('device_to_host', 'number'):.1f} "
              f"| {more:.0f} |", flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["check", "measure"])
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/oncospec")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        shutil.copy(EMULATE.parent / "cubecl.toml", folder)
        failed = {"check": check, "measure": measure}[options.work](options, folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
