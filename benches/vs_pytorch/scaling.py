"""What a second thread is worth to oncospec, as rows of a Markdown table; needs ONCOSPEC_BIN, and no PyTorch.

One thread and two take turns, in fresh processes; medians of their steps. The serial share is what Amdahl's law makes of the two
times, so that it holds all that does not become faster: code on one thread, and waits of both for memory. The last column is
what the same law gives for 16 threads, on paper.
"""

import argparse
from pathlib import Path
from statistics import median

from rows import ROWS, Steps
from sides import REPOSITORY, Sides


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared/data")
    arguments = parser.parse_args()
    sides = Sides(arguments.data)
    print("| work | 1 thread | 2 threads | faster by | serial share | 16 threads, on paper |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in ROWS.values():
        if not isinstance(row, Steps) or row.warmup == 0:
            continue
        times = {1: [], 2: []}
        for _ in range(arguments.pairs):
            for threads, seconds in times.items():
                sides.environment["RAYON_NUM_THREADS"] = str(threads)
                seconds.append(median(sides.oncospec_steps(row, row.warmup, row.steps)["steps_s"]))
        one, two = (median(seconds) for seconds in times.values())
        serial = max(0.0, 2 * two / one - 1)
        sixteen = one * (serial + (1 - serial) / 16)
        print(
            f"| {row.title} | {1e3 * one:.3g} ms | {1e3 * two:.3g} ms | {one / two:.2f} | {serial:.0%} | {1e3 * sixteen:.3g} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
