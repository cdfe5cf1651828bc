"""The People's Daily without its punctuation: paragraphs, windows and passages of characters, each with its mark.

The mark of a character is the one that follows it: 0 for none, else 1 + its place in `MARKS`. Exclamation marks count
as full stops; quotation marks, brackets and titles' marks are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
import scipy.sparse as sp

from helpers.data import peoples_daily

MARKS = "，、。；：？"
NAMES = ("comma", "listing comma", "full stop", "semicolon", "colon", "question mark")
GAP = 100  # paragraphs left out between two parts: no article reaches across

Marked = tuple[list[str], list[int]]  # characters, and the mark behind each


def unpunctuated(words: Sequence[tuple[str, str]]) -> Marked:
    """Characters of a tagged line and the mark behind each; the first counts where several stand together."""
    characters: list[str] = []
    marks: list[int] = []
    for word, tag in words:
        for character in word.replace("！", "。"):
            if character in MARKS:
                if marks and not marks[-1]:
                    marks[-1] = 1 + MARKS.index(character)
            elif tag != "w":
                characters.append(character)
                marks.append(0)
    return characters, marks


def written(characters: Sequence[str], marks: Sequence[int]) -> str:
    """The text with its marks. Raises ValueError for different lengths."""
    return "".join(c + (MARKS[m - 1] if m else "") for c, m in zip(characters, marks, strict=True))


@cache
def _all() -> list[Marked]:
    lines = (unpunctuated(line) for line in peoples_daily.sentences() if ("。", "w") in line)
    return list({"".join(line[0]): line for line in lines if len(line[0]) >= 20}.values())


def paragraphs(part: Literal["train", "validation", "test"]) -> list[Marked]:
    """Paragraphs of 20 characters or more with a full stop, none of them twice, in the paper's order.

    The parts are consecutive blocks (85, 5 and 10 %) with `GAP` paragraphs left out between them.
    """
    if part not in ("train", "validation", "test"):
        raise ValueError(f"part is 'train', 'validation' or 'test', not {part!r}")
    lines = _all()
    first, second = int(0.85 * len(lines)), int(0.9 * len(lines))
    bounds = {"train": (0, first - GAP), "validation": (first, second - GAP), "test": (second, len(lines))}
    return lines[slice(*bounds[part])]


def windows(lines: Sequence[Marked], length: int) -> tuple[list[list[str]], np.ndarray]:
    """Paragraphs run together and cut into windows of `length` characters: N lists, and marks (N, length), int64."""
    characters = [c for line in lines for c in line[0]]
    marks = np.array([m for line in lines for m in line[1]], dtype=np.int64)
    n = len(characters) // length
    if not n:
        raise ValueError(f"{len(characters)} characters do not fill one window of {length}")
    return [characters[i * length : (i + 1) * length] for i in range(n)], marks[: n * length].reshape(n, length)


def passages(lines: Sequence[Marked], shortest: int, longest: int) -> list[Marked]:
    """Stretches of whole clauses, `shortest` to `longest` characters with a mark inside, each text once.

    From each clause on, as many clauses as fit are taken; what is taken is not taken again. The mark at the end of a
    passage is left off.
    """
    found: dict[str, Marked] = {}
    for characters, marks in lines:
        stops = [0, *(i for i, mark in enumerate(marks, 1) if mark)]
        start = 0
        for stop, following in zip(stops[1:], [*stops[2:], len(characters) + longest + 1], strict=True):
            if following - start <= longest:
                continue
            text, inside = characters[start:stop], [*marks[start : stop - 1], 0]
            if shortest <= len(text) <= longest and any(inside):
                found.setdefault("".join(text), (text, inside))
            start = stop
    return list(found.values())


def ngrams(ids: np.ndarray, buckets: int = 2**18) -> sp.csr_matrix:
    """For each character of ids (N, T): which 1-, 2- and 3-grams stand within two characters of it, hashed.

    Shape (N · T, buckets), twelve ones a row. Windows follow each other, so that a neighbour may come from the next.
    """
    x = np.pad(np.asarray(ids).reshape(-1), 2)
    n = x.size - 4
    near = [x[i : i + n].astype(np.uint64) for i in range(5)]  # near[2] is the character itself
    columns = [_hashed(near, start, start + size) for size in (1, 2, 3) for start in range(6 - size)]
    flat = (np.stack(columns, axis=1).reshape(-1) % np.uint64(buckets)).astype(np.int32)
    rows = np.arange(0, flat.size + 1, len(columns))
    return sp.csr_matrix((np.ones(flat.size, np.float32), flat, rows), shape=(n, buckets))


def _hashed(near: list[np.ndarray], start: int, stop: int) -> np.ndarray:
    value = np.full(near[0].shape, 31 * start + stop, np.uint64)
    for part in near[start:stop]:
        value = ((value * np.uint64(1_000_003)) ^ part) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
    return value
