"""The Brown corpus (Francis & Kučera 1964): a million words of American English of 1961 in fifteen genres, tagged."""

import re
import tarfile
from functools import cache

from helpers.data import fetch

Tagged = list[tuple[str, str]]  # words with their tags
GENRES = dict(zip("abcdefghjklmnpr", (
    "news", "editorial", "reviews", "religion", "hobbies", "lore", "belles_lettres", "government", "learned",
    "fiction", "mystery", "science_fiction", "adventure", "romance", "humor",
), strict=True))  # fmt: skip


@cache
def sentences(genre: str | None = None) -> tuple[Tagged, ...]:
    """Its sentences as lists of (word, tag), in order; of one genre, or of all.

    Raises ValueError for an unknown genre.
    """
    if genre is not None and genre not in GENRES.values():
        raise ValueError(f"no genre of the Brown corpus is called {genre!r}; there are: {', '.join(GENRES.values())}")
    return tuple(sentence for kind, found in _all() if genre in (None, kind) for sentence in found)


@cache
def _all() -> tuple[tuple[str, tuple[Tagged, ...]], ...]:
    (archive,) = fetch("brown-corpus").glob("*.tgz")
    with tarfile.open(archive) as box:
        texts = {
            name[1]: []
            for name in sorted(member.name.rpartition("/")[2] for member in box)
            if re.fullmatch(r"c[a-r]\d\d", name)
        }
        for member in sorted(box.getmembers(), key=lambda member: member.name):
            name = member.name.rpartition("/")[2]
            if re.fullmatch(r"c[a-r]\d\d", name):
                texts[name[1]] += _read(box.extractfile(member).read().decode("latin-1"))
    return tuple((GENRES[letter], tuple(found)) for letter, found in texts.items())


def _read(text: str) -> list[Tagged]:
    lines = ([token.rpartition("/") for token in line.split()] for line in text.splitlines())
    return [[(word, tag) for word, _, tag in line] for line in lines if line]
