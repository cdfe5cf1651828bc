"""Solutions over several cells, from {solution-start} to {solution-end}: prose folded, code as closed forms."""

import re
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from aibook.editions.colab.markup import fold
from aibook.editions.colab.parsing import FlattenError

if TYPE_CHECKING:
    from aibook.editions.colab.flatten import Page

# Marks in flattened text, from Unicode's private area, that `Solutions.prose` turns into folds.
END = "\ue001"
_MARK = re.compile("\ue000(.*?)\ue000|(\ue001)")


def start(label: str) -> str:
    """The mark at which the solution to an exercise begins."""
    return f"\ue000{label}\ue000"


def title(label: str, page: "Page") -> str:
    """`Solution to exercise 2`."""
    return page.words["solution_to"].format(page.library.target(label).number)


class Solutions:
    """Follows a notebook cell by cell and knows whether a solution is open."""

    def __init__(self, page: "Page") -> None:
        self._page = page
        self._title = ""

    def prose(self, text: str) -> str:
        """A Markdown cell's flattened text, with what belongs to a solution folded."""
        parts, position = [], 0
        for mark in [*_MARK.finditer(text), None]:
            part = text[position : mark.start() if mark else len(text)].strip("\n")
            if part.strip():
                parts.append(fold(self._title, part) if self._title else part)
            if mark is None:
                break
            position = mark.end()
            if mark[2] and not self._title:
                raise FlattenError("a {solution-end} without a {solution-start}")
            if mark[1] is not None and self._title:
                raise FlattenError("a {solution-start} inside another solution")
            self._title = "" if mark[2] else title(mark[1], self._page)
        return "\n\n".join(parts)

    def code(self, cell: NotebookNode) -> None:
        """Close a code cell that belongs to a solution."""
        if self._title:
            close(cell, self._title)

    def finish(self) -> None:
        """Raises FlattenError when a solution is still open at the notebook's end."""
        if self._title:
            raise FlattenError("a {solution-start} without a {solution-end}")


def close(cell: NotebookNode, title: str) -> None:
    """Make a code cell a form that shows only its title; its code stays as it is, apart from a comment before it."""
    if not cell.source.startswith("%%"):
        cell.source = f"#@title {title}\n{cell.source}"
    cell.metadata["cellView"] = "form"
    cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
