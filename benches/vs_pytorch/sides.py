"""Child processes of both sides, in one environment."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rows import EXPERIMENT

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
THREADS = 2
FORMATS = ("contiguous", "channels_last")
# glibc keeps what is freed, as PyTorch's tuning guide advises of an allocator.
TUNED_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


@dataclass(frozen=True)
class Way:
    """A way to run PyTorch."""

    name: str
    environment: dict = field(default_factory=dict, hash=False)
    options: tuple = ()

    @property
    def single_precision(self):
        return "--bfloat16" not in self.options


DEFAULT = Way("PyTorch f32")
TUNED = Way("PyTorch f32, tuned allocator", TUNED_ALLOCATOR)
COMPILED = Way("PyTorch f32, compiled", TUNED_ALLOCATOR, ("--compile",))
BFLOAT16 = Way("PyTorch bf16", TUNED_ALLOCATOR, ("--bfloat16",))
WAYS = (DEFAULT, TUNED, COMPILED, BFLOAT16)


def computes_in_bfloat16():
    """Whether the processor multiplies in bfloat16."""
    with open("/proc/cpuinfo") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return bool({"avx512_bf16", "amx_bf16"} & set(flags))


class Sides:
    """Starts oncospec and PyTorch on the data in one folder."""

    def __init__(self, data):
        self.data = data.resolve()
        self.binary = str(Path(os.environ["ONCOSPEC_BIN"]).resolve())
        # What begins with ONCOSPEC_ would be taken for a key of the spec.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("ONCOSPEC_")}
        for pool in ("RAYON", "OMP", "MKL"):
            self.environment[f"{pool}_NUM_THREADS"] = str(THREADS)

    def oncospec_steps(self, row, warmup, steps, dump=None, override=None):
        """What `oncospec bench` measures."""
        command = [self.binary, "bench", REPOSITORY / row.spec, "--device", "cpu", "--json"]
        command += ["--mode", row.mode, "--batch-size", row.batch_size]
        command += ["--warmup", warmup, "--steps", steps, *self.sets(row.spec, override)]
        return json.loads(self.run(command + (["--dump", dump] if dump else [])))

    def pytorch_steps(self, row, warmup, steps, dump, way, memory_format, dropout=True):
        """What step.py measures."""
        options = ["--experiment", row.experiment, "--mode", row.mode, "--threads", THREADS]
        options += ["--memory-format", memory_format, "--warmup", warmup, "--steps", steps, *way.options]
        options += [] if dropout else ["--no-dropout"]
        return json.loads(self.python("step.py", dump, *options, "--started", time.time(), way=way))

    def oncospec_experiment(self, folder):
        """Seconds from the command to its end, and the headline figures."""
        sets = self.sets(EXPERIMENT, f"run.output={folder}/runs")
        command = [self.binary, "run", REPOSITORY / EXPERIMENT, "--device", "cpu", "--quiet", "--json"]
        start = time.perf_counter()
        output = self.run([*command, "--output", f"{folder}/report.html", *sets])
        return time.perf_counter() - start, dict(json.loads(output)[0]["figures"])

    def pytorch_experiment(self, folder, way, memory_format):
        """Seconds from the command to its end, and the figures."""
        options = ["--data", self.data, "--out", folder, "--threads", THREADS]
        start = time.perf_counter()
        output = self.python("experiment.py", *options, "--memory-format", memory_format, way=way)
        return time.perf_counter() - start, json.loads(output)

    def oncospec_loader(self, bench, row, epochs):
        """Seconds of the median epoch, from divan's table: fastest, slowest, median, mean."""
        environment = {"ONCOSPEC_SHARED": str(self.data.parent)}
        command = [bench, "--bench", row.bench, "--sample-count", epochs]
        output = self.run(command, environment)
        cells = next((line for line in output.splitlines() if f" {row.bench} " in line), "").split("│")
        if len(cells) < 3:
            sys.exit(f"{bench} measured no `{row.bench}`; it looks for BUSI in {self.data.parent}/data")
        value, unit = cells[2].split()
        return float(value) * {"ms": 1e-3, "s": 1.0}[unit]

    def pytorch_loader(self, row, epochs):
        """What loader.py measures."""
        options = ["--data", self.data, "--epochs", epochs] + (["--augment"] if row.augment else [])
        return json.loads(self.python("loader.py", *options))

    def build_loader_bench(self):
        """The program that `cargo bench` would run."""
        command = ["cargo", "bench", "--locked", "--profile", "dev", "--bench", "loader", "--no-run"]
        messages = map(json.loads, self.run([*command, "--message-format", "json"]).splitlines())
        return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "loader")

    def sets(self, spec, override):
        """`--set` arguments that bring a spec to the data, and override one more key."""
        if "bcss" in spec:
            sets = [f"dataset.root={self.data}/BCSS_22"]
        else:
            sets = [f"dataset.root={self.data}/Dataset_BUSI_with_GT", "dataset.split.kind=file"]
            sets.append('dataset.classes=["benign", "malignant", "normal"]')  # The files name all three.
            for part in ("train", "valid", "test"):
                sets.append(f"dataset.split.{part}={self.data}/splits/busi_{part}.txt")
        sets += [override] if override else []
        return [argument for one in sets for argument in ("--set", one)]

    def python(self, script, *arguments, way=DEFAULT):
        return self.run([sys.executable, HERE / script, *arguments], way.environment)

    def run(self, command, environment=()):
        """Standard output of a command; what it says to people stays visible."""
        command = [str(argument) for argument in command]
        try:
            process = subprocess.run(
                command,
                check=True,
                cwd=REPOSITORY,
                env={**self.environment, **dict(environment)},
                stdout=subprocess.PIPE,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            sys.exit(f"exit code {error.returncode} of {' '.join(command)}")
        return process.stdout
