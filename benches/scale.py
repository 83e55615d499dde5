#!/usr/bin/env python3
"""Measures what many runs cost, in seconds of a processor: planning, files, records, the page. docs/explanation/scale.md reckons with its figures.

python3 benches/scale.py [--program target/debug/oncospec] [--runs 100]
"""

import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import tempfile

SPEC = """
name = "scale"

[dataset]
kind = "phantom"
cases = 60
image-size = 64
channels = "gray"

[model]
kind = "unet"
encoder = { kind = "plain", filters = [8, 16] }

[schedule]
epochs = 2
batch-size = 4
optimizer = { kind = "adam", learning-rate = 0.01 }

[run.slurm]
gpus = 0
"""
# Calls that a file server is asked by, as strace names them.
METADATA = "openat,open,creat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,rmdir,stat,statx,newfstatat,lstat,access,getdents64"
FLUSHES = "fsync,fdatasync"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/debug/oncospec")
    parser.add_argument("--runs", type=int, default=100)
    args = parser.parse_args()
    program = str(pathlib.Path(args.program).resolve())
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "scale.toml").write_text(SPEC)
        environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache")}

        def timed(*command):
            # Seconds of a processor, which other work on the machine does not lengthen.
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            made = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert made.returncode == 0, made.stderr
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, made

        def oncospec(*arguments):
            return timed(program, *arguments)

        def say(what, value):
            print(f"{what:58} {value}", flush=True)

        sets = lambda count: ["--set", f"seeds={list(range(count))}"]
        oncospec("plan", "scale.toml", "--device", "cpu")
        for count in [1, 100, 1000]:
            (work / "many.toml").write_text(f'extends = "scale.toml"\nname = "scale"\nseeds = {list(range(count))}\n')
            seconds, made = oncospec("manifest", "many.toml", "--kind", "kubernetes", "--device", "cpu")
            text = json.loads(made.stdout.split("---\n")[1])["data"]["stages.json"]
            say(f"plan and cut into stages, {count} runs: s, bytes", f"{seconds:.2f}  {len(text)}")

        traced = ["strace", "-f", "-q", "-e", f"trace={METADATA},{FLUSHES}", "-o"]

        def calls(log):
            # Only what lies in the folder of the runs, of all threads.
            lines = [line for line in (work / log).read_text().splitlines() if "unfinished" not in line]
            flushes = sum(1 for line in lines if re.search(r"\b(fsync|fdatasync)\b", line))
            return sum(1 for line in lines if "runs/" in line or '"runs' in line), flushes

        run = [program, "run", "scale.toml", "--device", "cpu", "--quiet"]
        timed(*traced, "two", *run, "--set", "seeds=[5000]")
        timed(*traced, "four", *run, "--set", "seeds=[5000]", "--set", "schedule.epochs=4")
        two, four = calls("two"), calls("four")
        say("calls on metadata of a run's folder, 2 epochs; flushes", f"{two[0]}  {two[1]}")
        say("of these, an epoch; flushes", f"{(four[0] - two[0]) / 2:.0f}  {(four[1] - two[1]) / 2:.0f}")

        seconds, _ = oncospec("run", "scale.toml", "--device", "cpu", "--quiet", "--jobs", "2", *sets(args.runs), "-o", "first.html")
        say(f"{args.runs} runs, two at once, with their page: s", f"{seconds:.0f}")
        folders = [path for path in (work / "runs/scale").iterdir() if path.is_dir()]
        files = [path for path in folders[0].rglob("*") if path.is_file()]
        say("files of a run; bytes", f"{len(files)}  {sum(path.stat().st_size for path in files)}")
        of = {part: sum(path.stat().st_size for path in files if part in str(path.relative_to(folders[0]))) for part in ["pictures", "checkpoints", "model"]}
        say("bytes of its pictures; checkpoints; weights", "  ".join(str(size) for size in of.values()))
        seconds, _ = oncospec("run", "scale.toml", "--device", "cpu", "--quiet", "--set", "seeds=[0]", "-o", "again.html")
        say("find one run finished and write its page: s", f"{seconds:.2f}")
        for count in sorted({10, args.runs // 2, args.runs}):
            chosen = [str(path) for path in folders[:count]]
            seconds, made = timed("/usr/bin/env", "bash", "-c", 'exec "$@"', "page", program, "report", *chosen, "-o", f"page-{count}.html")
            size = (work / f"page-{count}.html").stat().st_size
            with_assets, _ = oncospec("report", *chosen, "--redact", "-o", f"redacted-{count}.html")
            redacted = (work / f"redacted-{count}.html").stat().st_size
            say(f"page of {count} runs: s, bytes; without pictures: s, bytes", f"{seconds:.1f}  {size};  {with_assets:.1f}  {redacted}")
        seconds, _ = oncospec("list")
        say(f"list {args.runs} runs: s", f"{seconds:.2f}")
        seconds, _ = oncospec("report", "runs/scale", "--index", "-o", "index.html")
        say(f"index of {args.runs} runs with the page of their experiment: s", f"{seconds:.1f}")


if __name__ == "__main__":
    main()
