"""Parts of a zip archive whose bytes differ from one download to the next, in a zip whose bytes do not.

A server that packs an archive anew at each request (GitHub does) promises what is in it, not its bytes, so these
cannot be held to a checksum. Those of an archive in canonical form can: they depend on names and contents alone.
"""

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.data.errors import SourceError
from helpers.data.progress import bar
from helpers.data.sources.url import Url

CHUNK = 1 << 16
TOO_LARGE = 4  # an archive that is so many times larger than expected is another one


@dataclass(frozen=True)
class Repacked:
    """`members` of the zip at `url`, as `repack` takes them; `size` of the download in bytes, about.

    Everything is held in memory: for archives of some ten megabytes.
    """

    url: str
    members: Sequence[str]
    size: int

    @property
    def scratch(self) -> int:
        return 0

    def __str__(self) -> str:
        return self.url

    def advice(self, name: str) -> str:
        call = f"repack('archive.zip', '{name}', {list(self.members)})"
        return (
            f"curl --location --output archive.zip {self.url} && "
            f'python -c "from helpers.data.sources.repacked import repack; {call}"'
        )

    @contextmanager
    def open(self, name: str, workspace: Path) -> Iterator[BinaryIO]:
        canonical = io.BytesIO()
        repack(io.BytesIO(self._downloaded(name, workspace)), canonical, self.members, TOO_LARGE * self.size)
        canonical.seek(0)
        yield canonical

    def _downloaded(self, name: str, workspace: Path) -> bytes:
        content = bytearray()
        with Url(self.url).open(name, workspace) as stream, bar(name, self.size) as progress:
            while chunk := stream.read(CHUNK):
                content += chunk
                progress.update(len(chunk))
                if len(content) > TOO_LARGE * self.size:
                    raise SourceError(f"the archive is longer than {TOO_LARGE * self.size:,} bytes")
        return bytes(content)


def repack(archive: str | BinaryIO, into: str | BinaryIO, members: Sequence[str], limit: int | None = None) -> None:
    """Write `members` of the zip `archive` into the zip `into`, in canonical form.

    That is: without the one folder in which a downloaded archive has everything, sorted by name, not compressed, and
    each file with the same date and rights. `members` names files and, ending in a slash, whole folders. Raises
    SourceError when one is not there, the archive is damaged, or more than `limit` bytes come out of it.
    """
    try:
        with zipfile.ZipFile(archive) as box:
            held = {info.filename.partition("/")[2]: info for info in box.infolist() if not info.is_dir()}
            chosen = {member: [name for name in held if _is_in(name, member)] for member in members}
            if missing := [member for member, names in chosen.items() if not names]:
                raise SourceError(f"the archive holds no {', '.join(missing)}")
            names = sorted({name for some in chosen.values() for name in some})
            size = sum(held[name].file_size for name in names)
            if limit is not None and size > limit:
                raise SourceError(f"the archive's files have {size:,} bytes, more than the {limit:,} that are possible")
            contents = {name: box.read(held[name]) for name in names}
    except SourceError:
        raise
    # A wrong bit may also ask for a password, or for another compression, each with errors of its own.
    except Exception as error:
        raise SourceError(f"the archive is damaged, or no zip ({error})") from error
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as box:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16  # as on Unix, whatever the system
            box.writestr(info, content)


def _is_in(name: str, member: str) -> bool:
    return name.startswith(member) if member.endswith("/") else name == member
