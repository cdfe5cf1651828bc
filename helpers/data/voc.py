"""Boxes out of Pascal VOC's XML (Everingham et al. 2010): what is wrong in them is mended or left out, and counted."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Report:
    """What became of annotated boxes; reports can be added: `sum(reports, Report())`.

    kept: boxes returned, the mended ones among them.
    mended: of those, the ones whose corners were swapped or that were cut off at the picture's edge.
    dropped: boxes left out.
    """

    kept: int = 0
    mended: int = 0
    dropped: int = 0

    def __add__(self, other: Report) -> Report:
        return Report(self.kept + other.kept, self.mended + other.mended, self.dropped + other.dropped)


def read(
    content: bytes, name: str, classes: Sequence[str], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, Report]:
    """Boxes (M, 4), float32, labels (M,), int64, indices into `classes`, and a report, from the XML file `name`.

    `size` is the picture's own width and height in pixels; what the file says about it is not used. VOC counts pixels
    from 1 and means the last one too: 1 to 640 are all columns of a picture 640 wide. The boxes returned, x1, y1, x2,
    y2, are counted from 0, and x2 and y2 are exclusive: x1 = xmin - 1, x2 = xmax. All lie in the picture and have an
    area.

    Mended: a box whose corners are swapped; one that is partly outside the picture, which is cut off at its edge.
    Dropped: a box with a coordinate that is missing or no number; one that is wholly outside; and one with xmin = xmax
    or ymin = ymax, a click beside the object rather than something one pixel wide, as VOC would have it.

    Raises ValueError, naming the file, when it is no VOC annotation or has an object of another class.
    """
    try:
        root = ET.fromstring(content)
    except (ET.ParseError, LookupError, ValueError) as error:  # the latter two for an encoding that does not exist
        raise ValueError(f"{name} cannot be read as XML ({error})") from error
    if root.tag != "annotation":
        raise ValueError(f"{name} is no VOC annotation: its root is <{root.tag}>, not <annotation>")
    objects = root.findall("object")
    labels = np.array([_label(thing, name, classes) for thing in objects], dtype=np.int64)

    given = np.array([_corners(thing) for thing in objects], dtype=np.float64).reshape(-1, 2, 2)  # corner, x or y
    low, high = given.min(1) - 1, given.max(1)
    boxes = np.hstack([low.clip(0, size), high.clip(0, size)]).astype(np.float32)
    good = (given[:, 0] != given[:, 1]).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)  # NaN is not greater
    changed = (given[:, 0] > given[:, 1]) | (low < 0) | (high > size)
    report = Report(int(good.sum()), int((good & changed.any(1)).sum()), int((~good).sum()))
    return boxes[good], labels[good], report


def _label(thing: ET.Element, name: str, classes: Sequence[str]) -> int:
    found = thing.findtext("name", "").strip()
    if found not in classes:
        raise ValueError(f"{name} has an object of class {found!r}, which is none of {', '.join(classes)}")
    return classes.index(found)


def _corners(thing: ET.Element) -> list[float]:
    """xmin, ymin, xmax, ymax as they are given; four times NaN unless all are numbers."""
    try:
        corners = [float(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
    except ValueError:
        return [math.nan] * 4
    return corners if all(map(math.isfinite, corners)) else [math.nan] * 4
