"""A Debian package, downloaded and unpacked without installing it: no root needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.data.errors import SourceError
from helpers.data.sources.command import run
from helpers.data.sources.packed import unpacked


@dataclass(frozen=True)
class Apt:
    """`member` is a path inside `package`; `size` of the download in bytes."""

    package: str
    member: str
    size: int

    @property
    def scratch(self) -> int:
        return 2 * self.size  # the package, and a copy or what is unpacked from it

    def __str__(self) -> str:
        return f"Debian package {self.package}"

    def advice(self, name: str) -> str:
        return (
            f"apt-get download {self.package} && dpkg -x {self.package}_*.deb . (file {self.member.format(file=name)})"
        )

    @contextmanager
    def open(self, name: str, workspace: Path) -> Iterator[BinaryIO]:
        path = self._unpacked(workspace) / self.member.format(file=name)
        if not path.is_file():
            raise SourceError(f"{self.package} holds no {path.name}")
        with path.open("rb") as packed, unpacked(packed, path.name, name) as stream:
            yield stream

    def _unpacked(self, workspace: Path) -> Path:
        into = workspace / "apt" / self.package
        if not into.exists():
            into.mkdir(parents=True)
            run(["apt-get", "--quiet", "download", self.package], workspace, self.package, self.size)
            packages = sorted(workspace.glob(f"{self.package}_*.deb"))
            if not packages:
                raise SourceError(f"apt-get left nothing of {self.package}")
            run(["dpkg", "-x", str(packages[0]), str(into)], workspace, f"unpacking {self.package}", self.size)
        return into
