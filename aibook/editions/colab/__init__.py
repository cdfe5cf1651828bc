"""The Colab edition of the notebooks: MyST flattened to what Colab shows, code cells as they are."""

import tempfile
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from aibook import house
from aibook.editions.colab.leftovers import leftovers
from aibook.editions.colab.library import Library
from aibook.editions.colab.notebook import flattened
from aibook.editions.colab.parsing import FlattenError

__all__ = ["FlattenError", "edition", "leftovers", "write"]


def write(language: str, destination: Path) -> list[Path]:
    """Write the Colab edition of every notebook below `destination`, labs as students get them; the files written.

    Raises FlattenError, naming notebook, cell and construct, where something has no form in Colab.
    """
    written = []
    with tempfile.TemporaryDirectory() as folder:
        root = _tree(language, Path(folder)).resolve()
        library = Library.read(root, language)
        for path in house.notebooks([root / "notebooks"]):
            target = destination / path.relative_to(root / "notebooks")
            target.parent.mkdir(parents=True, exist_ok=True)
            node = flattened(_source(path), path, library)
            nbformat.write(node, target)
            written.append(target)
    return written


def edition(node: NotebookNode, language: str, path: Path) -> NotebookNode:
    """The Colab edition of one notebook, already in `language`; `path` is its place below the repository's root."""
    return flattened(node, house.ROOT / path, _library(language))


@cache
def _library(language: str) -> Library:
    with tempfile.TemporaryDirectory() as folder:
        library = Library.read(_tree(language, Path(folder)), language)
    library.root = house.ROOT
    return library


def _tree(language: str, folder: Path) -> Path:
    """Root of the book's sources in a language; translated ones are written to `folder`."""
    if language == "en":
        return house.ROOT
    from aibook.translate import tree

    tree.write(language, folder)
    return folder


def _source(path: Path) -> NotebookNode:
    """A notebook as readers get it: of a lab, the student version."""
    node = nbformat.read(path, as_version=4)
    if path.parent.name != "labs":
        return node
    from aibook.labs.release import release_node

    return release_node(node)
