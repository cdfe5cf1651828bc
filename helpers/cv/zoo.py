"""torchvision's model zoo and small rivals of our own: what chapter 2 needs beside what it writes out itself.

- `build`: any classifier of the zoo with random weights, also without memory for them (`device="meta"`).
- `weight_layers`, `elements_moved`: how many layers have weights; how many numbers one picture makes a network
  write and read.
- `plain_cnn`, `separable_cnn`, `mlp`: three kinds of small network for pictures of 14 x 14 pixels, as members of an
  ensemble.
- `average_weights`: a "soup" (Wortsman et al. 2022): one network whose weights are the mean of several.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision import models

WITHOUT_SLOW_START = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}


def build(name: str, device: str = "cpu") -> nn.Module:
    """The zoo's classifier `name` (such as "resnet50") with random weights, in evaluation mode.

    Raises:
        ValueError: For a name that the zoo does not have; `torchvision.models.list_models` lists them.
    """
    # A RegNet works out its widths with tensors, which needs numbers: it is made on the CPU and moved.
    with torch.device("cpu" if name.startswith("regnet") else device):
        network = models.get_model(name, weights=None, **WITHOUT_SLOW_START.get(name, {}))
    return network.to(device).eval()


def weight_layers(network: nn.Module) -> int:
    """Number of convolutions and linear layers, those in shortcuts and in attention included."""
    return sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules())


def elements_moved(name: str, size: int) -> int:
    """Numbers that the zoo's `name` writes for one picture of `size` x `size` pixels, plus those that it reads as
    weights. Each layer's output counts once; nothing is computed, only shapes are worked out."""
    network = build(name, device="meta")
    written = 0

    def count(_layer: nn.Module, _inputs: object, output: object) -> None:
        nonlocal written
        written += output.numel() if isinstance(output, Tensor) else 0

    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.empty(1, 3, size, size, device="meta"))
    return written + sum(weight.numel() for weight in network.parameters())


def _convolution(n_in: int, n_out: int, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(n_out), nn.ReLU())


def plain_cnn(width: int = 8, classes: int = 10) -> nn.Sequential:
    """Three convolutions with pooling between them and two linear layers, VGG's plan in small.

    Input (B, 1, 14, 14), output (B, classes).
    """
    w = width
    return nn.Sequential(
        _convolution(1, w), nn.MaxPool2d(2), _convolution(w, 2 * w), nn.MaxPool2d(2),  # (B, 2w, 3, 3)
        _convolution(2 * w, 4 * w), nn.Flatten(),  # (B, 36w)
        nn.Linear(36 * w, 128), nn.ReLU(), nn.Linear(128, classes),
    )  # fmt: skip


def separable_cnn(width: int = 8, classes: int = 10) -> nn.Sequential:
    """Depthwise and pointwise convolutions in turn, MobileNet's plan (Howard et al. 2017) in small.

    Input (B, 1, 14, 14), output (B, classes).
    """

    def separable(n_in: int, n_out: int) -> nn.Sequential:
        return nn.Sequential(_convolution(n_in, n_in, groups=n_in), _convolution(n_in, n_out, kernel=1))

    w = width
    return nn.Sequential(
        _convolution(1, w), nn.MaxPool2d(2), separable(w, 2 * w), separable(2 * w, 4 * w), nn.MaxPool2d(2),
        separable(4 * w, 8 * w), nn.Flatten(), nn.Linear(72 * w, classes),  # (B, 8w, 3, 3), (B, 72w)
    )  # fmt: skip


def mlp(width: int = 256, pixels: int = 196, classes: int = 10) -> nn.Sequential:
    """Two hidden layers with batch norm and no convolution: it does not know which pixels are neighbours.

    Input (B, ...) with `pixels` numbers each, output (B, classes).
    """
    return nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, classes),
    )  # fmt: skip


@torch.no_grad()
def average_weights(networks: Sequence[nn.Module], images: Tensor, batch_size: int = 500) -> nn.Module:
    """One network whose weights are the mean of `networks`' weights; they must be built alike.

    Batch norm's running averages are means of nothing sensible after that, so they are measured anew on `images`
    (N, ...). The networks themselves stay as they are.

    Raises:
        ValueError: Without networks, or when their weights do not fit together.
    """
    if not networks:
        raise ValueError("average_weights needs at least one network")
    states = [network.state_dict() for network in networks]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes[1:]):
        raise ValueError("the networks are not built alike: their weights have different names or shapes")
    soup = copy.deepcopy(networks[0])
    mean = {name: torch.stack([s[name].float() for s in states]).mean(0).to(states[0][name]) for name in states[0]}
    soup.load_state_dict(mean)
    norms = [layer for layer in soup.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    soup.train()
    device = next(soup.parameters()).device
    for batch in images.split(batch_size):
        soup(batch.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return soup.eval()
