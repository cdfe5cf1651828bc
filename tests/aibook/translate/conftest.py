"""A small book with everything in it that a translation meets."""

import json
from pathlib import Path

import polib
import pytest

PAGE = """\
# A page

Two lines
of one paragraph, with $x^2$.
"""


def notebook(*cells: dict) -> dict:
    kernel = {"name": "python3", "display_name": "Python 3"}
    return {"cells": list(cells), "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def markdown_cell(name: str, source: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source.splitlines(keepends=True)}


def code_cell(name: str, source: str, outputs: list | None = None, **metadata) -> dict:
    return {
        "cell_type": "code",
        "execution_count": 1,
        "id": name,
        "metadata": metadata,
        "outputs": outputs or [],
        "source": source.splitlines(keepends=True),
    }


class Book:
    """A book in a folder, and its Chinese catalogs."""

    def __init__(self, root: Path):
        self.root = root

    def add(self, path: str, content: str | dict) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content, indent=1) + "\n"
        target.write_bytes(text.encode("utf-8"))

    def catalog(self, path: str) -> Path:
        return self.root / "book/locale/zh_CN" / path

    def translate(self, path: str, translations: dict[str, str]) -> None:
        """Fill in the catalog; what it has not is an error of the test."""
        po = polib.pofile(str(self.catalog(path)))
        for text, chinese in translations.items():
            entry = po.find(text)
            assert entry is not None, f"{text!r} is no unit of {path}: {[e.msgid for e in po]}"
            entry.msgstr = chinese
        po.save()

    def catalogs(self) -> dict[str, bytes]:
        folder = self.root / "book/locale"
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.po")}


@pytest.fixture
def book(tmp_path):
    """Titles, one page, and one notebook with a figure and a table as outputs."""
    book = Book(tmp_path / "book")
    book.add("_config.yml", 'title: A book  # its name\nauthor: "Us: all of us"\nlogo: logo.svg\n')
    book.add("_toc.yml", "format: jb-book\nroot: book/page\nparts:\n  - caption: Start here\n    chapters: []\n")
    book.add("book/page.md", PAGE)
    book.add("book/_static/plain.css", "a { color: red }\n")
    figure = {"output_type": "display_data", "data": {"text/markdown": ["A table"]}, "metadata": {}}
    shown = {"figure": {"caption": "A curve of $x$.", "name": "curve"}, "image": {"alt": "A rising curve."}}
    book.add(
        "notebooks/cv/01-first.ipynb",
        notebook(
            markdown_cell("head", "# A chapter\n\nWe begin."),
            code_cell("code", "# a comment\nprint('a text')  ", [figure], tags=["display"], mystnb=shown),
        ),
    )
    return book


CHINESE = {
    "_config.po": {"A book": "一本书", "Us: all of us": "我们：大家"},
    "_toc.po": {"Start here": "从这里开始"},
    "book/page.po": {"A page": "一页", "Two lines of one paragraph, with $x^2$.": "一段话，其中有 $x^2$。"},
    "notebooks/cv/01-first.po": {
        "A chapter": "一章",
        "We begin.": "我们开始。",
        "A curve of $x$.": "$x$ 的曲线。",
        "A rising curve.": "一条上升的曲线。",
    },
}


@pytest.fixture
def translated_book(book):
    """The same, with all of it translated."""
    from aibook.translate.command import main

    main(root=book.root)
    for path, translations in CHINESE.items():
        book.translate(path, translations)
    assert main(root=book.root) == 0
    return book
