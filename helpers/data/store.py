"""The cache folder: files enter it verified and whole, or not at all.

Beside its files each folder keeps a stamp of what was verified (checksum, size, modification time), so that loading
need not read 100 MB to see that nothing has changed since.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from helpers.data.errors import DataError, NoSpaceError, WrongFileError
from helpers.data.registry import File

CHUNK = 1 << 20
STAMP = ".verified.json"
LEFTOVERS = (".part-*", ".work-*", ".stamp-*")


def cache() -> Path:
    """The folder of the cache: `$AIBOOK_CACHE`, or `~/.cache/aibook`."""
    chosen = os.environ.get("AIBOOK_CACHE")
    return Path(chosen).expanduser().resolve() if chosen else Path.home() / ".cache" / "aibook"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` (made if need be) against other processes; clean up what a killed one left in it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=1)
        except Timeout:
            print(f"Waiting for another process that works on {folder} …", file=sys.stderr)
            lock.acquire()
    try:
        for pattern in LEFTOVERS:
            for path in folder.glob(pattern):
                # Another process may be done with its own at this very moment.
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """A folder inside `folder` for what a source has to download first; gone afterwards."""
    path = folder / ".work-"
    with writing(folder):
        path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sha256(path: Path) -> str:
    """The file's sha256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verified(folder: Path, file: File) -> bool:
    """Whether `folder` holds `file` whole; reads it only when it has changed since it was last verified."""
    path = folder / file.name
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if _stamps(folder).get(file.name) == _stamp(path, file.sha256):
        return True
    if sha256(path) != file.sha256:
        return False
    with suppress(OSError):  # a read-only cache works too, only slower
        stamp(path, file.sha256)
    return True


def unchanged(path: Path) -> bool:
    """Whether `path` is there as it was stamped."""
    return path.is_file() and _stamps(path.parent).get(path.name, [None])[1:] == _stamp(path, "")[1:]


def install(stream: BinaryIO, file: File, folder: Path, progress: Callable[[int], object]) -> None:
    """Write `stream` into `folder` as `file`, verified on the way; `progress` is told each chunk's bytes.

    Arrays that were decoded from the folder's former files go. Raises WrongFileError or NoSpaceError; then, as after
    an interrupt, the folder is as it was.
    """
    path, part = folder / file.name, folder / f".part-{file.name}"
    digest, size = hashlib.sha256(), 0
    try:
        with writing(folder):
            output = part.open("wb")
        with output:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > file.size:
                    raise WrongFileError(f"{file.name} is longer than the {file.size:,} bytes expected")
                digest.update(chunk)
                with writing(folder):
                    output.write(chunk)
                progress(len(chunk))
            if size < file.size:
                raise WrongFileError(f"{file.name} is truncated: {size:,} of {file.size:,} bytes")
            if digest.hexdigest() != file.sha256:
                raise WrongFileError(
                    f"{file.name} has the right size but another sha256: {digest.hexdigest()}, expected {file.sha256}"
                )
            with writing(folder):
                output.flush()
                os.fsync(output.fileno())
        with writing(folder):
            for array in folder.glob("*.npy"):
                array.unlink()
            os.replace(part, path)
            stamp(path, file.sha256)
    finally:
        part.unlink(missing_ok=True)


def damaged(folder: Path, files: Iterable[File]) -> list[str]:
    """Remove, and return the names of, those of `files` and of the arrays kept in `folder` that are not whole.

    Reads every byte.
    """
    expected = {name: checksum for name, (checksum, *_) in _stamps(folder).items()}
    expected |= {file.name: file.sha256 for file in files}
    wrong = [
        name for name, checksum in expected.items() if (folder / name).is_file() and sha256(folder / name) != checksum
    ]
    for name in wrong:
        (folder / name).unlink()
    return wrong


def need_space(folder: Path, size: int) -> None:
    """Raise NoSpaceError unless `size` bytes fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise NoSpaceError(
            f"{size / 1e6:,.0f} MB are needed in {folder}, {free / 1e6:,.0f} MB are free. {NoSpaceError.REMEDY}"
        )


def stamp(path: Path, checksum: str) -> None:
    """Note that `path` was verified to have this sha256."""
    stamps = _stamps(path.parent) | {path.name: _stamp(path, checksum)}
    part = path.parent / f".stamp-{os.getpid()}"
    part.write_text(json.dumps(stamps, indent=1), encoding="utf-8")
    os.replace(part, path.parent / STAMP)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says against writing into `folder` into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(f"the disk of {folder} is full. {NoSpaceError.REMEDY}") from error
        raise DataError(
            f"cannot write into {folder} ({error}). Set AIBOOK_CACHE to a folder where you may write."
        ) from error


def _stamps(folder: Path) -> dict[str, list]:
    try:
        return json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _stamp(path: Path, checksum: str) -> list:
    status = path.stat()
    return [checksum, status.st_size, status.st_mtime_ns]
