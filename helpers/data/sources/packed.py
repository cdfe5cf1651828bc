"""Single files out of what they are packed in."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from helpers.data.errors import SourceError


@contextmanager
def unpacked(stream: BinaryIO, origin: str, name: str) -> Iterator[BinaryIO]:
    """`stream`, gunzipped if `origin` ends in `.gz` where the wanted file's `name` does not."""
    if not origin.endswith(".gz") or name.endswith(".gz"):
        yield stream
        return
    try:
        with gzip.GzipFile(fileobj=stream) as plain:
            yield plain
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{origin} is truncated or damaged ({error})") from error


@contextmanager
def member(archive: Path, path: str, name: str) -> Iterator[BinaryIO]:
    """The member `path` of a zip (a wheel is one) or tar archive, as the file called `name`."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as box, box.open(path) as packed, unpacked(packed, path, name) as stream:
                yield stream
        else:
            with tarfile.open(archive) as box:
                packed = box.extractfile(path)
                if packed is None:
                    raise SourceError(f"{path} in {archive.name} is no file")
                with packed, unpacked(packed, path, name) as stream:
                    yield stream
    except KeyError as error:
        raise SourceError(f"{archive.name} holds no {path}") from error
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise SourceError(f"{archive.name} is damaged ({error})") from error


@contextmanager
def content(package: Path, path: str, name: str) -> Iterator[BinaryIO]:
    """The member `path` of the archive `package` as the file called `name`; the archive itself for an empty `path`."""
    if path:
        with member(package, path.format(file=name), name) as stream:
            yield stream
    else:
        with package.open("rb") as stream:
            yield stream
