"""Times steps of one network in PyTorch, from weights and batches that `oncospec bench --dump` wrote.

A process of its own for each measurement, which compare.py starts; prints JSON. In bfloat16, training runs under autocast, with
parameters, their gradients and the loss in single precision, and inference with the whole network converted.
"""

import argparse
import json
import resource
import time
from functools import partial

import torch
from losses import bce_dice, cross_entropy, cross_entropy_of_images
from models import (
    FORMATS,
    AttentionUnet,
    cmunext,
    efficientnet_b0,
    load_weights,
    unet_plus_plus_resnet34,
    unet_resnet34,
    unext,
)
from safetensors import safe_open
from torch import nn

def adam(epsilon):
    return lambda parameters: torch.optim.Adam(parameters, lr=1e-3, eps=epsilon)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-4)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4)


benchmark_loss = partial(bce_dice, bce_weight=0.5)

# Network, loss and optimizer of each experiment.
EXPERIMENTS = {
    "attention-unet-16": (lambda: AttentionUnet(base=16), bce_dice, adam(1e-8)),
    "attention-unet-32": (lambda: AttentionUnet(base=32), bce_dice, adam(1e-7)),
    "cmunext": (cmunext, benchmark_loss, sgd),
    "efficientnet-b0": (efficientnet_b0, cross_entropy_of_images, adamw),
    "unet-plus-plus-resnet34": (unet_plus_plus_resnet34, bce_dice, adam(1e-7)),
    "unet-resnet34": (lambda: unet_resnet34(classes=21), cross_entropy, adam(1e-8)),
    "unext": (unext, benchmark_loss, sgd),
}


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    imported = peak_rss_bytes()
    build, loss_of, optimizer_of = EXPERIMENTS[arguments.experiment]
    network = build()
    load_weights(network, f"{arguments.dump}/weights.safetensors")
    memory_format = FORMATS[arguments.memory_format]
    network.to(memory_format=memory_format)
    if arguments.no_dropout:
        switch_off_dropout(network)

    number = torch.bfloat16 if arguments.bfloat16 else torch.float32
    if arguments.mode == "train":
        optimizer = optimizer_of(network.parameters())
        network.train()
        run = torch.compile(network) if arguments.compile else network
        step = partial(train_step, run, optimizer, loss_of, number)
    else:
        network.eval().to(number)
        run = torch.compile(network) if arguments.compile else network
        step = partial(inference_step, run, loss_of, number)

    losses, steps, first_step_s = [], [], None
    with safe_open(f"{arguments.dump}/batches.safetensors", "pt") as batches:
        dumped = sum(name.startswith("images.") for name in batches.keys())
        for number in range(arguments.warmup + arguments.steps):
            images = batches.get_tensor(f"images.{number % dumped}")
            labels = batches.get_tensor(f"labels.{number % dumped}")
            images = images.to(memory_format=memory_format)
            loss, seconds = step(images, labels)
            losses.append(loss)
            steps.append(seconds)
            first_step_s = first_step_s or time.time() - arguments.started
    result = {
        "torch": torch.__version__,
        "losses": losses,
        "steps_s": steps[arguments.warmup :],
        "peak_rss_bytes": peak_rss_bytes(),
        "imported_rss_bytes": imported,
        "first_step_s": first_step_s,
    }
    print(json.dumps(result))


def train_step(network, optimizer, loss_of, number, images, labels):
    """The loss, and the seconds of the whole step."""
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", number, enabled=number != torch.float32):
        logits = network(images)
    loss = loss_of(logits.float(), labels)
    loss.backward()
    optimizer.step()
    return loss.item(), time.perf_counter() - start


@torch.inference_mode()
def inference_step(network, loss_of, number, images, labels):
    """The loss, and the seconds of the forward pass alone."""
    start = time.perf_counter()
    logits = network(images.to(number))
    seconds = time.perf_counter() - start
    return loss_of(logits.float(), labels).item(), seconds


def switch_off_dropout(network):
    for module in network.modules():
        # torchvision's stochastic depth is no nn.Dropout, but has its probability too.
        if isinstance(module, nn.Dropout) or type(module).__name__ == "StochasticDepth":
            module.p = 0.0


def peak_rss_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dump", help="folder with weights.safetensors and batches.safetensors")
    parser.add_argument("--experiment", choices=EXPERIMENTS, required=True)
    parser.add_argument("--mode", choices=["train", "infer"], default="train")
    parser.add_argument("--memory-format", choices=FORMATS, default="contiguous")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--no-dropout", action="store_true")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--started", type=float, required=True, help="time.time() before the start")
    return parser.parse_args()


if __name__ == "__main__":
    main()
