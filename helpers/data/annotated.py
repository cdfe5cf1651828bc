"""Pictures with boxes: what every detection data set of the book is loaded as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Annotated:
    """N pictures and the objects on them.

    images: (N, H, W, 3), uint8 RGB.
    boxes: one array (M, 4), float32, for each picture: x1, y1, x2, y2 in pixels, x2 and y2 exclusive; M may be 0.
    labels: one array (M,), int64, for each picture: indices into `classes`.
    names: a name for each picture, for messages.
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    labels: list[np.ndarray]
    classes: tuple[str, ...]
    names: list[str]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> Annotated:
        """A part of the data set, such as `scenes[:100]`."""
        return Annotated(self.images[part], self.boxes[part], self.labels[part], self.classes, self.names[part])

    @classmethod
    def from_rows(cls, images: np.ndarray, rows: np.ndarray, classes: tuple[str, ...], names: list[str]) -> Annotated:
        """From one row (image, x1, y1, x2, y2, class) an object; pictures without a row have no object."""
        owner = rows[:, 0].astype(int)
        boxes = [rows[owner == i, 1:5].astype(np.float32) for i in range(len(images))]
        labels = [rows[owner == i, 5].astype(np.int64) for i in range(len(images))]
        return cls(images, boxes, labels, classes, names)
