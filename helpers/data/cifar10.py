"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour photographs, 32 by 32, ten classes.

Either the original bytes, as torchvision downloads them, or an archive of JPEG pictures in `$AIBOOK_DATA`: those are
a little less sharp, which costs a little accuracy, so `load` says so and `variant` tells which it is.
"""

import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from helpers.data import fetch
from helpers.data.decoded import kept

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
JPEG_NOTICE = "CIFAR-10 from JPEG copies of the original: expect slightly lower accuracy."


def load(split: Literal["train", "test"] = "train") -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3), uint8 RGB, and labels (N,), int64, indices into `CLASSES`; both memory-mapped.

    N is 50,000 for `train` and 10,000 for `test`. The pictures' order differs between the variants (the JPEG copies
    come class by class). Raises ValueError for another split.
    """
    if split not in BATCHES:
        raise ValueError(f"split is 'train' or 'test', not {split!r}")
    folder = fetch("cifar10")
    if folder.name == "jpeg":
        _say_jpeg()
    read = cache(_read_jpeg if folder.name == "jpeg" else _read_original)
    images = kept(folder, f"{split}-images", lambda: read(folder, split)[0])
    labels = kept(folder, f"{split}-labels", lambda: read(folder, split)[1])
    return images, labels


def variant() -> Literal["original", "jpeg"]:
    """Which pictures `load` gives on this machine."""
    return fetch("cifar10").name


def _read_original(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    with tarfile.open(folder / "cifar-10-python.tar.gz") as box:
        for name in BATCHES[split]:
            # A pickle can do anything when it is opened: this one has just been verified to be the published one.
            batch = pickle.load(box.extractfile(f"cifar-10-batches-py/{name}"), encoding="latin1")
            images.append(batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            labels += batch["labels"]
    return np.concatenate(images), np.array(labels, dtype=np.int64)


def _read_jpeg(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    packed: dict[str, bytes] = {}
    with tarfile.open(folder / "cifar10-jpeg.tar.xz", "r|xz") as box:
        for member in box:
            if member.isfile() and member.name.startswith(f"{split}/"):
                packed[member.name] = box.extractfile(member).read()
    names = sorted(packed)
    labels = [CLASSES.index(name.split("/")[1]) for name in names]
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda name: np.asarray(Image.open(io.BytesIO(packed[name])).convert("RGB")), names))
    return np.stack(images), np.array(labels, dtype=np.int64)


@cache
def _say_jpeg() -> None:
    print(JPEG_NOTICE)
