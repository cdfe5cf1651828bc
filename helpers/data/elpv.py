"""ELPV solar cells (Deitsch et al. 2019): 2,624 electroluminescence photographs, some with defects.

Light that a cell under current gives off shows what the eye misses: cracks and dead areas stay dark. The data may be
used for non-commercial purposes only (CC BY-NC-SA 4.0); loading says so.
"""

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.data import entry, fetch
from helpers.data.decoded import kept

CLASSES = ("functional", "defective")
KINDS = ("mono", "poly")
MEMBERS = "elpv_dataset/data/"


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (2624, 300, 300), uint8; probability of a defect (2624,), float64; kind (2624,), str.

    The probability is one of 0, 1/3, 2/3, 1, as experts judged how sure they were; the kind is `mono` or `poly`, the
    cell's crystalline silicon. The images are memory-mapped (236 MB): index before converting.
    """
    _say_licence()
    folder = fetch("elpv")
    (archive,) = folder.glob("*.whl")
    paths, probability, kind = _labels(archive)
    images = kept(folder, "images", lambda: _decode(archive, paths))
    return images, probability, kind


def _labels(archive: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    with zipfile.ZipFile(archive) as box:
        rows = [line.split() for line in box.read(f"{MEMBERS}labels.csv").decode().splitlines() if line.strip()]
    paths, probability, kind = zip(*rows, strict=True)
    # The file rounds to 0.3333333333333333 and 0.6666666666666666: make them the nearest doubles to 1/3 and 2/3.
    return list(paths), np.round(np.array(probability, dtype=np.float64) * 3) / 3, np.array(kind)


def _decode(archive: Path, paths: list[str]) -> np.ndarray:
    with zipfile.ZipFile(archive) as box:
        pictures = (box.read(MEMBERS + path) for path in paths)
        with ThreadPoolExecutor() as pool:  # Pillow decodes without holding the interpreter's lock
            return np.stack(
                list(pool.map(lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("L")), pictures))
            )


@cache
def _say_licence() -> None:
    print(entry("elpv").notice)
