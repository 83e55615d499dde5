"""What Attention U-Net learns in PyTorch: BUSI at 128 px without augmentation, one line for each seed.

    python benches/vs_pytorch/quality.py [--data ../shared/data] [--seeds 0 1 2] [--epochs 30]

The shared split with its normal cases, network and schedule of experiment.toml. Dice is the mean over
validation cases with a lesion, IoU that of all validation pixels pooled; each is the best of all epochs.
"""

import argparse
import time
from pathlib import Path

import torch
from busi import decoded, part_of_split
from experiment import BASE, SIZE, fit
from models import FORMATS, AttentionUnet

REPOSITORY = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared/data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-format", choices=FORMATS, default="channels_last")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train, valid = (decoded(part_of_split(arguments.data, part), SIZE) for part in ("train", "valid"))
    for seed in arguments.seeds:
        torch.manual_seed(seed)
        network = AttentionUnet(BASE).to(memory_format=FORMATS[arguments.memory_format])
        start = time.perf_counter()
        history, _ = fit(network, train, valid, arguments.epochs)
        seconds = (time.perf_counter() - start) / arguments.epochs
        dice, iou = (max(figures[name] for figures in history) for name in ("dice", "iou"))
        print(f"seed {seed}: Dice {dice:.4f}, IoU {iou:.4f}, {seconds:.1f} s an epoch", flush=True)


if __name__ == "__main__":
    main()
