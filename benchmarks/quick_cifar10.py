"""CIFAR-10 as quickly as we can: the network and the training that public records of speed have arrived at.

Chapter 1's ResNet-9 is written to be read. This one is written for the clock: each of its departures from a plain
network was somebody's measured gain in seconds to 94 %, collected by D. Page (2018, "How to train your ResNet") and
K. Jordan (2024, arXiv:2404.00498), whose constants these are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PEAK = 0.23  # of the training, where the learning rate is highest
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Norm(nn.BatchNorm2d):
    """Batch norm with a shift but no scale, and a short memory of its statistics."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-12, momentum=0.4)
        self.weight.requires_grad = False


def conv(n_in: int, n_out: int) -> nn.Conv2d:
    """A 3 × 3 convolution whose first `n_in` kernels begin as the identity."""
    layer = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[:n_in])
    return layer


def block(n_in: int, n_out: int) -> nn.Sequential:
    """(B, n_in, H, W) → (B, n_out, H/2, W/2); pooled at once, so that norm and GELU see a quarter of the pixels."""
    return nn.Sequential(
        conv(n_in, n_out), nn.MaxPool2d(2), Norm(n_out), nn.GELU(), conv(n_out, n_out), Norm(n_out), nn.GELU()
    )


def whitening(images: Tensor, eps: float = 5e-4) -> nn.Conv2d:
    """A frozen layer that makes 2 × 2 patches of `images` (N, 3, H, W) uncorrelated: principal axes, and minus them."""
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2).flatten(1)  # (P, 12)
    values, axes = torch.linalg.eigh(patches.T @ patches / len(patches))
    axes = (axes / (values + eps).sqrt()).T.reshape(-1, 3, 2, 2)
    layer = nn.Conv2d(3, 24, 2)
    layer.weight.data = torch.cat([axes, -axes])
    layer.weight.requires_grad = False
    nn.init.zeros_(layer.bias)
    return layer


class Standardise(nn.Module):
    """uint8 pixels → float32 with mean 0 and standard deviation 1, channel by channel."""

    def __init__(self, images: Tensor):
        super().__init__()
        sample = images[:5_000].float()
        self.register_buffer("mean", sample.mean(dim=(0, 2, 3)).view(-1, 1, 1))
        self.register_buffer("std", sample.std(dim=(0, 2, 3)).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() - self.mean) / self.std


