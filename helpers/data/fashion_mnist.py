"""Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 60,000 + 10,000 grey pictures of clothing, 28 by 28, ten classes."""

from pathlib import Path
from typing import Literal

import numpy as np

from helpers.data import fetch

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
PREFIXES = {"train": "train", "test": "t10k"}


def load(split: Literal["train", "test"] = "train") -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 28, 28), uint8 with 0 for black, and labels (N,), int64, indices into `CLASSES`.

    N is 60,000 for `train` and 10,000 for `test`. Raises ValueError for another split.
    """
    if split not in PREFIXES:
        raise ValueError(f"split is 'train' or 'test', not {split!r}")
    folder = fetch("fashion-mnist")
    images = read_idx(folder / f"{PREFIXES[split]}-images-idx3-ubyte")
    labels = read_idx(folder / f"{PREFIXES[split]}-labels-idx1-ubyte")
    return images, labels.astype(np.int64)


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in an IDX file: two zero bytes, the type 8, the rank, the lengths, the values.

    Raises ValueError for another type or a file whose length does not fit.
    """
    head = path.read_bytes()[:4]
    if head[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is no IDX file of unsigned bytes")
    rank = head[3]
    shape = np.fromfile(path, dtype=">i4", count=rank, offset=4)
    values = np.fromfile(path, dtype=np.uint8, offset=4 + 4 * rank)
    if values.size != shape.prod():
        raise ValueError(f"{path} holds {values.size:,} values, its header says {shape.prod():,}")
    return values.reshape(shape)
