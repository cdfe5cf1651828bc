"""Where data comes from: one small module per kind of source.

A source opens one registered file as a stream of its registered (uncompressed) bytes; `helpers.data.store` verifies
and keeps them. A source raises `SourceError` when it cannot deliver, with a reason fit for the reader.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from helpers.data.sources.apt import Apt
from helpers.data.sources.npm import Npm
from helpers.data.sources.pip import Pip
from helpers.data.sources.repacked import Repacked
from helpers.data.sources.url import Url

KINDS = {"apt": Apt, "npm": Npm, "pip": Pip, "repacked": Repacked, "url": Url}


class Source(Protocol):
    """What the fetching needs of a source."""

    @property
    def scratch(self) -> int:
        """Bytes of disk needed for a while beside the files themselves."""

    def __str__(self) -> str:
        """A name for the reader: what was tried."""

    def advice(self, name: str) -> str:
        """How the reader can get the file called `name` from this source by hand, in one line."""

    def open(self, name: str, workspace: Path) -> AbstractContextManager[BinaryIO]:
        """The bytes of the file called `name`; `workspace` is a folder for what has to be downloaded first.

        The workspace is the same for all files of one data set, so a package is downloaded once.
        """


def from_table(table: dict) -> Source:
    """A source from its table in the registry. Raises KeyError for a kind that does not exist."""
    options = {key: value for key, value in table.items() if key not in ("kind", "variant")}
    return KINDS[table["kind"]](**options)
