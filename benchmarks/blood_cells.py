"""The detectors of chapters 3 and 4 on photographs: blood cells (BCCD), the same weights and budget for each.

    python benchmarks/blood_cells.py                     # three seeds: about 20 CPU-minutes
    python benchmarks/blood_cells.py --only faster       # this one anew; what the others have stored stays

The race is that of `detection.py`, on the data set's own splits: 292 photographs (`trainval`), each also mirrored, to
learn from, 72 (`test`) to be scored on, at 256 x 320 pixels; 120 CPU-seconds for each training. The chapters' cells
tagged `recipe` are executed here, with their learning rates; nothing is tuned on these pictures. As in chapter 4, YOLO
gets a third grid, of 32 pixels, for the white cells; Faster R-CNN gets the classes' median sizes for its anchors.
Results: `benchmarks/results/blood_cells.json`.
"""

from __future__ import annotations

from torch import nn

from benchmarks._common import BEST, Entry, OurFaster, Race, Scenes, Yolo
from helpers.cv.yolo import mirrored, resized
from helpers.data import bccd
from helpers.data.annotated import Annotated

SIZE = (256, 320)  # height and width
SPLITS = {"train": "train", "valid": "val", "final": "trainval", "test": "test"}
GRIDS = {"strides": (32, 16, 8)}


def pictures(which: str) -> Annotated:
    return resized(bccd.load(SPLITS[which]), SIZE)


def faster(scenes: Scenes) -> nn.Module:
    """Chapter 3's Faster R-CNN; its anchors have the median size of each class: platelets, red and white cells."""
    sides = [scenes.boxes[scenes.labels == k][:, 2:].prod(1).sqrt().median().item() for k in range(len(scenes.classes))]
    return OurFaster(scenes, sorted(sides))


ENTRIES = {
    "yolo": Entry("YOLO, the best on scenes", 8e-3, lambda scenes: Yolo(scenes, BEST | GRIDS)),
    "yolo-v4": Entry("YOLO v4, chapter 4", 8e-3, lambda scenes: Yolo(scenes, GRIDS)),
    "faster": Entry("Faster R-CNN, chapter 3", 2e-3, faster, batch=8),
}
RACE = Race(
    "blood_cells",
    ENTRIES,
    pictures,
    budget=120,
    views=lambda data: [data, mirrored(data)],
    by_class=True,
    shown=(0, 7, 25),
)

if __name__ == "__main__":
    RACE.main(__doc__)
