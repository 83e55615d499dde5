"""oncospec against PyTorch, row by row of rows.py; run.sh starts it, benches/RESULTS.md is what it leaves.

Before steps are timed, both sides take three from the same weights and batches without dropout, and their losses must agree
with those of one of PyTorch's memory formats, as far as these agree; PyTorch then runs in the faster one. oncospec and each way to run PyTorch take
turns, each time in a fresh process; the median of a process's steps counts. torch.compile takes part where a first process
shows that it helps.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from results import Line, write
from rows import ROWS, Loading, Steps, Whole
from sides import BFLOAT16, COMPILED, DEFAULT, FORMATS, REPOSITORY, TUNED, Sides, computes_in_bfloat16

CHECKED_STEPS, TOLERANCE = 3, 1e-3
LOADER_EPOCHS = 3
# How a figure is called, its unit, and how it is taken from what a process measured.
FIGURES = {
    "step": ("", "s", lambda process: median(process["steps_s"])),
    "first step": ("", "s", lambda process: process["first_step_s"]),
    "memory": (", peak RSS", "MiB", lambda process: process["peak_rss_bytes"] / 2**20),
}


def main():
    arguments = parse()
    sides = Sides(arguments.data)
    lines, notes = [], []
    for name in arguments.rows:
        row = ROWS[name]
        print(f"{name}: {row.title}", flush=True)
        match row:
            case Steps():
                measured = compare_steps(name, row, sides, arguments.pairs)
            case Loading():
                measured = compare_loading(row, sides, arguments.pairs)
            case Whole():
                measured = compare_whole(row, sides, arguments.pairs)
        lines += measured[0]
        notes += [f"`{name}`: {note}" for note in measured[1]]
        write(arguments.out, lines, notes, sides, arguments.pairs)
    print(f"written: {arguments.out}")


def compare_steps(name, row, sides, pairs):
    """A line for each goal, and notes of what was checked."""
    with tempfile.TemporaryDirectory() as dump:
        note, memory_format, seconds = check(name, row, sides, dump)
        notes = [note]
        run = lambda way: sides.pytorch_steps(row, row.warmup, row.steps, dump, way, memory_format)
        ways = [DEFAULT, TUNED]
        if row.warmup > 0:
            compiled = median(run(COMPILED)["steps_s"])
            ways += [COMPILED] if compiled < seconds else []
            notes += [f"compiled, a step takes {compiled:.3g} s at first, {seconds:.3g} s without."]
            ways += [BFLOAT16] if computes_in_bfloat16() else []
        ours, theirs = [], {way: [] for way in ways}
        for pair in range(pairs):
            ours.append(sides.oncospec_steps(row, row.warmup, row.steps))
            for way, processes in theirs.items():
                processes.append(run(way))
            say(pair, *(median(side[-1]["steps_s"]) for side in (ours, *theirs.values())))
    lines = []
    for figure, goal in row.goals.items():
        what, unit, of = FIGURES[figure]
        values = {way: [of(process) for process in processes] for way, processes in theirs.items()}
        lines.append(Line(row.title + what, goal, unit, [of(process) for process in ours], values))
    if "memory" in row.goals:
        imported = median(process["imported_rss_bytes"] for process in theirs[DEFAULT])
        version = theirs[DEFAULT][0]["torch"]
        notes.append(f"torch {version} takes {imported / 2**20:.0f} MiB of PyTorch's peak RSS once imported.")
    if BFLOAT16 in theirs:
        losses = listed(theirs[BFLOAT16][0]["losses"]), listed(theirs[TUNED][0]["losses"])
        notes.append(f"losses with dropout in bfloat16 {losses[0]}, in single precision {losses[1]}.")
    return lines, notes


def check(name, row, sides, dump):
    """Dumps weights and batches and ends everything if losses differ; a note, PyTorch's faster format and its step's seconds."""
    ours = sides.oncospec_steps(row, 0, CHECKED_STEPS, dump, row.without_dropout)["losses"]
    note = f"losses of {CHECKED_STEPS} steps: oncospec {listed(ours)}"
    losses, seconds = [], {}
    for memory_format in FORMATS:
        process = sides.pytorch_steps(row, 0, CHECKED_STEPS, dump, TUNED, memory_format, dropout=False)
        theirs = process["losses"]
        seconds[memory_format] = median(process["steps_s"][1:])
        note += f"; PyTorch {memory_format} {listed(theirs)}"
        losses.append(theirs)
    # PyTorch's two formats drift apart as well: the nearer one counts, and may be as far as they are.
    for loss, one, other in zip(ours, *losses, strict=True):
        apart = min(abs(loss - one), abs(loss - other))
        if apart > max(TOLERANCE * abs(one), abs(one - other)):
            sys.exit(f"{name}: {note}: they differ by more than {TOLERANCE:.0e}, and than PyTorch's formats do")
    faster = min(seconds, key=seconds.get)
    note += f"; the faster is {faster}."
    print(f"  {note}", flush=True)
    return note, faster, seconds[faster]


def listed(losses):
    return ", ".join(f"{loss:.6f}" for loss in losses)


def compare_loading(row, sides, pairs):
    """One line, in milliseconds a case."""
    bench = sides.build_loader_bench()
    ours, theirs = [], []
    for pair in range(pairs):
        peer = sides.pytorch_loader(row, LOADER_EPOCHS)
        per_case = 1e3 / peer["cases"]
        theirs.append(median(peer["epochs_s"]) * per_case)
        ours.append(sides.oncospec_loader(bench, row, LOADER_EPOCHS) * per_case)
        say(pair, ours[-1], theirs[-1])
    note = "oncospec mirrors what lies outside of a turned image, torchvision leaves it black."
    return [Line(row.title, row.goal, "ms a case", ours, {DEFAULT: theirs})], [note] if row.augment else []


def compare_whole(row, sides, pairs):
    """One line, and the figures of the test split as a sign that both learnt alike."""
    ours, theirs, figures, formats = [], {DEFAULT: [], TUNED: []}, {}, {}
    for memory_format in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            formats[memory_format], _ = sides.pytorch_experiment(folder, TUNED, memory_format)
    faster = min(formats, key=formats.get)
    for pair in range(pairs):
        with tempfile.TemporaryDirectory() as folder:
            seconds, figures["oncospec"] = sides.oncospec_experiment(folder)
            ours.append(seconds)
        for way, durations in theirs.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds, figures["PyTorch"] = sides.pytorch_experiment(folder, way, faster)
                durations.append(seconds)
        say(pair, *(side[-1] for side in (ours, *theirs.values())))
    dice = [f"{side} {values['test.dice.lesion']:.3f}" for side, values in figures.items()]
    note = f"Dice of test images with a lesion after three epochs: {', '.join(dice)}; seeds do not match."
    return [Line(row.title, row.goal, "s", ours, theirs)], [note, f"PyTorch's faster format is {faster}."]


def say(pair, *medians):
    ours, *theirs = (f"{value:.4g}" for value in medians)
    print(f"  pair {pair + 1}: oncospec {ours}, PyTorch {', '.join(theirs)}", flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5, help="turns of each side")
    parser.add_argument("--rows", type=names, default=list(ROWS), help=", ".join(ROWS))
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared/data")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benches/RESULTS.md")
    return parser.parse_args()


def names(text):
    unknown = [name for name in text.split(",") if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return text.split(",")


if __name__ == "__main__":
    main()
