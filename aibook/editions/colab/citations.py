"""Citations as author–year links, from `book/references.bib`."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from pybtex.backends.plaintext import Backend
from pybtex.database import Entry, parse_file
from pybtex.richtext import Text

from aibook import house
from aibook.editions.colab.parsing import FlattenError
from aibook.editions.colab.words import WORDS


@cache
def entries(path: Path) -> dict[str, Entry]:
    """References of a BibTeX file by key."""
    return dict(parse_file(path).entries)


def textual(keys: Sequence[str], language: str) -> str:
    """`He et al. (2016)`, linked."""
    return _cited(keys, language, WORDS[language]["by"])


def parenthetical(keys: Sequence[str], language: str) -> str:
    """`(He et al., 2016)`, linked."""
    return WORDS[language]["in"].format(_cited(keys, language, WORDS[language]["author_year"]))


def bibliography(keys: Iterable[str], language: str) -> str:
    """A list of works: authors, year, title, where it appeared, sorted by author and year."""
    lines = []
    for key in sorted(set(keys), key=lambda key: (_names(_entry(key), "en").lower(), _year(_entry(key), "en"))):
        entry = _entry(key)
        people = ", ".join(_full_name(person) for person in entry.persons.get("author", []))
        venue = next((entry.fields[name] for name in ("journal", "booktitle", "publisher") if name in entry.fields), "")
        title = _linked(f"*{_plain(entry.fields['title'])}*", key, language)
        lines.append(f"- {people} ({_year(entry, language)}). {title}." + (f" {_plain(venue)}." if venue else ""))
    return "\n".join(lines)


def url(key: str, language: str) -> str:
    """Where a work can be read; its place on the book's references page when that is not known."""
    from aibook.site.editions import page_url

    fields = _entry(key).fields
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return fields.get("url") or page_url(language, "book/references")


def _entry(key: str) -> Entry:
    works = entries(house.BOOK / "references.bib")
    if key not in works:
        raise FlattenError(f"book/references.bib has no entry `{key}`")
    return works[key]


def _cited(keys: Sequence[str], language: str, form: str) -> str:
    texts = [form.format(_names(_entry(key), language), _year(_entry(key), language)) for key in keys]
    return WORDS[language]["between"].join(map(_linked, texts, keys, [language] * len(texts)))


def _linked(text: str, key: str, language: str) -> str:
    address = url(key, language)
    return f"[{text}](<{address}>)" if re.search(r"[()\s]", address) else f"[{text}]({address})"


def _year(entry: Entry, language: str) -> str:
    return entry.fields.get("year") or WORDS[language]["undated"]


def _names(entry: Entry, language: str) -> str:
    words = WORDS[language]
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [_plain(" ".join(person.prelast_names + person.last_names)) for person in people]
    if not names:
        return _plain(entry.fields.get("organization") or entry.fields.get("title") or entry.key)
    if len(names) > 2:
        return words["et_al"].format(names[0])
    return words["and"].format(*names) if len(names) == 2 else names[0]


def _full_name(person) -> str:
    given = " ".join(f"{name[0]}." for name in map(_plain, person.first_names + person.middle_names) if name)
    return " ".join(filter(None, [given, _plain(" ".join(person.prelast_names + person.last_names))]))


@cache
def _plain(latex: str) -> str:
    """LaTeX of a bibliography entry as text."""
    return Text.from_latex(latex).render(Backend())  # `render_as("text")` reads every package's metadata each time
