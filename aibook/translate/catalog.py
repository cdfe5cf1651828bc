"""The catalogs: one PO file for each source file, brought up to date without losing a translation."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import polib

from aibook.translate.markdown import Unit

WIDTH = 0  # never wrapped: a wrapped catalog splits addresses at their hyphens, and cannot be searched
CLOSE = 0.6  # similarity from which an old translation is offered for a changed text
KEEP = "keep"


@dataclass(frozen=True)
class Place:
    """A unit and where it stands, as `notebooks/cv/01-image-recognition.ipynb#cell` or `book/intro.md#heading`."""

    location: str
    unit: Unit


class CatalogError(ValueError):
    """A catalog that cannot be read; says which, and where."""


class Catalog:
    """The translations of one source file. Raises CatalogError."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8") if path.is_file() else ""
            self.po = polib.pofile(self.text, wrapwidth=WIDTH) if self.text else polib.POFile(wrapwidth=WIDTH)
        except (OSError, UnicodeDecodeError) as error:
            raise CatalogError(f"{path}: {error}") from error
        self._entries = {(entry.msgctxt, entry.msgid): entry for entry in self.po if not entry.obsolete}

    def entry(self, place: Place) -> polib.POEntry | None:
        """The entry of a unit; one whose context is the unit's location comes first."""
        text = place.unit.text
        return self._entries.get((place.location, text)) or self._entries.get((None, text))

    def translation(self, place: Place) -> str | None:
        """The valid translation of a unit."""
        entry = self.entry(place)
        return entry.msgstr if entry is not None and entry.msgstr and not entry.fuzzy else None

    def keeps(self, place: Place) -> bool:
        """Whether the translator says that the text stays in English."""
        entry = self.entry(place)
        return entry is not None and entry.tcomment.startswith(KEEP)

    def update(self, places: Iterable[Place], language: str) -> str:
        """The catalog's text for these units: new ones empty, changed ones fuzzy, vanished ones obsolete."""
        places = list(places)
        texts = {place.unit.text for place in places}
        old = {(entry.msgctxt, entry.msgid): entry for entry in [*self.po.obsolete_entries(), *self._entries.values()]}
        locations = {(place.location, place.unit.text) for place in places}
        fresh: dict[tuple[str | None, str], polib.POEntry] = {}
        for place in places:
            for key in ((None, place.unit.text), (place.location, place.unit.text)):
                if key[0] is None or key in old:
                    entry = fresh.setdefault(key, _entry(key, place.unit.kind, old.get(key)))
                    if (place.location, "") not in entry.occurrences:
                        entry.occurrences.append((place.location, ""))
        spare = {
            key: entry
            for key, entry in old.items()
            if entry.msgstr and (key not in locations if key[0] else key[1] not in texts)
        }
        for key, entry in fresh.items():
            if key not in old and spare and (source := _closest(entry.msgid, spare)):
                was = spare.pop(source)
                entry.msgstr = was.msgstr
                entry.previous_msgid = was.previous_msgid if was.fuzzy and was.previous_msgid else was.msgid
                entry.tcomment = was.tcomment
                entry.flags = ["fuzzy"]
        return _render(fresh.values(), spare.values(), language)


def _entry(key: tuple[str | None, str], kind: str, old: polib.POEntry | None) -> polib.POEntry:
    entry = polib.POEntry(msgctxt=key[0], msgid=key[1], comment=kind)
    if old is not None:
        entry.msgstr, entry.tcomment, entry.flags = old.msgstr, old.tcomment, sorted(set(old.flags))
        entry.previous_msgid = old.previous_msgid if old.fuzzy else None
    return entry


def _closest(text: str, spare: dict[tuple[str | None, str], polib.POEntry]) -> tuple[str | None, str] | None:
    best, score = None, CLOSE
    matcher = SequenceMatcher(b=text, autojunk=False)
    for key, entry in spare.items():
        matcher.set_seq1(entry.msgid)
        if matcher.real_quick_ratio() >= score and matcher.quick_ratio() >= score and matcher.ratio() >= score:
            best, score = key, matcher.ratio()
    return best


def _render(entries: Iterable[polib.POEntry], spare: Iterable[polib.POEntry], language: str) -> str:
    po = polib.POFile(wrapwidth=WIDTH)
    po.metadata = {
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    po.extend(entries)
    for entry in sorted(spare, key=lambda entry: entry.msgid):
        po.append(polib.POEntry(msgctxt=entry.msgctxt, msgid=entry.msgid, msgstr=entry.msgstr, obsolete=True))
    return f"{po}\n"
