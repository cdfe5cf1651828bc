"""Files made once from a data set's files, such as a checkpoint in another format, kept beside them."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from helpers.data import store

DONE = ".complete"


def converted(folder: Path, name: str, build: Callable[[Path], None], version: int = 1) -> Path:
    """The folder `name` inside `folder`, filled by `build(empty folder)` when it is not there yet or out of date.

    `folder` is one that `helpers.data.fetch` returned; what it holds, and `version`, which whoever changes `build`
    raises, tell whether the result is up to date. A result is whole or absent: an interrupt, or a full disk, leaves
    nothing. Raises NoSpaceError or DataError when it cannot be kept.
    """
    place, mark = folder / name, _mark(folder, version)
    if not _is(place, mark):
        with store.locked(folder):
            if not _is(place, mark):  # another process may have been at it meanwhile
                with store.workspace(folder) as workspace, store.writing(folder):
                    fresh = workspace / name
                    fresh.mkdir()
                    build(fresh)
                    (fresh / DONE).write_text(mark, encoding="utf-8")
                    if place.exists():
                        shutil.rmtree(place)
                    os.replace(fresh, place)
    return place


def _is(place: Path, mark: str) -> bool:
    return (place / DONE).is_file() and (place / DONE).read_text(encoding="utf-8") == mark


def _mark(folder: Path, version: int) -> str:
    """Names and sizes of the files that the conversion starts from (they are verified), and its version."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    said = [f"{path.name} {path.stat().st_size}" for path in files]
    return hashlib.sha256("\n".join([*said, str(version)]).encode()).hexdigest()
