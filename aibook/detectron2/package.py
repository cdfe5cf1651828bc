"""The Python code of Detectron2 out of a package that the registry carries.

The package is made for Python 3.10; its compiled part fits no other, and is left out. Its code is Python's own, and
torchvision does for it what has to be compiled (non-maximum suppression, RoI align).
"""

import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aibook.detectron2 import COMMAND, Unavailable
from aibook.detectron2.here import MARKER, Here, find
from helpers.data import DataError, store
from helpers.data.errors import SourceError
from helpers.data.fetching import obtain
from helpers.data.registry import Entry, File, Variant
from helpers.data.sources.command import run

PACKAGE = "sal-detectron2==0.7.2"
ORIGIN = f"the Python code of the package {PACKAGE.replace('==', ' ')}"
WHEEL = File(
    "sal_detectron2-0.7.2-cp310-none-any.whl",
    6_868_117,
    "491af0c7f79bdb2d178e46f6cb16a97c4ac968d45c41ea3f6b6435d59bbee561",
)
UNPACKED = 24_000_000  # bytes, byte-code included
PREFIX = ".detectron2-"  # of the folder in which it is unpacked


@dataclass(frozen=True)
class Download:
    """pip's download of a package that was made for another Python."""

    package: str = PACKAGE
    scratch: int = 2 * WHEEL.size

    def __str__(self) -> str:
        return f"pip package {self.package}"

    def advice(self, name: str) -> str:
        return " ".join(["python -m pip", *self._arguments()])

    @contextmanager
    def open(self, name: str, workspace: Path) -> Iterator[BinaryIO]:
        quiet = ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off", "--dest", str(workspace)]
        run([sys.executable, "-m", "pip", *self._arguments(), *quiet], workspace, self.package, WHEEL.size)
        path = workspace / name
        if not path.is_file():
            raise SourceError(f"pip did not bring {name}")
        with path.open("rb") as stream:
            yield stream

    def _arguments(self) -> list[str]:
        return ["download", "--no-deps", "--python-version", "3.10", "--only-binary", ":all:", self.package]


def entry() -> Entry:
    """The package as `helpers.data` fetches one: from the reader's folder, the cache, or pip; verified in any case."""
    return Entry(
        name="detectron2",
        title="Detectron2's Python code",
        citation="Wu, Kirillov, Massa, Lo and Girshick (2019)",
        licence="Apache-2.0",
        homepage="https://github.com/facebookresearch/detectron2",
        variants=(Variant("", (WHEEL,), (Download(),)),),
    )


def install(site: Path) -> Here:
    """Unpack it into `site`, whole or not at all; another process that does the same is waited for.

    Raises Unavailable, with what to do next.
    """
    try:
        folder = obtain(entry())
        with store.locked(folder):
            before = find(site)
            if before is None or (before.checksum and before.checksum != WHEEL.sha256):
                _unpack(folder / WHEEL.name, site)
    except DataError as error:
        raise Unavailable(str(error)) from error
    return find(site)


def _unpack(wheel: Path, site: Path) -> None:
    made = None
    try:
        site.mkdir(parents=True, exist_ok=True)
        for left in site.glob(f"{PREFIX}*"):  # a killed process could not clean up; the lock says that none is at work
            shutil.rmtree(left, ignore_errors=True)
        if (free := shutil.disk_usage(site).free) < UNPACKED:
            raise OSError(errno.ENOSPC, f"{UNPACKED / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=site))
        with zipfile.ZipFile(wheel) as box:
            wanted = [name for name in box.namelist() if name.startswith("detectron2/") and not name.endswith(".so")]
            box.extractall(made, wanted)
        marker = {"origin": ORIGIN, "sha256": WHEEL.sha256}
        (made / "detectron2" / MARKER).write_text(json.dumps(marker), encoding="utf-8")
        _compile(made / "detectron2", site / "detectron2")
        if (site / "detectron2").exists():  # an older package
            os.replace(site / "detectron2", made / "before")
        os.replace(made / "detectron2", site / "detectron2")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = f"the disk of {site} is full" if full else f"cannot write into {site}"
        then = "Make room" if full else "Take an environment of your own (`make environment`)"
        raise Unavailable(f"{what} ({error}). {then} and run `{COMMAND}` again.") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _compile(code: Path, place: Path) -> None:
    """Byte-code beside the code, under the names that it will have in `place`; what does not compile is left."""
    import compileall

    with contextlib.redirect_stdout(None):
        compileall.compile_dir(code, quiet=2, stripdir=str(code), prependdir=str(place))
