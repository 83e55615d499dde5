"""A whole small experiment in PyTorch, the same as experiment.toml: from files to an HTML page.

Trains Attention U-Net on BUSI at 128 px, validates after each epoch, keeps the best weights, scores them on
the test split case by case. Images are decoded once, by two workers, and stay in memory.
"""

import argparse
import copy
import html
import json
from pathlib import Path

import torch
from busi import decoded, part_of_split
from losses import bce_dice
from models import FORMATS, AttentionUnet
from torch.utils.data import DataLoader

SIZE, BASE, BATCH_SIZE = 128, 16, 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and page")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-format", choices=FORMATS, default="contiguous")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    parts = {part: part_of_split(arguments.data, part) for part in ("train", "valid", "test")}
    train, valid, test = (decoded(cases, SIZE) for cases in parts.values())

    # Convolutions bring their input to the format of their weights.
    network = AttentionUnet(BASE).to(memory_format=FORMATS[arguments.memory_format])
    history, best = fit(network, train, valid, arguments.epochs)
    network.load_state_dict(best)
    torch.save(best, arguments.out / "best.pth")
    counts = predict(network, test)
    scores = list(zip(parts["test"], dice(counts).tolist(), iou(counts).tolist()))
    (arguments.out / "report.html").write_text(page(history, scores))
    print(json.dumps({"test.dice.lesion": dice_of_lesions(counts), "test.iou.pooled": pooled_iou(counts)}))


def fit(network, train, valid, epochs):
    """Figures of each epoch, and the weights of the one with the best Dice on the validation split."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    batches = DataLoader(train, batch_size=BATCH_SIZE, shuffle=True)
    history, best, best_weights = [], -1.0, None
    for _ in range(epochs):
        loss = train_epoch(network, optimizer, batches)
        counts = predict(network, valid)
        figures = {"loss": loss, "dice": dice_of_lesions(counts), "iou": pooled_iou(counts)}
        history.append(figures)
        if figures["dice"] > best:
            best, best_weights = figures["dice"], copy.deepcopy(network.state_dict())
    return history, best_weights


def train_epoch(network, optimizer, batches):
    """Mean loss of the batches."""
    network.train()
    total = 0.0
    for images, labels in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = bce_dice(network(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(batches)


@torch.inference_mode()
def predict(network, cases):
    """True positives, false positives and false negatives of each case, `[cases, 3]`."""
    network.eval()
    counts = []
    for images, labels in DataLoader(cases, batch_size=BATCH_SIZE):
        predicted, truth = network(images).squeeze(1) >= 0, labels == 1
        pairs = (predicted & truth, predicted & ~truth, ~predicted & truth)
        counts.append(torch.stack([pair.sum((1, 2)) for pair in pairs], 1))
    return torch.cat(counts)


def dice(counts):
    """Dice of each case; 1 where there is nothing to find and nothing found."""
    tp, fp, fn = counts.double().unbind(-1)
    return torch.where(tp + fp + fn == 0, 1.0, 2 * tp / (2 * tp + fp + fn))


def iou(counts):
    """IoU of each case, or of pooled counts."""
    tp, fp, fn = counts.double().unbind(-1)
    return torch.where(tp + fp + fn == 0, 1.0, tp / (tp + fp + fn))


def dice_of_lesions(counts):
    """Mean Dice over the cases that have a lesion."""
    return dice(counts[(counts[:, 0] + counts[:, 2]) > 0]).mean().item()


def pooled_iou(counts):
    """IoU of all pixels of all cases together."""
    return iou(counts.sum(0)).item()


def page(history, scores):
    """Curves and a table of the test cases."""
    curves = "".join(curve(name, [figures[name] for figures in history]) for name in history[0])
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{dice:.4f}</td><td>{iou:.4f}</td></tr>\n"
        for name, dice, iou in scores
    )
    head = "<!doctype html><meta charset=utf-8><title>Attention U-Net on BUSI</title><h1>Attention U-Net on BUSI</h1>"
    return f"{head}\n{curves}<table><tr><th>case<th>Dice<th>IoU</tr>\n{rows}</table>\n"


def curve(name, values, width=320, height=160):
    """One figure over the epochs, as SVG."""
    low, high = min(values), max(values)
    across, up = width / max(len(values) - 1, 1), height / ((high - low) or 1)
    points = " ".join(f"{i * across:.1f},{height - (v - low) * up:.1f}" for i, v in enumerate(values))
    line = f'<polyline points="{points}" fill="none" stroke="black"/>'
    svg = f'<svg viewBox="-4 -4 {width + 8} {height + 8}" width="{width}">{line}</svg>'
    return f"<figure>{svg}<figcaption>{name}: {low:.4f} to {high:.4f}</figcaption></figure>\n"


if __name__ == "__main__":
    main()
