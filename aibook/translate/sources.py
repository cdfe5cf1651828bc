"""What is translated: the pages, the notebooks, and the titles in `_toc.yml` and `_config.yml`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from aibook.translate.catalog import Place
from aibook.translate.inline import has_text
from aibook.translate.markdown import Document, MarkupError, Unit, parse, read, scalar

# Keys of the YAML files whose values are text, by their path; in `_toc.yml` these keys anywhere.
CONFIG_TEXT = {("title",), ("author",), ("copyright",), ("html", "announcement"), ("html", "extra_footer")}
TOC_TEXT = frozenset({"title", "caption"})

# Called with the place of a text (a cell, or nothing where the file is one text) and the text taken apart.
Visit = Callable[[str, Document], str]


class SourceError(ValueError):
    """A source that cannot be taken apart; says the file, the cell and the line."""


def files(root: Path) -> list[Path]:
    """Every file that is translated, relative to `root`, in the order in which a translator would take them."""
    yamls = [path for name in ("_config.yml", "_toc.yml") if (path := root / name).is_file()]
    pages = sorted((root / "book").rglob("*.md"))
    notebooks = sorted((root / "notebooks").rglob("*.ipynb"))
    relative = [path.relative_to(root) for path in [*yamls, *pages, *notebooks]]
    return [path for path in relative if is_source(path)]


def is_source(path: Path) -> bool:
    """Whether a file, relative to the root, is the book's own: no catalog, nothing hidden, nothing that Python left."""
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return not hidden and path.parts[:2] != ("book", "locale")


def catalog_path(path: Path, language: str) -> Path:
    """Where the translations of a source file are kept, both relative to the root."""
    return (Path("book/locale") / language / path).with_suffix(".po")


def rewrite(root: Path, path: Path, visit: Visit) -> str | dict:
    """The source file with each of its texts as `visit` returns it: a string, or the JSON of a notebook.

    Raises SourceError.
    """
    content = (root / path).read_bytes().decode("utf-8")
    if path.suffix == ".ipynb":
        try:
            node = json.loads(content)
        except json.JSONDecodeError as error:
            raise SourceError(f"{path}: {error}") from error
        for cell in node["cells"]:
            _cell(cell, path, visit)
        return node
    return _visited(visit, path, "", _yaml if path.suffix in (".yml", ".yaml") else parse, content)


def places(root: Path, path: Path) -> list[Place]:
    """Every unit of a source file with its location."""
    return [place for _, found in documents(root, path) for place in found]


def documents(root: Path, path: Path) -> list[tuple[Document, list[Place]]]:
    """Every text of a source file (a page, a cell, a caption), with the places of its units."""
    found: list[tuple[Document, list[Place]]] = []

    def visit(cell: str, document: Document) -> str:
        found.append((document, [place(path, cell, unit) for unit in document.units]))
        return document.source

    rewrite(root, path, visit)
    return found


def place(path: Path, cell: str, unit: Unit) -> Place:
    """A unit's location: its cell in a notebook, the heading above it in a page."""
    return Place("#".join(filter(None, [path.as_posix(), cell or unit.section])), unit)


def _cell(cell: dict, path: Path, visit: Visit) -> None:
    name = cell.get("id", "")
    if cell["cell_type"] == "markdown":
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        cell["source"] = _visited(visit, path, name, parse, source)
    shown = cell.get("metadata", {}).get("mystnb", {})
    if caption := shown.get("figure", {}).get("caption"):
        shown["figure"]["caption"] = _visited(visit, path, name, parse, caption)
    if alt := shown.get("image", {}).get("alt"):
        shown["image"]["alt"] = _visited(visit, path, name, _plain, alt)


def _visited(visit: Visit, path: Path, cell: str, reader: Callable[[str], Document], source: str) -> str:
    try:
        document = reader(source)
    except (MarkupError, yaml.YAMLError) as error:
        raise SourceError(f"{path}{f', cell {cell}' if cell else ''}, {error}") from error
    return visit(cell, document)


def _plain(source: str) -> Document:
    text = " ".join(source.split())
    return Document(source, [Unit(text, "alt text", 0, 0, len(source))], [], {}, _plain)


def _yaml(source: str) -> Document:
    """The titles in a YAML file: the values of the keys above."""
    units, skeleton = [], []
    for keys, node in _scalars(yaml.compose(source)):
        skeleton.append((node.start_mark.line, ".".join(keys)))
        text = node.value.strip()
        if (keys in CONFIG_TEXT or keys[-1] in TOC_TEXT) and has_text(read(text, keys[-1], {})):
            start, end = node.start_mark.index, node.end_mark.index
            end -= len(source[start:end]) - len(source[start:end].rstrip())
            units.append(Unit(text, keys[-1], node.start_mark.line, start, end, encode=scalar))
    return Document(source, units, skeleton, {}, _yaml)


def _scalars(node: yaml.Node | None, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*keys, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _scalars(value, keys)
    elif isinstance(node, yaml.ScalarNode) and keys:
        yield keys, node
