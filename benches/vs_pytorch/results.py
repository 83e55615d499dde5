"""benches/RESULTS.md: the machine, a table and what was checked."""

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median

from sides import REPOSITORY, THREADS, WAYS

MARKER = "<!-- below: written by hand -->"
PACKAGES = ("torch", "torchvision", "segmentation-models-pytorch", "numpy", "pillow")


@dataclass
class Line:
    """One figure of both sides, a value for each pair."""

    title: str
    goal: float | None
    unit: str
    ours: list
    theirs: dict  # By the way PyTorch runs.

    def ratios(self, ways):
        """Ours to PyTorch's in the best of some ways, pair by pair, ascending."""
        theirs = min((self.theirs[way] for way in ways), key=median)
        return sorted(a / b for a, b in zip(self.ours, theirs, strict=True))

    def cells(self, measured):
        """Of its row in the table; `measured` says when and with what."""
        single = [way for way in self.theirs if way.single_precision]
        goal = "" if self.goal is None else f"<= {self.goal:.2f}"
        values = (self.ours, *(self.theirs.get(way) for way in WAYS))
        cells = [self.title, goal, *(quantity(value, self.unit) for value in values)]
        cells += judged(self.ratios(single), self.goal)
        if len(single) < len(self.theirs):
            cells.append(judged(self.ratios(self.theirs), None)[0])
        else:
            cells.append("")
        return [*cells, measured]


def judged(ratios, goal):
    """Median and range of ratios, and whether they keep to a goal."""
    met = "" if goal is None else "yes" if median(ratios) <= goal else "no"
    return [f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})", met]


def quantity(values, unit):
    if not values:
        return ""
    value = median(values)
    if unit == "s" and value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def write(path, lines, notes, sides, pairs):
    """Replaces the rows measured now and the notes about them; other rows, and what a person wrote, stay."""
    before = path.read_text() if path.exists() else ""
    generated, _, by_hand = before.partition(MARKER)
    measured = f"{time.strftime('%Y-%m-%d')}, {commit()}, {pairs} pairs"
    rows = kept(table_rows(generated), [line.cells(measured) for line in lines], key=lambda cells: cells[0])
    checked = kept(list_items(generated), notes, key=lambda note: note.partition(":")[0])
    header = ["", "goal", "oncospec", *(way.name for way in WAYS)]
    header += ["ratio to its best f32 (range)", "met", "ratio to its best of any precision", "measured"]
    table = [header, ["---"] + ["---:"] * (3 + len(WAYS)) + ["---", "---:", "---"], *rows]
    text = "\n".join(
        [
            "# oncospec against PyTorch on the CPU",
            "",
            *facts(sides),
            "",
            "Medians over the processes of each side, in turns; of a process, its median step. PyTorch runs in the memory format",
            "that is faster for it: as it comes, with glibc told to keep what is freed (as PyTorch's tuning guide advises of an",
            "allocator), so and compiled by torch.compile where that is faster, and so in bfloat16 where the processor multiplies",
            "in it (training by autocast, inference with the network converted). Ratios are of oncospec to PyTorch's best: median and",
            "range of the pairs. The goal is of single precision.",
            "",
            *("| " + " | ".join(cells) + " |" for cells in table),
            "",
            "## What was checked",
            "",
            *(f"- {note}" for note in checked),
            "",
            MARKER,
        ]
    )
    path.write_text(text + (by_hand or "\n"))


def kept(old, new, key):
    """Old entries, those of the same key replaced by the new ones; further new ones behind."""
    fresh = {}
    for entry in new:
        fresh.setdefault(key(entry), []).append(entry)
    entries = []
    for entry in old:
        if key(entry) not in fresh:
            entries.append(entry)
        else:
            entries += fresh[key(entry)]
            fresh[key(entry)] = []
    return entries + [entry for entries in fresh.values() for entry in entries]


def table_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def list_items(text):
    lines = text.partition("## What was checked")[2].splitlines()
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def facts(sides):
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"- machine: {processor()}, {os.cpu_count()} cores, {memory:.0f} GiB; {THREADS} threads each",
        f"- oncospec: {said(sides.binary, '--version')}",
        f"- PyTorch: {packages}; Python {platform.python_version()}",
        "- command: `bash benches/vs_pytorch/run.sh`, which measures the rows named by `--rows` anew and keeps the others",
    ]


def processor():
    """Its name, and which of the instructions that matter here it has."""
    with open("/proc/cpuinfo") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    facts = {key.strip(): value.strip() for key, value in lines.items()}
    has = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in facts.get("flags", "").split()]
    named = facts.get("model name", platform.machine())
    return f"{named} (family {facts.get('cpu family')}, model {facts.get('model')}; {', '.join(has)})"


def commit():
    changed = said("git", "status", "--porcelain", "--untracked-files=no", ".", ":!benches/RESULTS.md")
    return said("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def said(*command):
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()
