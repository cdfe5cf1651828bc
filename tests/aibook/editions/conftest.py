"""A small book: a chapter, another page, a picture, and a helper that flattens text as a cell of the chapter."""

import base64
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aibook.editions.colab.library import Library
from aibook.editions.colab.notebook import flattened

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
CHAPTER = Path("notebooks/cv/01-toy.ipynb")


def record(name: str, text: str):
    """An output as `helpers.records.record` leaves it."""
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix, "has_prefix": True}}
    return new_output("display_data", data={f"{prefix}text/plain": text}, metadata=metadata)


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """Call with cells to get the Colab edition of a notebook of them, in a small book around it."""
    tmp_path = tmp_path_factory.mktemp("book")

    def made(*cells, language="en"):
        node = new_notebook(cells=[new_markdown_cell("# A toy chapter"), *cells])
        for number, cell in enumerate(node.cells):
            cell.id = f"cell-{number}"
        (tmp_path / "notebooks/cv").mkdir(parents=True, exist_ok=True)
        (tmp_path / "notebooks/cv/pixel.png").write_bytes(PIXEL)
        (tmp_path / "book").mkdir(exist_ok=True)
        (tmp_path / "book/how-to-use.md").write_text("# How to use it\n\n(labs-section)=\n## The labs\n\nText.\n")
        nbformat.write(node, tmp_path / CHAPTER)
        return flattened(node, tmp_path / CHAPTER, Library.read(tmp_path, language))

    return made


@pytest.fixture(scope="session")
def flat(make):
    """Call with Markdown to get it flattened; a record `accuracy` of 93.256 stands before it."""

    def text(source, language="en"):
        code = new_code_cell("accuracy", outputs=[record("accuracy", "93.256"), record("count", "60000")])
        return "\n".join(cell.source for cell in make(code, new_markdown_cell(source), language=language).cells[3:])

    return text
