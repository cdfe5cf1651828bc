"""Upstream: a file at an address."""

import http.client
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.data.errors import SourceError
from helpers.data.sources.packed import unpacked

TIMEOUT = 30  # seconds without an answer


@dataclass(frozen=True)
class Url:
    """`url` may hold `{file}`, which stands for the file's name."""

    url: str

    @property
    def scratch(self) -> int:
        return 0

    def __str__(self) -> str:
        return self.url.format(file="…")

    def advice(self, name: str) -> str:
        return f"download {self._address(name)}"

    @contextmanager
    def open(self, name: str, workspace: Path) -> Iterator[BinaryIO]:
        address = self._address(name)
        request = urllib.request.Request(address, headers={"User-Agent": "ai-applications-book"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, unpacked(answer, address, name) as stream:
                yield stream
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(f"{type(error).__name__}: {error}") from error

    def _address(self, name: str) -> str:
        return self.url.format(file=name)
