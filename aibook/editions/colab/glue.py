"""Numbers that the text takes from a notebook's records: what MyST-NB's `glue` roles show on the site."""

from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode

from aibook.editions.colab.parsing import FlattenError

if TYPE_CHECKING:
    from aibook.editions.colab.flatten import Page


def text(content: str, page: "Page") -> str:
    """A glued number in its format, such as `test_accuracy:.1f`; `x.ipynb::name:.1f` takes it from a notebook."""
    from myst_nb.core.variables import format_plain_text

    key, colon, form = content.rpartition(":")
    if not colon or key.endswith(":"):
        key, form = content, "s"
    kept = _kept(key, "text/plain", page)
    try:
        return format_plain_text(kept, form)
    except ValueError as error:
        raise FlattenError(f"`{key}` is {kept!r}, which the format `{form}` does not fit: {error}") from None


def markdown(content: str, page: "Page") -> str:
    """Glued Markdown."""
    return page.flatten(_kept(content.removesuffix(":commonmark"), "text/markdown", page))


def math(content: str, page: "Page") -> str:
    """Glued TeX, inline."""
    return f"${_kept(content, 'text/latex', page).strip().strip('$')}$"


def _kept(key: str, mime: str, page: "Page") -> str:
    """What the outputs of a notebook keep under a name, as `mime`."""
    document, _, name = key.rpartition("::")
    found = _glued(_notebook(document, page) if document else page.node).get(name)
    if found is None:
        raise FlattenError(f"no output of the notebook is glued as `{name}`; execute it with `aibook run`")
    if mime not in found:
        raise FlattenError(f"`{name}` has no {mime}")
    value = found[mime]
    return value if isinstance(value, str) else "".join(value)


def _notebook(document: str, page: "Page") -> NotebookNode:
    path = page.library.file(document, page.name)
    if not path:
        raise FlattenError(f"there is no notebook `{document}`")
    return nbformat.read(path, as_version=4)


def _glued(node: NotebookNode) -> dict[str, dict]:
    """Data of every glued output by name; keys are mime types without glue's prefix."""
    found = {}
    for cell in node.cells:
        for output in cell.get("outputs", []):
            kept = output.get("metadata", {}).get("scrapbook")
            if kept:
                prefix = kept.get("mime_prefix") or ""
                found[kept["name"]] = {mime.removeprefix(prefix): data for mime, data in output.data.items()}
    return found
