"""Times torch's DataLoader over BUSI at 256 px, decoding every image in every epoch; prints JSON.

The work is that of benches/loader.rs: image and masks decoded, masks united, resized (image
antialiased bilinear, mask nearest), augmented if asked for, float images and labels in batches of 8,
shuffled. Workers are started before the clock. Augmentation runs on Pillow images, which is faster
here than on tensors; what moves out of the image leaves black, where oncospec mirrors.
"""

import argparse
import json
import random
import time
from pathlib import Path

from busi import Busi, cases
from torch.utils.data import DataLoader
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F


def augment(image, labels):
    """The augmentation of experiments/busi_unet.toml."""
    if random.random() < 0.5:
        image, labels = F.horizontal_flip(image), F.horizontal_flip(labels)
    angle = random.uniform(-15, 15) if random.random() < 0.5 else 0.0
    scale = random.uniform(0.9, 1.1) if random.random() < 0.5 else 1.0
    if (angle, scale) != (0.0, 1.0):
        image = F.affine(image, angle, [0, 0], scale, [0.0, 0.0], InterpolationMode.BILINEAR)
        labels = F.affine(labels, angle, [0, 0], scale, [0.0, 0.0], InterpolationMode.NEAREST)
    if random.random() < 0.3:
        image = F.adjust_brightness(image, random.uniform(0.85, 1.15))
    if random.random() < 0.3:
        image = F.adjust_contrast(image, random.uniform(0.8, 1.2))
    return image, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    dataset = Busi(cases(arguments.data), 256, augment if arguments.augment else None)
    loader = DataLoader(
        dataset, batch_size=8, shuffle=True, num_workers=arguments.workers, persistent_workers=True
    )
    epochs = []
    for _ in range(arguments.epochs):
        batches = iter(loader)
        start = time.perf_counter()
        count = sum(len(images) for images, _ in batches)
        epochs.append(time.perf_counter() - start)
        assert count == len(dataset)
    print(json.dumps({"cases": len(dataset), "epochs_s": epochs}))


if __name__ == "__main__":
    main()
