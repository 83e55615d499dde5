"""What is compared: the rows of benches/RESULTS.md and the goal of each, a ratio of ours to PyTorch's."""

from dataclasses import dataclass

EXPERIMENT = "benches/vs_pytorch/experiment.toml"


@dataclass(frozen=True)
class Steps:
    """Steps of one network from the same weights and batches on both sides."""

    title: str
    spec: str
    experiment: str  # As step.py names it.
    goals: dict  # Of "step", "first step" or "memory": the highest ratio, None where there is no goal.
    mode: str = "train"
    batch_size: int = 8
    warmup: int = 1
    steps: int = 2
    without_dropout: str | None = None  # Key and value that switch it off for the check.


@dataclass(frozen=True)
class Loading:
    """An epoch over BUSI at 256 px, every image decoded, two workers."""

    title: str
    bench: str  # As benches/loader.rs names it.
    augment: bool
    goal: float | None


@dataclass(frozen=True)
class Whole:
    """`EXPERIMENT` against experiment.py, from the command to its end."""

    title: str
    goal: float


ATTENTION_UNET = {
    "spec": "experiments/busi_attention_unet.toml",
    "experiment": "attention-unet-32",
    "without_dropout": "model.dropout=[0.0, 0.0, 0.0, 0.0, 0.0]",
}
SMALL = ATTENTION_UNET | {"spec": EXPERIMENT, "experiment": "attention-unet-16"}
NESTED = {"spec": "experiments/busi_unet_plus_plus_resnet34.toml", "experiment": "unet-plus-plus-resnet34"}
CMUNEXT = {"spec": "experiments/busi_cmunext.toml", "experiment": "cmunext"}
UNEXT = {"spec": "experiments/busi_unext.toml", "experiment": "unext"}
EFFICIENTNET = {
    "spec": "benches/vs_pytorch/efficientnet_b0.toml",
    "experiment": "efficientnet-b0",
    "without_dropout": "model={kind=\"efficientnet-b0\", dropout=0.0, stochastic-depth=0.0}",
}
RESNET34 = {"spec": "experiments/bcss_unet_resnet34.toml", "experiment": "unet-resnet34"}

ONE_IMAGE = {"mode": "infer", "batch_size": 1, "warmup": 3, "steps": 15, "goals": {"step": 0.80}}
EIGHT_IMAGES = {"mode": "infer", "steps": 4, "goals": {"step": 0.80}}
FIRST_STEP = {"warmup": 0, "steps": 1, "goals": {"first step": 0.20}}

A = "Attention U-Net base 32, 256x256x3"
B = "U-Net++ ResNet34, 256x256x1"
C = "U-Net ResNet34, 21 classes, 224x224x3"

ROWS = {
    "train-attention-unet": Steps(
        f"train step, {A}, batch 8", goals={"step": 0.80, "memory": 0.80}, **ATTENTION_UNET
    ),
    "train-resnet34": Steps(f"train step, {C}, batch 8", goals={"step": 0.80, "memory": 0.80}, **RESNET34),
    "train-unet-plus-plus": Steps(
        f"train step, {B}, batch 8", goals={"step": 0.80, "memory": 0.80}, **NESTED
    ),
    "train-cmunext": Steps(
        "train step, CMUNeXt, 256x256x3, batch 8", goals={"step": 0.80, "memory": 0.80}, **CMUNEXT
    ),
    "train-unext": Steps(
        "train step, UNeXt, 256x256x3, batch 8", goals={"step": 0.80, "memory": 0.80}, **UNEXT
    ),
    "train-efficientnet-b0": Steps(
        "train step, EfficientNet-B0, 224x224x3, batch 8", goals={"step": 0.80, "memory": 0.80}, **EFFICIENTNET
    ),
    "infer-attention-unet-1": Steps(f"inference, {A}, batch 1", **ONE_IMAGE, **ATTENTION_UNET),
    "infer-attention-unet-8": Steps(f"inference, {A}, batch 8", **EIGHT_IMAGES, **ATTENTION_UNET),
    "infer-resnet34-1": Steps(f"inference, {C}, batch 1", **ONE_IMAGE, **RESNET34),
    "infer-resnet34-8": Steps(f"inference, {C}, batch 8", **EIGHT_IMAGES, **RESNET34),
    "infer-unet-plus-plus-1": Steps(f"inference, {B}, batch 1", **ONE_IMAGE, **NESTED),
    "infer-unet-plus-plus-8": Steps(f"inference, {B}, batch 8", **EIGHT_IMAGES, **NESTED),
    "infer-cmunext-1": Steps("inference, CMUNeXt, 256x256x3, batch 1", **ONE_IMAGE, **CMUNEXT),
    "infer-cmunext-8": Steps("inference, CMUNeXt, 256x256x3, batch 8", **EIGHT_IMAGES, **CMUNEXT),
    "infer-efficientnet-b0-1": Steps(
        "inference, EfficientNet-B0, 224x224x3, batch 1", **ONE_IMAGE, **EFFICIENTNET
    ),
    "infer-efficientnet-b0-8": Steps(
        "inference, EfficientNet-B0, 224x224x3, batch 8", **EIGHT_IMAGES, **EFFICIENTNET
    ),
    "infer-unext-1": Steps("inference, UNeXt, 256x256x3, batch 1", **ONE_IMAGE, **UNEXT),
    "infer-unext-8": Steps("inference, UNeXt, 256x256x3, batch 8", **EIGHT_IMAGES, **UNEXT),
    "loader-augment": Loading(
        "loader, BUSI at 256 px, decoding and augmentation, 2 workers", "uncached_augmented", True, 0.50
    ),
    "experiment": Whole("experiment, Attention U-Net base 16, 128 px, 3 epochs, command to report", 0.60),
    "cold-start": Steps("start to end of first step, that experiment, batch 8", **FIRST_STEP, **SMALL),
}
