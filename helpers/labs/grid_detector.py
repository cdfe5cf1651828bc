"""A detector on a grid, as YOLO v3 is one: three anchors in each of 16 × 16 cells. Its loss is the student's."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.labs.shapes import CLASSES, SIDE
from helpers.labs.small_detector import STRIDE, Network

ANCHORS = ((13.0, 13.0), (18.0, 18.0), (24.0, 24.0))  # widths and heights in pixels: shapes measure 10 to 31
GRID = SIDE // STRIDE
STEPS = 60  # of 16 scenes each


class GridNetwork(Network):
    """Scenes (B, 3, 64, 64) → raw (B, 3, 16, 16, 5 + K): for each anchor and cell t_x, t_y, t_w, t_h, objectness and
    class logits. Before it has learned anything, it says that there is no object."""

    def __init__(self) -> None:
        super().__init__([4 * len(ANCHORS), len(ANCHORS), len(CLASSES) * len(ANCHORS)], [0.0, -5.0, 0.0])

    def forward(self, x: Tensor) -> list[Tensor]:
        parts = [y.unflatten(1, (len(ANCHORS), -1)).permute(0, 1, 3, 4, 2) for y in super().forward(x)]
        return [torch.cat(parts, dim=-1)]
