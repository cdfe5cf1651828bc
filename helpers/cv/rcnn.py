"""What surrounds the R-CNN series in its chapter: a clock for each stage, and proposals that have not seen the picture.

The detectors themselves, their losses and their proposals are in the chapter (`notebooks/cv/03-rcnn.ipynb`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


class Laps:
    """CPU-seconds by stage: `with laps("features"): ...` adds what its block took; `laps.ms(n)` shares it out."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds[stage] += time.process_time() - start

    def ms(self, pictures: int) -> dict[str, float]:
        """Milliseconds a picture of each stage, and of all stages as "total"."""
        shares = {stage: 1e3 * seconds / pictures for stage, seconds in self.seconds.items()}
        return shares | {"total": sum(shares.values())}


def random_boxes(known: Sequence[np.ndarray], size: tuple[int, int], n: int, rng: np.random.Generator) -> Tensor:
    """n boxes (n, 4) with the widths and heights of known boxes, at places drawn by lot in a picture of (H, W)."""
    sizes = np.concatenate([boxes[:, 2:] - boxes[:, :2] for boxes in known])
    sizes = sizes[rng.integers(len(sizes), size=n)]
    corners = rng.random((n, 2)) * (np.array(size[::-1]) - sizes).clip(0)
    return torch.from_numpy(np.hstack([corners, corners + sizes])).float()


def sliding_windows(sides: Sequence[float], size: tuple[int, int], n: int) -> Tensor:
    """About n square windows (M, 4) of the given sides, laid evenly over a picture of (H, W); as many of each side."""
    height, width = size
    windows = []
    for side in sides:
        rows = max(1, round((n / len(sides) * height / width) ** 0.5))
        columns = max(1, round(n / len(sides) / rows))
        y, x = np.meshgrid(np.linspace(0, height - side, rows), np.linspace(0, width - side, columns), indexing="ij")
        corners = np.stack([x, y], axis=-1).reshape(-1, 2)
        windows.append(np.hstack([corners, corners + side]))
    return torch.from_numpy(np.concatenate(windows)).float()
