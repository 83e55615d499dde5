"""The networks of src/model in PyTorch; modules are named so that oncospec's weights load as they are."""

import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/fixtures"))
from networks import Cmunext, Unext  # noqa: E402

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def double_conv(inputs, outputs, dropout):
    """Twice convolution and ReLU; dropout between the two."""
    layers = OrderedDict()
    for number, channels in ((1, inputs), (2, outputs)):
        layers[f"conv{number}"] = he_normal(nn.Conv2d(channels, outputs, 3, padding=1))
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
        if number == 1 and dropout > 0:
            layers["dropout"] = nn.Dropout(dropout)
    return nn.Sequential(layers)


class AttentionGate(nn.Module):
    """Weighs each pixel of a skip by what the level below it makes of that place."""

    def __init__(self, below, filters):
        super().__init__()
        self.gating = he_normal(nn.Conv2d(below, filters, 3, padding=1))
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))  # TensorFlow's `same` of an even size and stride 2.
        self.skip = he_normal(nn.Conv2d(filters, filters, 3, stride=2))
        self.attention = glorot_uniform(nn.Conv2d(filters, 1, 1))
        self.norm = nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)

    def forward(self, below, skip):
        gating = F.relu(self.gating(below), inplace=True)
        reduced = F.relu(self.skip(self.pad(skip)), inplace=True)
        attention = torch.sigmoid(self.attention(gating + reduced))
        return self.norm(F.interpolate(attention, scale_factor=2, mode="nearest") * skip)


class AttentionUnet(nn.Module):
    """Attention U-Net of the Keras notebook: filters `base` to `8 * base`, twice that in the bottleneck."""

    def __init__(self, base, channels=3, dropout=(0.1, 0.1, 0.2, 0.2, 0.3)):
        super().__init__()
        filters = [base << level for level in range(5)]
        inputs = [channels, *filters]
        *encoder, self.bottleneck = [double_conv(*three) for three in zip(inputs, filters, dropout)]
        self.encoder = nn.ModuleList(encoder)
        levels = list(zip(filters[1:], filters, dropout))[::-1]
        self.gates = nn.ModuleList(AttentionGate(below, at) for below, at, _ in levels)
        self.decoder = nn.ModuleList(double_conv(below + at, at, p) for below, at, p in levels)
        self.head = glorot_uniform(nn.Conv2d(base, 1, 1))

    def forward(self, x):
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for gate, block in zip(self.gates, self.decoder):
            gated = gate(x, skips.pop())
            x = block(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), gated], 1))
        return self.head(x)


def cmunext():
    """CMUNeXt as published."""
    return Cmunext(3, 1, [16, 32, 128, 160, 256], [1, 1, 1, 3, 1], [3, 3, 7, 7, 7])


def unext():
    """UNeXt as published."""
    return Unext(3, 1, [16, 32, 128, 160, 256])


def efficientnet_b0():
    """torchvision's EfficientNet-B0 for three classes."""
    import torchvision

    return torchvision.models.efficientnet_b0(num_classes=3)


def unet_resnet34(classes):
    """segmentation_models_pytorch's U-Net, imported here since importing it takes seconds."""
    import segmentation_models_pytorch as smp

    return smp.Unet("resnet34", encoder_weights=None, classes=classes)


def unet_plus_plus_resnet34():
    """segmentation_models_pytorch's U-Net++ for grey images."""
    import segmentation_models_pytorch as smp

    return smp.UnetPlusPlus("resnet34", encoder_weights=None, in_channels=1, classes=1)


def he_normal(conv):
    nn.init.kaiming_normal_(conv.weight)
    return zero_bias(conv)


def glorot_uniform(conv):
    nn.init.xavier_uniform_(conv.weight)
    return zero_bias(conv)


def zero_bias(conv):
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def load_weights(network, path):
    """Loads oncospec's weights; raises if a tensor is missing, left over or of another shape."""
    # Counters of batches, which oncospec has not, are the one thing that PyTorch lets be missing.
    network.load_state_dict(load_file(path), strict=True)
