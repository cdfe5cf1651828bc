"""The reader's own folder of downloaded files, `$AIBOOK_DATA`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.data.errors import SourceError
from helpers.data.sources.packed import unpacked


@dataclass(frozen=True)
class Folder:
    """Searched by file name, in the subfolder `entry` first (several data sets call their files alike)."""

    path: Path
    entry: str

    @property
    def scratch(self) -> int:
        return 0

    def __str__(self) -> str:
        return f"the folder $AIBOOK_DATA ({self.path})"

    def holds(self, name: str) -> bool:
        """Whether a file called `name`, or `name.gz`, is there."""
        return self._find(name) is not None

    @contextmanager
    def open(self, name: str, workspace: Path) -> Iterator[BinaryIO]:
        path = self._find(name)
        if path is None:
            raise SourceError(f"no {name} in it")
        try:
            with path.open("rb") as packed, unpacked(packed, path.name, name) as stream:
                yield stream
        except OSError as error:
            raise SourceError(str(error)) from error

    def _find(self, name: str) -> Path | None:
        candidates = [self.path / folder / f for folder in (self.entry, ".") for f in (name, f"{name}.gz")]
        return next((path for path in candidates if path.is_file()), None)
