"""A network of 50,000 weights and its training, for labs in which the student writes the loss.

The training asks `gradients` for the derivative of the loss by each output, and does the rest itself. So the steps are
counted where the student's code does not run: that is what makes a budget of steps one that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from helpers.labs.shapes import SIDE, Scenes

STRIDE = 4  # pixels between two places of the network's map: 16 × 16 places on a scene
STEPS, BATCH = 150, 16
ANCHOR_SIDES = (14.0, 22.0)


class Network(nn.Module):
    """Scenes (B, 3, 64, 64) → for each head (B, n, 16, 16); n is that head's numbers at each place.

    bias: what each head says before it has learned anything.
    """

    def __init__(self, heads: Sequence[int], bias: Sequence[float]) -> None:
        super().__init__()
        widths = [(3, 16, 2), (16, 32, 2), (32, 32, 1), (32, 48, 1), (48, 48, 1)]
        self.body = nn.Sequential(*[_layer(*width) for width in widths])
        self.heads = nn.ModuleList([nn.Conv2d(48, n, 1) for n in heads])
        for head, start in zip(self.heads, bias, strict=True):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(head.bias, start)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.body(x)
        return [head(x) for head in self.heads]


def _layer(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU())


class AnchorNetwork(Network):
    """Scenes (B, 3, 64, 64) → class logits (B, N, K) and offsets (B, N, 4), for the N `anchors()` in their order."""

    def __init__(self, classes: int) -> None:
        super().__init__([len(ANCHOR_SIDES) * classes, len(ANCHOR_SIDES) * 4], [-3.0, 0.0])

    def forward(self, x: Tensor) -> list[Tensor]:
        each = len(ANCHOR_SIDES)
        return [y.unflatten(1, (each, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3) for y in super().forward(x)]


def anchors() -> Tensor:
    """Two squares at each of the 16 × 16 places, row by row: (512, 4), x1, y1, x2, y2 in pixels."""
    places = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
    y, x = torch.meshgrid(places, places, indexing="ij")
    centre = torch.stack([x, y, x, y], dim=-1)[:, :, None]  # (16, 16, 1, 4)
    half = torch.tensor(ANCHOR_SIDES)[:, None] / 2 * torch.tensor([-1.0, -1.0, 1.0, 1.0])  # (2, 4)
    return (centre + half).reshape(-1, 4)


def train(
    network: Network, gradients: Callable[..., tuple], scenes: Scenes, *, seed: int, steps: int = STEPS,
    batch_size: int = BATCH, lr: float = 0.02,
) -> list[float]:  # fmt: skip
    """Train `network` in place, by AdamW with one cycle of the learning rate; returns the loss of each step.

    gradients: (*outputs, boxes, labels) → the loss, and its derivative by each output. boxes and labels are lists of
        tensors, one for each scene of the batch: (M, 4) and (M,).

    Raises ValueError when a derivative is not finite, or has not its output's shape.
    """
    rng, losses = np.random.default_rng(seed), []
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1)
    network.train()
    for _ in range(steps):
        rows = rng.integers(len(scenes), size=batch_size)
        outputs = network(torch.from_numpy(scenes.images[rows]))
        boxes, labels = ([torch.from_numpy(of[row]) for row in rows] for of in (scenes.boxes, scenes.labels))
        value, *slopes = gradients(*[output.detach() for output in outputs], boxes, labels)
        for output, slope in zip(outputs, slopes, strict=True):
            if getattr(slope, "shape", None) != output.shape or not slope.isfinite().all():
                raise ValueError("a derivative of the loss is not finite, or has not the shape of its output")
        optimizer.zero_grad()
        torch.autograd.backward(outputs, slopes)
        optimizer.step()
        cycle.step()
        losses.append(float(value))
    network.eval()
    return losses


@torch.inference_mode()
def look(network: Network, scenes: Scenes) -> list[list[Tensor]]:
    """What the network says of each scene: its outputs, without the axis of the batch."""
    outputs = network(torch.from_numpy(scenes.images))
    return [[output[i].clone() for output in outputs] for i in range(len(scenes))]


def fresh(make: Callable[[], Network], seed: int) -> Network:
    """A new network whose weights are drawn from this seed; torch's own generator stays as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()
