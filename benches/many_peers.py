#!/usr/bin/env python3
"""Seconds and peak memory of MONAI's and nnU-Net's own programs on the images of many.py, as rows of its table.

    python3 benches/many.py --keep FOLDER --commands check
    python3 benches/many_peers.py FOLDER

Needs monai and nnunetv2 (PyPI). MONAI decodes, resizes and batches each case once, on two worker processes, as one epoch's
loading does; nnU-Net takes its fingerprint of the data set (`extract_fingerprint`), on two processes.
"""

import json
import os
import resource
import subprocess
import sys
import time

SIDE = 32


def monai(folder):
    from monai.data import DataLoader, Dataset
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Resized, ScaleIntensityd

    keys = ["image", "label"]
    data = f"{folder}/data"
    names = sorted(os.listdir(f"{data}/images"))
    files = [{"image": f"{data}/images/{name}", "label": f"{data}/masks/{name}"} for name in names]
    transforms = Compose(
        [
            LoadImaged(keys, reader="PILReader"),
            EnsureChannelFirstd(keys),
            Resized(keys, (SIDE, SIDE), mode=("bilinear", "nearest")),
            ScaleIntensityd("image"),
        ]
    )
    for _ in DataLoader(Dataset(files, transforms), batch_size=64, num_workers=2, shuffle=True):
        pass
    return len(names)


def nnunet(folder):
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    DatasetFingerprintExtractor("Dataset001_Many", num_processes=2, verbose=False).run(overwrite_existing=True)
    return len(os.listdir(f"{os.environ['nnUNet_raw']}/Dataset001_Many/labelsTr"))


def raw(folder):
    """The same cases as nnU-Net wants them: masks of 0 and 1, names with a channel."""
    from PIL import Image

    data, root = f"{folder}/data", f"{folder}/nnunet/raw/Dataset001_Many"
    if os.path.exists(root):
        return
    for below in [f"{root}/imagesTr", f"{root}/labelsTr", f"{folder}/nnunet/preprocessed", f"{folder}/nnunet/results"]:
        os.makedirs(below)
    made = {}
    names = sorted(os.listdir(f"{data}/images"))
    for name in names:
        os.link(f"{data}/images/{name}", f"{root}/imagesTr/{name[:-4]}_0000.png")
        mask = f"{data}/masks/{name}"
        same = os.stat(mask).st_ino
        if same not in made:
            made[same] = f"{folder}/nnunet/{same}.png"
            Image.open(mask).point(lambda value: value // 255).save(made[same])
        os.link(made[same], f"{root}/labelsTr/{name}")
    described = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(names),
        "file_ending": ".png",
    }
    with open(f"{root}/dataset.json", "w") as file:
        json.dump(described, file)


def measure(name, folder):
    begun = time.time()
    cases = {"MONAI, an epoch's loading": monai, "nnU-Net, fingerprint": nnunet}[name](folder)
    seconds = time.time() - begun
    usage = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in usage)
    peak = max(one.ru_maxrss for one in usage) >> 10
    print(f"| {cases:,} distinct | {name} | {seconds:.1f} | {processor:.1f} | {peak} MiB, the largest process |", flush=True)


def main():
    folder = os.path.abspath(sys.argv[1])
    if len(sys.argv) > 2:
        return measure(sys.argv[2], folder)
    raw(folder)
    for part in ["raw", "preprocessed", "results"]:
        os.environ[f"nnUNet_{part}"] = f"{folder}/nnunet/{part}"
    for name in ["MONAI, an epoch's loading", "nnU-Net, fingerprint"]:
        subprocess.run([sys.executable, __file__, folder, name], check=True, stderr=subprocess.DEVNULL)


main()
