"""The registry of data sets and pretrained weights: `registry.toml`, read into dataclasses."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.data.sources import Source, from_table

PATH = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True)
class File:
    """One file as it lies in the cache; `size` in bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Variant:
    """One complete form of a data set: all of its `files`, which any of the `sources` delivers.

    Most data sets have one variant, whose name is empty.
    """

    name: str
    files: tuple[File, ...]
    sources: tuple[Source, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Entry:
    """A data set: what it is called, whom it is from, under which licence, and its variants, the best first."""

    name: str
    title: str
    citation: str
    licence: str
    homepage: str
    variants: tuple[Variant, ...]
    notice: str = ""


def read(path: Path) -> dict[str, Entry]:
    """The entries of a registry file by name, in the file's order."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _entry(name, table) for name, table in tables.items()}


@cache
def entries() -> dict[str, Entry]:
    """The book's entries by name."""
    return read(PATH)


def entry(name: str) -> Entry:
    """The entry called `name`. Raises KeyError listing the names there are."""
    if name not in entries():
        raise KeyError(f"no data set is called {name!r}; there are: {', '.join(entries())}")
    return entries()[name]


def _entry(name: str, table: dict) -> Entry:
    files, sources = table.pop("files"), table.pop("sources", [])
    names = list(dict.fromkeys(file.get("variant", "") for file in files))
    variants = tuple(
        Variant(
            variant,
            tuple(File(f["name"], f["size"], f["sha256"]) for f in files if f.get("variant", "") == variant),
            tuple(from_table(s) for s in sources if s.get("variant", "") == variant),
        )
        for variant in names
    )
    return Entry(name=name, variants=variants, **table)
