"""The People's Daily of January 1998, cut into words and tagged by hand (Yu, Duan & Zhu 2002)."""

from functools import cache

from helpers.data import fetch

Tagged = list[tuple[str, str]]  # words with their tags


@cache
def sentences() -> tuple[Tagged, ...]:
    """Its lines as lists of (word, tag), in the paper's order; digits and letters as in print (full width)."""
    text = (fetch("peoples-daily") / "199801.txt").read_text(encoding="utf-8")
    lines = ([_pair(token) for token in line.split()] for line in text.splitlines())
    return tuple(line for line in lines if line)


def _pair(token: str) -> tuple[str, str]:
    word, slash, tag = token.rpartition("/")
    return (word, tag) if slash else (tag, "w")
