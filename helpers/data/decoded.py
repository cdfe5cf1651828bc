"""Pictures decoded once: arrays kept beside the files that they were decoded from."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.data import store


def kept(folder: Path, name: str, build: Callable[[], np.ndarray]) -> np.ndarray:
    """The array that `build` makes, kept as `name`.npy in `folder`; memory-mapped, changes stay in this process.

    `folder` is one that `helpers.data.fetch` returned. The array is built again when it is damaged, or older than
    what it was made from. Raises NoSpaceError or DataError when it cannot be kept.
    """
    path = folder / f"{name}.npy"
    if not store.unchanged(path):
        with store.locked(folder):
            if not store.unchanged(path):
                _keep(path, build())
    return np.load(path, mmap_mode="c")


def _keep(path: Path, array: np.ndarray) -> None:
    folder, part = path.parent, path.parent / f".part-{path.name}"
    store.need_space(folder, array.nbytes)
    try:
        with store.writing(folder):
            with part.open("wb") as output:
                # What np.save writes, but by `write`: `tofile`, which it uses, does not say that a disk is full.
                np.lib.format.write_array_header_1_0(output, np.lib.format.header_data_from_array_1_0(array))
                output.write(np.ascontiguousarray(array).data)
                output.flush()
                os.fsync(output.fileno())
            os.replace(part, path)
            store.stamp(path, store.sha256(path))
    finally:
        part.unlink(missing_ok=True)
