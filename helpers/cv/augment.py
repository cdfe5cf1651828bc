"""Augmentation of a whole batch at once, by indexing: no loop over images, so it costs little beside the network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def flip(images: Tensor) -> Tensor:
    """Mirror each image left–right with probability one half. (B, C, H, W) → the same."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def shift(images: Tensor, pixels: int = 2) -> Tensor:
    """Move each image by up to `pixels` in both directions; black comes in at the border. (B, C, H, W) → the same."""
    b, _, h, w = images.shape
    padded = F.pad(images, (pixels,) * 4)
    dy, dx = torch.randint(0, 2 * pixels + 1, (2, b, 1), device=images.device)
    rows = (torch.arange(h, device=images.device) + dy)[:, None, :, None]  # (B, 1, H, 1)
    columns = (torch.arange(w, device=images.device) + dx)[:, None, None, :]  # (B, 1, 1, W)
    item = torch.arange(b, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[item, channel, rows, columns]


def cutout(images: Tensor, size: int = 8) -> Tensor:
    """Blacken one square of `size` pixels at a random place of each image (DeVries & Taylor 2017)."""
    b, _, h, w = images.shape
    top = torch.randint(1 - size, h, (b, 1), device=images.device)
    left = torch.randint(1 - size, w, (b, 1), device=images.device)
    y, x = torch.arange(h, device=images.device), torch.arange(w, device=images.device)
    rows, columns = (y >= top) & (y < top + size), (x >= left) & (x < left + size)
    hidden = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, H, W)
    return images.masked_fill(hidden, 0)


def turn(images: Tensor) -> Tensor:
    """Turn and mirror each square image at random, all eight ways alike: for pictures without an up. (B, C, S, S)."""
    for change in (lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.transpose(-1, -2)):
        chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        images = torch.where(chosen, change(images), images)
    return images
