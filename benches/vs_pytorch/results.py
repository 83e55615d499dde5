"""benches/RESULTS.md: the machine, a table and what was checked."""

import os
import platform
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median

from sides import REPOSITORY, THREADS

MARKER = "<!-- below: written by hand -->"
PACKAGES = ("torch", "torchvision", "segmentation-models-pytorch", "numpy", "pillow")


@dataclass
class Line:
    """One figure of both sides, a value for each pair."""

    title: str
    goal: float | None
    unit: str
    ours: list
    contiguous: list
    channels_last: list | None = None

    def ratios(self):
        """Ours to PyTorch's in the memory format that is better for it, pair by pair, ascending."""
        formats = [self.contiguous] + ([self.channels_last] if self.channels_last else [])
        theirs = min(formats, key=median)
        return sorted(a / b for a, b in zip(self.ours, theirs, strict=True))

    def cells(self):
        ratios = self.ratios()
        ratio = f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        values = (self.ours, self.contiguous, self.channels_last)
        goal, met = "", ""
        if self.goal is not None:
            goal, met = f"<= {self.goal:.2f}", "yes" if median(ratios) <= self.goal else "no"
        return [self.title, goal, *(quantity(value, self.unit) for value in values), ratio, met]


def quantity(values, unit):
    if not values:
        return ""
    value = median(values)
    if unit == "s" and value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def write(path, lines, notes, sides, pairs):
    """Replaces what is above the marker; below it a person writes."""
    header = ["", "goal", "oncospec", "PyTorch NCHW", "PyTorch channels_last", "ratio (range)", "met"]
    table = [header, ["---"] + ["---:"] * 5 + ["---"], *(line.cells() for line in lines)]
    text = "\n".join(
        [
            "# oncospec against PyTorch on the CPU",
            "",
            *facts(sides),
            "",
            f"Medians over {pairs} processes of each side, in turns; of a process, its median step.",
            "The ratio is ours to PyTorch's in the memory format that is better for PyTorch: median",
            "and range of the pairs.",
            "",
            *("| " + " | ".join(cells) + " |" for cells in table),
            "",
            "## What was checked",
            "",
            *(f"- {note}" for note in notes),
            "",
            MARKER,
        ]
    )
    before = path.read_text() if path.exists() else ""
    by_hand = before.partition(MARKER)[2] or "\n"
    path.write_text(text + by_hand)


def facts(sides):
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    command = shlex.join(["bash", "benches/vs_pytorch/run.sh", *sys.argv[1:]])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"- machine: {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {THREADS} threads each",
        f"- date: {time.strftime('%Y-%m-%d')}",
        f"- oncospec: {said(sides.binary, '--version')}, commit {commit()}",
        f"- PyTorch: {packages}; Python {platform.python_version()}",
        f"- command: `{command}`",
    ]


def processor():
    with open("/proc/cpuinfo") as file:
        names = (line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
        return next(names, platform.machine())


def commit():
    changed = said("git", "status", "--porcelain", "--untracked-files=no", ".", ":!benches/RESULTS.md")
    return said("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def said(*command):
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()
