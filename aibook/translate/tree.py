"""Write the book's sources in one language into a folder, from which the site and the editions are built."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from aibook import house
from aibook.translate import sources
from aibook.translate.catalog import Catalog
from aibook.translate.markdown import Document

if TYPE_CHECKING:
    from nbformat import NotebookNode

SOURCE = "en"
LANGUAGES = {"zh_CN": "zh-CN"}  # language of a catalog → the tag that HTML uses
SHOWN = 12


class UntranslatedError(Exception):
    """Texts have no valid translation; lists them and says what to do."""

    def __init__(self, missing: list[tuple[str, str]], language: str):
        lines = [f"  {location}: {text[:80]!r}" for location, text in missing[:SHOWN]]
        if len(missing) > SHOWN:
            lines.append(f"  … and {len(missing) - SHOWN} more")
        super().__init__(
            f"{len(missing)} texts have no translation into {language}, or an outdated one:\n" + "\n".join(lines) + "\n"
            f"Run `aibook translate`, fill in book/locale/{language}, and check it with `aibook translate --check`."
        )


def write(language: str, destination: Path, *, root: Path | None = None) -> None:
    """Write the sources of the site (`_config.yml`, `_toc.yml`, `book/`, `notebooks/`) in `language`.

    `en` is a plain copy; `zh_CN` has its texts translated, its code cells and outputs as they are. A file that would
    not change is not written, so that what is built from the tree can see what changed; a file that is gone from the
    source goes from `destination/book` and `destination/notebooks`. Raises UntranslatedError.
    """
    root = root or house.ROOT
    contents = {path: (root / path).read_bytes() for path in _files(root)}
    if language != SOURCE:
        missing: list[tuple[str, str]] = []
        for path in sources.files(root):
            text = _translated(root, path, language, missing)
            contents[path] = (text if isinstance(text, str) else _notebook_text(text)).encode("utf-8")
        if missing:
            raise UntranslatedError(missing, language)
    for folder in ("book", "notebooks"):
        for path in (destination / folder).rglob("*"):
            if path.is_file() and path.relative_to(destination) not in contents:
                path.unlink()
    for path, content in contents.items():
        target = destination / path
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def translated(path: Path, language: str = "zh_CN", *, root: Path | None = None) -> "NotebookNode":
    """A notebook of the book in another language. Raises UntranslatedError."""
    import nbformat

    root = root or house.ROOT
    missing: list[tuple[str, str]] = []
    node = _translated(root, Path(path).resolve().relative_to(root.resolve()), language, missing)
    if missing:
        raise UntranslatedError(missing, language)
    return nbformat.reads(json.dumps(node), as_version=nbformat.NO_CONVERT)


def _translated(root: Path, path: Path, language: str, missing: list[tuple[str, str]]) -> str | dict:
    catalog = Catalog(root / sources.catalog_path(path, language))

    def visit(cell: str, document: Document) -> str:
        def translate(unit):
            place = sources.place(path, cell, unit)
            text = catalog.translation(place)
            if text is None:
                missing.append((place.location, unit.text))
            return text or unit.text

        return document.rewrite(translate)

    result = sources.rewrite(root, path, visit)
    if isinstance(result, dict):
        result["metadata"]["language"] = LANGUAGES[language]
    return result


def _notebook_text(node: dict) -> str:
    for cell in node["cells"]:
        if isinstance(cell["source"], str):
            cell["source"] = cell["source"].splitlines(keepends=True)
    return json.dumps(node, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _files(root: Path) -> list[Path]:
    """Every file of the tree, relative to `root`: what is translated, and what stands beside it."""
    found = [path for name in ("_config.yml", "_toc.yml") if (path := root / name).is_file()]
    for folder in ("book", "notebooks"):
        found += [path for path in sorted((root / folder).rglob("*")) if path.is_file()]
    relative = [path.relative_to(root) for path in found]
    return [path for path in relative if sources.is_source(path)]
