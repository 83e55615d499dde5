"""The losses of experiments/busi_*.toml and experiments/bcss_unet_resnet34.toml, and of efficientnet_b0.toml."""

import torch
from torch.nn import functional as F

IGNORED = 255


def bce_dice(logits, labels, smooth=1.0, bce_weight=1.0):
    """Binary cross-entropy, weighted, plus 1 - soft Dice over the batch.

    Logits `[N, 1, H, W]`, labels `[N, H, W]`, 1 on the lesion; BUSI has a label for every pixel.
    """
    truth = labels.unsqueeze(1).float()
    bce = F.binary_cross_entropy_with_logits(logits, truth)
    probability = torch.sigmoid(logits)
    both = (probability * truth).sum()
    dice = (2 * both + smooth) / (probability.sum() + truth.sum() + smooth)
    return bce_weight * bce + 1 - dice


def cross_entropy(logits, labels):
    """Cross-entropy over labelled pixels: logits `[N, C, H, W]`, labels `[N, H, W]`."""
    return F.cross_entropy(logits, labels.long(), ignore_index=IGNORED)


def cross_entropy_of_images(logits, labels):
    """Cross-entropy of whole images: logits `[N, C]`, labels `[N, 1, 1]`."""
    return F.cross_entropy(logits, labels.flatten().long())
