"""The book's glossary as a list of terms: the Chinese that each English term has in this book."""

import re
from pathlib import Path

from aibook.translate.inline import MARK, OBJECT
from aibook.translate.markdown import parse, read, split_row
from aibook.translate.typography import has_chinese

BRACKETS = re.compile(r"（[^）]*）|\([^)]*\)")

ENUMERATION = re.compile(r",.* and ")


def terms(root: Path) -> dict[str, list[str]]:
    """English term → its Chinese, from the tables `English | 中文 | …` of `book/glossary.md`.

    A cell may list several, divided by commas, slashes or 、, of which any will do. What stands in brackets is not the
    book's own choice, and `training, validation and test set` is no list of terms.
    """
    path = root / "book/glossary.md"
    found: dict[str, list[str]] = {}
    if not path.is_file():
        return found
    document = parse(path.read_text(encoding="utf-8"))
    for unit in document.units:
        if unit.kind == "table row":
            english, chinese, *_ = [*split_row(read(unit.text, unit.kind, document.env).words), "", ""]
            if has_chinese(chinese) and english.strip().lower() != "english" and not ENUMERATION.search(english):
                for term in _split(english):
                    found[term] = _split(chinese)
    return found


def _split(cell: str) -> list[str]:
    cell = BRACKETS.sub("", cell.replace(OBJECT, "").replace(MARK, ""))
    return [term for part in re.split(r"[,，、;；/]", cell) if (term := part.strip())]
