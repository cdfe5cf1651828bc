"""The files that a folder or a zip holds, read with care: archives lie about sizes, and names may lead elsewhere."""

import re
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from aibook.labs.submissions import MOST_BYTES

MOST_FILES = 50_000
MOST_TOTAL = 32 * 2**30
MOST_RATIO, FROM_BYTES = 200, 16 * 2**20  # a notebook this large that shrinks more than 200-fold is a bomb
CHUNK = 2**20
JUNK = ("__MACOSX", ".ipynb_checkpoints", ".DS_Store")


class SourceError(Exception):
    """A source, or one file of it, cannot be read; the message says why."""


@dataclass(frozen=True)
class Found:
    """One file in the source: where it is, who it says it is from, and how to read it."""

    path: str
    size: int
    modified: float
    open: Callable[[], BinaryIO] = field(repr=False)
    packed: int = 0  # bytes in the archive; 0 outside one
    refused: str = ""


def files(source: Path, stack: ExitStack) -> list[Found]:
    """What `source`, a folder or a zip, holds; to be read as long as `stack` is open. Raises SourceError."""
    listed = _folder(source) if source.is_dir() else _archive(source, stack)
    found = list(islice(listed, MOST_FILES + 1))
    if len(found) > MOST_FILES or sum(file.size for file in found) > MOST_TOTAL:
        raise SourceError(f"{source} holds more than {MOST_FILES} files or {MOST_TOTAL >> 30} GB; refused.")
    return _unwrapped(found)


def read(found: Found) -> bytes:
    """All bytes, counted as they come: what an archive says of a file's size need not be true."""
    parts, size = [], 0
    with found.open() as file:
        while part := file.read(CHUNK):
            size += len(part)
            if size > MOST_BYTES:
                raise SourceError(f"more than {MOST_BYTES >> 20} MB")
            if found.packed and size > FROM_BYTES and size > MOST_RATIO * found.packed:
                raise SourceError(f"unpacks to more than {MOST_RATIO} times its size, as a zip bomb does")
            parts.append(part)
    return b"".join(parts)


def _unwrapped(files: list[Found]) -> list[Found]:
    """The files without a folder that holds the folders of all students, as some archives have it."""
    tops = {found.path.split("/")[0] for found in files}
    if len(tops) != 1 or any(found.path.count("/") < 2 for found in files):
        return files
    return [replace(found, path=found.path.split("/", 1)[1]) for found in files]


def _folder(source: Path) -> Iterator[Found]:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if _is_junk(name) or (path.is_dir() and not path.is_symlink()):
            continue
        refused = "a link" if path.is_symlink() else "" if path.is_file() else "not a file"
        stat = path.lstat()
        yield Found(name, stat.st_size, stat.st_mtime, lambda path=path: path.open("rb"), refused=refused)


def _archive(source: Path, stack: ExitStack) -> Iterator[Found]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (zipfile.BadZipFile, OSError) as error:
        raise SourceError(f"{source} is neither a folder nor a zip that can be read: {error}") from None
    for info in archive.infolist():
        name = _decoded(info).replace("\\", "/")
        if not info.is_dir() and not _is_junk(name):
            yield _entry(archive, info, name)


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Found:
    def opened() -> BinaryIO:
        return archive.open(info)

    parts = PurePosixPath(name).parts
    refused = ""
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
        refused = "its path leads out of the archive"
    elif (info.external_attr >> 16) & 0o170000 == 0o120000:
        refused = "a link"
    elif info.flag_bits & 0x1:
        refused = "encrypted"
    try:
        modified = time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        modified = 0.0
    return Found(name, info.file_size, modified, opened, max(info.compress_size, 1), refused)


def _decoded(info: zipfile.ZipInfo) -> str:
    """The entry's name. Without the flag for UTF-8, Python reads code page 437; Windows in China writes GB 18030."""
    name = info.orig_filename
    if info.flag_bits & 0x800 or name.isascii():
        return name
    raw = name.encode("cp437", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part in JUNK for part in parts) or (bool(parts) and parts[-1].startswith("._"))
