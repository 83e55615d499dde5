"""The loader against Pillow and torch's DataLoader: real BUSI at 256 px, nothing cached, 2 workers each.

    python benches/vs_torch_loader.py [--rounds 3] [--data ../shared/data/Dataset_BUSI_with_GT]

Needs torch, NumPy and Pillow. Equal work on both sides: decode image and masks, unite the masks,
resize (image antialiased bilinear, mask nearest), float tensor [N, 3, 256, 256] in [0, 1] and labels
[N, 256, 256] in batches of 8, shuffled. The two take turns, so that a busy machine slows both. The
figure is the fastest of 3 epochs, the peer's without the start of its workers. CPU time is that of
the main process and all workers over all epochs, without imports.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import time
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

SIZE, BATCH_SIZE, WORKERS, EPOCHS = 256, 8, 2, 3
REPOSITORY = Path(__file__).resolve().parent.parent


class Busi(Dataset):
    def __init__(self, root):
        self.cases = []
        for folder in ("benign", "malignant", "normal"):
            files = sorted((root / folder).glob("*.png"))
            for image in files:
                if "_mask" not in image.name:
                    masks = [file for file in files if file.name.startswith(f"{image.stem}_mask")]
                    self.cases.append((image, masks))

    def __len__(self):
        return len(self.cases)

    def __getitem__(self, index):
        path, masks = self.cases[index]
        image = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        labels = None
        for mask in masks:
            lesion = numpy.asarray(Image.open(mask).convert("L")) > 0
            labels = lesion if labels is None else labels | lesion
        labels = Image.fromarray(labels.astype("uint8"))
        labels = labels.resize((SIZE, SIZE), Image.Resampling.NEAREST)
        tensor = torch.from_numpy(numpy.array(image)).permute(2, 0, 1).contiguous()
        return tensor.float().div_(255), torch.from_numpy(numpy.array(labels))


def cpu_seconds():
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def time_torch(dataset):
    """Milliseconds per case on the clock, best epoch, and of CPU time."""
    torch.set_num_threads(1)
    loader = DataLoader(
        dataset, batch_size=BATCH_SIZE, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    before, epochs = cpu_seconds(), []
    for _ in range(EPOCHS):
        batches = iter(loader)
        start = time.perf_counter()
        count = sum(len(images) for images, _ in batches)
        epochs.append(time.perf_counter() - start)
    del batches, loader  # The workers end here, so that their CPU time is known.
    cases = len(dataset)
    assert count == cases
    return min(epochs) / cases * 1e3, (cpu_seconds() - before) / (EPOCHS * cases) * 1e3


def time_oncospec(binary, cases):
    """Milliseconds per case on the clock, fastest epoch, and of CPU time over all epochs."""
    before = cpu_seconds()
    output = subprocess.run(
        [binary, "--bench", "decode", "--sample-count", str(EPOCHS)],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout
    cpu = cpu_seconds() - before
    fastest, unit = re.search(r"decode +([\d.]+) (ms|s)\b", output).groups()
    milliseconds = float(fastest) * {"ms": 1, "s": 1e3}[unit]
    return milliseconds / cases, cpu / ((1 + EPOCHS) * cases) * 1e3


def build():
    command = ["cargo", "bench", "--profile", "dev", "--bench", "loader", "--no-run"]
    output = subprocess.run(
        [*command, "--message-format", "json"], check=True, cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    messages = (json.loads(line) for line in output.stdout.splitlines() if line.startswith(b"{"))
    binaries = [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "loader"]
    return binaries[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--data", type=Path, default=REPOSITORY / "../shared/data/Dataset_BUSI_with_GT"
    )
    parser.add_argument("--binary", help="the built benchmark; built here if not given")
    arguments = parser.parse_args()
    dataset = Busi(arguments.data)
    binary = arguments.binary or build()
    ratios = []
    for number in range(arguments.rounds):
        peer, peer_cpu = time_torch(dataset)
        ours, our_cpu = time_oncospec(binary, len(dataset))
        ratios.append((ours / peer, our_cpu / peer_cpu))
        print(
            f"round {number + 1}: torch {peer:.2f} ms a case (CPU {peer_cpu:.2f}), "
            f"oncospec {ours:.2f} (CPU {our_cpu:.2f}), ratio {ratios[-1][0]:.2f} "
            f"(CPU {ratios[-1][1]:.2f}), load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    clock, cpu = (statistics.median(column) for column in zip(*ratios))
    print(f"{len(dataset)} cases at {SIZE} px: median ratio {clock:.2f} (CPU {cpu:.2f})")


if __name__ == "__main__":
    main()
