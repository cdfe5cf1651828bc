"""A notebook of the book as Colab opens it."""

from copy import deepcopy
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from aibook.editions import setup_cell
from aibook.editions.colab.directives import figure_caption
from aibook.editions.colab.flatten import Page
from aibook.editions.colab.leftovers import leftovers
from aibook.editions.colab.library import Library
from aibook.editions.colab.parsing import FlattenError
from aibook.editions.colab.solutions import Solutions, close

# Jupyter Book's tags for cells whose code is hidden on the site: here they are closed forms, so that they still run.
_HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
_SILENT = {"remove-output", "remove-cell"}
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def flattened(node: NotebookNode, path: Path, library: Library) -> NotebookNode:
    """The Colab edition of a notebook; `node` itself stays as it is.

    Raises FlattenError, naming cell and construct, where the text holds something that has no form in Colab.
    """
    node = deepcopy(node)
    page = Page(node, path, library)
    solutions = Solutions(page)
    cells = [_badge(page)]
    for index, cell in enumerate(node.cells):
        with page.at(f"cell {index}"):
            cells += _markdown(cell, page, solutions) if cell.cell_type == "markdown" else _code(cell, page, solutions)
    with page.at("last cell"):
        solutions.finish()
    node.cells = cells
    if left := leftovers(node):
        raise FlattenError(f"{page.name}: Colab would show as it is written: {'; '.join(left)}")
    setup_cell.refresh(node)
    node.metadata.pop("aibook", None)
    node.metadata["colab"] = {"provenance": [], "toc_visible": True}
    node.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    return node


def _markdown(cell: NotebookNode, page: Page, solutions: Solutions) -> list[NotebookNode]:
    if "remove-cell" in cell.metadata.get("tags", []):
        return []
    cell.source = solutions.prose(page.flatten(cell.source))
    return [cell] if cell.source.strip() else []


def _code(cell: NotebookNode, page: Page, solutions: Solutions) -> list[NotebookNode]:
    if cell.cell_type != "code":
        return [cell]
    tags = set(cell.metadata.get("tags", []))
    solutions.code(cell)
    if "cellView" not in cell.metadata and tags & _HIDDEN and setup_cell.TAG not in tags:
        close(cell, page.words["code"])
    if tags & _SILENT:
        cell.outputs = []
    figure = cell.metadata.get("mystnb", {}).get("figure")
    if not figure:
        return [cell]
    caption = nbformat.v4.new_markdown_cell(figure_caption(figure.get("caption", ""), page))
    caption.id = f"{cell.id[:56]}-caption"
    return [cell, caption]


def _badge(page: Page) -> NotebookNode:
    """The cell at the top: opens this notebook in Colab, and leads to its page in the book."""
    from aibook.site.editions import colab_url, page_url

    notebook = PurePosixPath(page.name).relative_to("notebooks")
    badge = f"[![{page.words['open']}]({BADGE})]({colab_url(page.language, f'{notebook}.ipynb')})"
    cell = nbformat.v4.new_markdown_cell(f"{badge} · [{page.words['page']}]({page_url(page.language, page.name)})")
    cell.id = "open-in-colab"
    return cell
