"""BCCD (Shenggan 2017): 364 photographs of blood smears, 640 by 480, with a box around each cell and platelet."""

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from helpers.data import fetch, voc
from helpers.data.annotated import Annotated
from helpers.data.decoded import kept

CLASSES = ("RBC", "WBC", "Platelets")  # red blood cells, white blood cells, platelets
SIZE = (640, 480)  # width and height of every picture
PARTS = ("train", "val", "test")
SPLITS = {"train": PARTS[:1], "val": PARTS[1:2], "test": PARTS[2:], "trainval": PARTS[:2]}


def load(split: Literal["train", "val", "test", "trainval"] = "train") -> Annotated:
    """Photographs (N, 480, 640, 3), uint8 RGB, memory-mapped, with their boxes and classes.

    N is 205 for `train`, 87 for `val`, 72 for `test`, as the data set's own lists have it; `trainval` is `train` and
    then `val`. Prints, once for each split, how many boxes had to be mended or dropped; `helpers.data.voc` says which
    are. Raises ValueError for another split, and for a picture or an annotation that cannot be used, naming it.
    """
    if split not in SPLITS:
        raise ValueError(f"split is 'train', 'val', 'test' or 'trainval', not {split!r}")
    folder = fetch("bccd")
    (archive,) = folder.glob("*.zip")
    with zipfile.ZipFile(archive) as box:
        listed = {part: box.read(f"BCCD/ImageSets/Main/{part}.txt").decode().split() for part in PARTS}
        names = [name for part in SPLITS[split] for name in listed[part]]
        annotations = [
            voc.read(box.read(f"BCCD/Annotations/{name}.xml"), f"BCCD's {name}.xml", CLASSES, SIZE) for name in names
        ]
    everything = [name for part in PARTS for name in listed[part]]
    images = kept(folder, "images", lambda: _decode(archive, everything))  # part after part: a split is one piece
    start = everything.index(names[0])
    boxes, labels, reports = zip(*annotations, strict=True)
    _say(split, sum(reports, voc.Report()))
    return Annotated(
        images[start : start + len(names)], list(boxes), list(labels), CLASSES, [f"{name}.jpg" for name in names]
    )


def _decode(archive: Path, names: list[str]) -> np.ndarray:
    images = np.empty((len(names), *SIZE[::-1], 3), np.uint8)
    with zipfile.ZipFile(archive) as box, ThreadPoolExecutor() as pool:  # Pillow decodes without the interpreter's lock
        contents = [box.read(f"BCCD/JPEGImages/{name}.jpg") for name in names]
        for image, picture in zip(images, pool.map(_picture, contents, names), strict=True):
            image[:] = picture
    return images


def _picture(content: bytes, name: str) -> np.ndarray:
    try:
        picture = Image.open(io.BytesIO(content)).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"BCCD's {name}.jpg cannot be read as a picture ({error})") from error
    if picture.size != SIZE:
        raise ValueError("BCCD's {}.jpg is {} × {} pixels, not {} × {}".format(name, *picture.size, *SIZE))
    return np.asarray(picture)


@cache
def _say(split: str, report: voc.Report) -> None:
    print(f"BCCD, {split}: {report.kept:,} boxes, {report.mended:,} mended, {report.dropped:,} dropped")