class Head(nn.Linear):
    """(B, C) → logits (B, 10), a ninth of a linear layer's: the softmax begins gently."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / 9


def network(images: Tensor, widths: Sequence[int]) -> nn.Sequential:
    """Whitening and three blocks of `widths` channels; `images` (N, 3, 32, 32) uint8 set what is frozen."""
    standardise = Standardise(images)
    one, two, three = widths
    return nn.Sequential(
        standardise, whitening(standardise(images[:5_000])), nn.GELU(),  # (B, 24, 31, 31)
        block(24, one),  # (B, one, 15, 15)
        block(one, two),  # (B, two, 7, 7)
        block(two, three),  # (B, three, 3, 3)
        nn.MaxPool2d(3), nn.Flatten(), Head(three, 10, bias=False),
    )  # fmt: skip


def padded(images: Tensor, pixels: int = 2) -> Tensor:
    """The pictures (N, C, H, W) uint8 with a mirrored frame to cut shifted pictures from."""
    return F.pad(images.float(), (pixels,) * 4, mode="reflect").to(torch.uint8)


def shifted(frames: Tensor, size: int = 32) -> Tensor:
    """From each frame (B, C, H, W) a random window of `size` pixels a side."""
    room = frames.shape[-1] - size + 1
    down, right = torch.randint(room, (2, len(frames), 1), device=frames.device)
    steps = torch.arange(size, device=frames.device)
    rows, columns = (down + steps)[:, None, :, None], (right + steps)[:, None, None, :]
    here = torch.arange(len(frames), device=frames.device)[:, None, None, None]
    channels = torch.arange(frames.shape[1], device=frames.device)[None, :, None, None]
    return frames[here, channels, rows, columns]


def train(
    model: nn.Sequential,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: float,
    batch_size: int = 512,
    rate: float = 11.5,
    decay: float = 0.0153,
    momentum: float = 0.85,
    smoothing: float = 0.2,
    pixels: int = 2,
    bf16: bool = True,
) -> None:
    """Train `model` in place on `images` (N, 3, 32, 32) uint8 and `labels` (N,).

    `rate` and `decay` are for 1,024 pictures with the momentum's amplification taken out (Jordan 2024), so that they
    need not change with the batch. Pictures are shifted by up to `pixels`. The mirror alternates: who was mirrored in
    one epoch is not in the next. Raises ValueError if the loss is no longer finite at the end.
    """
    model.to(DEVICE, memory_format=torch.channels_last).train()
    frames, labels = padded(images, pixels).to(DEVICE), labels.to(DEVICE)
    scale = 1024 * (1 + 1 / (1 - momentum))
    rate, decay = rate / scale * batch_size, decay * batch_size / scale
    shifts = [layer.bias for layer in model.modules() if isinstance(layer, Norm)]
    known = {id(weight) for weight in shifts}
    others = [weight for weight in model.parameters() if weight.requires_grad and id(weight) not in known]
    groups = [
        {"params": shifts, "lr": 64 * rate, "weight_decay": decay / (64 * rate)},
        {"params": others, "lr": rate, "weight_decay": decay / rate},
    ]
    optimizer = torch.optim.SGD(groups, momentum=momentum, nesterov=True)
    per_epoch = len(images) // batch_size
    steps = round(epochs * per_epoch)
    shape = lambda t: 0.2 + 0.8 * t / PEAK if t < PEAK else 1 - 0.93 * (t - PEAK) / (1 - PEAK)  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: shape(i / steps))
    kept = [value.detach().clone() for value in model.state_dict().values() if value.is_floating_point()]
    mirror_first, step = torch.rand(len(images), device=DEVICE) < 0.5, 0
    while step < steps:
        order = torch.randperm(len(images), device=DEVICE)
        mirror = mirror_first ^ bool(step // per_epoch % 2)
        for rows in order[: per_epoch * batch_size].split(batch_size):
            x = shifted(frames[rows])
            x = torch.where(mirror[rows, None, None, None], x.flip(-1), x).contiguous(memory_format=torch.channels_last)
            with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16):
                logits = model(x)
            loss = F.cross_entropy(logits.float(), labels[rows], label_smoothing=smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step % 5 == 0 or step == steps:  # lookahead: the weights are drawn to their own running average
                share = 1.0 if step == steps else 0.95**5 * (step / steps) ** 3
                look_back(model, kept, share)
            if step == steps:
                break
    if not torch.isfinite(loss):
        raise ValueError(f"The loss is {loss.item()} after {steps} steps: a lower `rate` usually helps.")


@torch.no_grad()
def look_back(model: nn.Module, kept: list[Tensor], share: float) -> None:
    """Move the average `kept` towards the weights by 1 − `share` (by nothing at the end), and the weights onto it."""
    values = [value for value in model.state_dict().values() if value.is_floating_point()]
    for average, value in zip(kept, values, strict=True):
        average.lerp_(value, 1 - share)
        value.copy_(average)


@torch.inference_mode()
def probabilities(model: nn.Module, images: Tensor, *, looks: bool, bf16: bool = True) -> Tensor:
    """(N, 10) on the CPU. With `looks`, the mean over the picture, its mirror image and both shifted by a pixel."""
    model.to(DEVICE).eval()
    answers = []
    for batch in images.split(1_000):
        frames = padded(batch, 1).to(DEVICE)
        views = [frames[..., 1:-1, 1:-1]]
        if looks:
            views += [frames[..., :-2, :-2], frames[..., 2:, 2:]]
            views += [view.flip(-1) for view in views]
        weights = [0.25, 0.125, 0.125] * 2 if looks else [1.0]
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16):
            said = [model(view.contiguous(memory_format=torch.channels_last)).float() for view in views]
        answers.append(sum(w * logits for w, logits in zip(weights, said, strict=True)).softmax(1).cpu())
    return torch.cat(answers)
