"""What a one-stage detector's training takes in: pictures that are checked, truth of one shape, batches of any size.

The detector itself, its losses and its decoding are in the chapter (`notebooks/cv/04-yolo.ipynb`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from helpers.data.annotated import Annotated


def checked(data: Annotated) -> Annotated:
    """The same data, if a detector can be trained on it; a picture without an object is welcome.

    Raises ValueError, naming the picture and the object, for a box that is not finite, has no area or leaves the
    picture, for a class that does not exist, and for boxes and classes that do not belong together.
    """
    height, width = data.images.shape[1:3]
    for name, boxes, labels in zip(data.names, data.boxes, data.labels, strict=True):
        if len(boxes) != len(labels):
            raise ValueError(f"{name}: {len(boxes)} boxes but {len(labels)} classes")
        for i, ((x1, y1, x2, y2), label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
            box = f"{name}, object {i}: the box ({x1:g}, {y1:g}, {x2:g}, {y2:g})"
            if not np.isfinite((x1, y1, x2, y2)).all():
                raise ValueError(f"{box} has a corner that is not a number")
            if x2 <= x1 or y2 <= y1:
                raise ValueError(f"{box} has no area: x1 < x2 and y1 < y2 are needed; leave such objects out")
            if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
                raise ValueError(f"{box} leaves the picture of {width} × {height} pixels: cut it off at the border")
            if not 0 <= label < len(data.classes):
                raise ValueError(f"{name}, object {i}: class {label} of {len(data.classes)}; count from 0")
    return data


def read_picture(path: str | Path, size: tuple[int, int]) -> Tensor:
    """A picture file as a tensor (3, H, W), uint8 RGB, resized to `size` = (H, W).

    Raises ValueError, naming the file, if it cannot be read as a picture.
    """
    try:
        picture = Image.open(path).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a picture ({error}). Is it a JPEG or PNG, and whole?") from error
    resized = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()


def pictures(data: Annotated, size: tuple[int, int] | None = None, *, batch_size: int = 64) -> Tensor:
    """All pictures as a tensor (N, 3, H, W), uint8; resized to `size` = (H, W), averaging where it shrinks."""
    parts = []
    for start in range(0, len(data), batch_size):
        part = torch.from_numpy(np.array(data.images[start : start + batch_size])).permute(0, 3, 1, 2)
        if size is not None and tuple(part.shape[2:]) != tuple(size):
            part = F.interpolate(part.float(), size=size, mode="bilinear", antialias=True).round().to(torch.uint8)
        parts.append(part)
    return torch.cat(parts).contiguous()


def resized(data: Annotated, size: tuple[int, int]) -> Annotated:
    """Pictures and boxes brought to `size` = (H, W); the sides may shrink by different factors."""
    height, width = data.images.shape[1:3]
    images = pictures(data, size).permute(0, 2, 3, 1).numpy()
    factors = np.array([size[1] / width, size[0] / height] * 2, np.float32)
    return Annotated(images, [boxes * factors for boxes in data.boxes], data.labels, data.classes, data.names)


def mirrored(data: Annotated) -> Annotated:
    """The pictures and boxes, left and right exchanged."""
    width = data.images.shape[2]
    boxes = [np.stack([width - b[:, 2], b[:, 1], width - b[:, 0], b[:, 3]], axis=1) for b in data.boxes]
    return Annotated(data.images[:, :, ::-1], boxes, data.labels, data.classes, data.names)


def padded(data: Annotated) -> tuple[Tensor, Tensor]:
    """The truth in two tensors: boxes (N, M, 4) as centre x, centre y, width, height; classes (N, M), -1 for none.

    M is the largest number of objects on a picture, at least 1.
    """
    most = max(1, *(len(boxes) for boxes in data.boxes))
    truth, labels = torch.zeros(len(data), most, 4), torch.full((len(data), most), -1)
    for i, (boxes, classes) in enumerate(zip(data.boxes, data.labels, strict=True)):
        corners = torch.from_numpy(np.asarray(boxes, np.float32)).view(-1, 4)
        truth[i, : len(boxes)] = (
            torch.cat([corners[:, :2] + corners[:, 2:], 2 * (corners[:, 2:] - corners[:, :2])], 1) / 2
        )
        labels[i, : len(boxes)] = torch.from_numpy(classes)
    return truth, labels


class Batches:
    """Endless batches (x, boxes, classes, rows) for training, each at one of several picture sizes.

    Args:
        features: For each picture size the stem's features of all pictures (N, C, H/8, W/8); the first is the size
            that `truth` is measured at.
        truth, labels: As `padded` gives them.
        batch_size: A pass over the data drops what does not fill a batch.
    """

    def __init__(self, features: Sequence[Tensor], truth: Tensor, labels: Tensor, batch_size: int = 16) -> None:
        if len(truth) < batch_size:
            raise ValueError(f"{len(truth)} pictures do not fill one batch of {batch_size}")
        self.features, self.truth, self.labels, self.batch_size = list(features), truth, labels, batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        while True:
            order = torch.randperm(len(self.truth))
            for rows in order[: len(order) // self.batch_size * self.batch_size].view(-1, self.batch_size):
                maps = self.features[int(torch.randint(len(self.features), ()))]
                height, width = (a / b for a, b in zip(maps.shape[2:], self.features[0].shape[2:], strict=True))
                x = maps[rows].float().contiguous(memory_format=torch.channels_last)
                yield x, self.truth[rows] * torch.tensor([width, height] * 2), self.labels[rows], rows
