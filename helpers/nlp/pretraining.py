"""Raw Chinese text made ready for BERT's two exercises: cut into windows of whole clauses."""

from __future__ import annotations

import re
from collections.abc import Iterable

from helpers.nlp.texts import characters

CLAUSE = re.compile(r"[^，。！？；,!?;]+[，。！？；,!?;]*")


def clauses(text: str) -> list[str]:
    """Pieces of a text that end in a comma, a full stop or the like: "好看，很喜欢！" → 好看， 很喜欢！"""
    return [found for found in (part.strip() for part in CLAUSE.findall(text)) if found]


def windows(texts: Iterable[str], most: int) -> list[list[list[str]]]:
    """Windows of at least two neighbouring clauses of one text, at most `most` characters together.

    Each clause is a list of characters; one longer than half a window is cut off there, so that two always fit. A text
    of a single clause gives nothing, and what is left over of a text, if it is one clause, is dropped.

    Raises ValueError for `most` below 2.
    """
    if most < 2:
        raise ValueError(f"a window holds at least 2 characters, not {most}")
    found = []
    for text in texts:
        window: list[list[str]] = []
        for clause in (characters(one)[: most // 2] for one in clauses(text)):
            if sum(map(len, window)) + len(clause) > most:
                found.append(window)
                window = []
            window.append(clause)
        found.append(window)
    return [window for window in found if len(window) > 1]
