"""BUSI through Pillow: masks of an image united, everything brought to one size."""

from collections import defaultdict

import numpy
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset


def cases(data):
    """Paths of image and masks of every case, by the image's path below the data set's root."""
    root = data / "Dataset_BUSI_with_GT"
    files = sorted(root.glob("*/*.png"))
    masks = defaultdict(list)
    for file in files:
        if "_mask" in file.name:
            masks[file.parent / file.name.split("_mask")[0]].append(file)
    images = (file for file in files if "_mask" not in file.name)
    return {str(image.relative_to(root)): (image, masks[image.with_suffix("")]) for image in images}


def part_of_split(data, part):
    """The cases that the shared split has in `train`, `valid` or `test`."""
    every = cases(data)
    names = (data / "splits" / f"busi_{part}.txt").read_text().splitlines()
    return {name: every[name] for name in names}


class Busi(Dataset):
    """Images `[3, size, size]` from 0 to 1 and labels `[size, size]`, 1 on the lesion.

    A case is decoded whenever it is asked for.
    """

    def __init__(self, cases, size, augment=None):
        self.cases, self.size, self.augment = list(cases.values()), (size, size), augment

    def __len__(self):
        return len(self.cases)

    def __getitem__(self, index):
        path, masks = self.cases[index]
        image = Image.open(path).convert("RGB").resize(self.size, Image.Resampling.BILINEAR)
        labels = numpy.zeros(self.size, bool)
        for mask in masks:
            lesion = Image.open(mask).convert("L").resize(self.size, Image.Resampling.NEAREST)
            labels |= numpy.asarray(lesion) > 0
        if self.augment:
            image, labels = self.augment(image, Image.fromarray(labels.astype("uint8")))
        image = torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float().div_(255)
        return image, torch.from_numpy(numpy.array(labels, "uint8"))


def decoded(cases, size, workers=2):
    """All cases decoded once, in memory."""
    batches = list(DataLoader(Busi(cases, size), batch_size=16, num_workers=workers))
    return TensorDataset(*(torch.cat(column) for column in zip(*batches)))
