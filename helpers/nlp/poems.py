"""Tang poems made ready for a language model: strict forms only, split by poem, and how strict a new poem is."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from helpers.data import tang_poems

FORMS = ((5, 4), (7, 4), (5, 8), (7, 8))  # characters in a verse, verses
VERSE = re.compile(r"([\u4e00-\u9fff]+)[，。？！；：、]")


def load(valid: int = 500, seed: int = 0) -> tuple[list[str], list[str]]:
    """Poems of the four strict forms as strings, such as 床前明月光，疑是地上霜。…: `(train, valid)`, drawn by `seed`.

    A poem half of whose verses or more stand in the validation poems is a variant of one of them, and not trained on.
    Raises ValueError when `valid` leaves nothing to train on.
    """
    poems = ["".join(poem.lines) for form in FORMS for poem in tang_poems.regulated(*form)]
    if not 0 < valid < len(poems):
        raise ValueError(f"{valid} of {len(poems):,} poems cannot be kept for validation")
    order = np.random.default_rng(seed).permutation(len(poems))
    kept = [poems[i] for i in order[:valid]]
    seen = {verse for poem in kept for verse in verses(poem)}
    return [poems[i] for i in order[valid:] if copied([poems[i]], seen) < 0.5], kept


def verses(poem: str) -> list[str]:
    """A poem's verses without their punctuation; what follows the last mark of punctuation is no verse."""
    return VERSE.findall(poem)


def form(poem: str) -> tuple[int, int] | None:
    """The strict form (characters in a verse, verses) of a whole poem, one of `FORMS`; None if it has none of them."""
    found = verses(poem)
    lengths = {len(verse) for verse in found}
    if len(lengths) != 1 or VERSE.sub("", poem):
        return None
    this = (lengths.pop(), len(found))
    return this if this in FORMS else None


def copied(poems: Iterable[str], known: set[str]) -> float:
    """The share, in [0, 1], of all verses of `poems` that stand word for word in `known`; 0 without verses."""
    found = [verse for poem in poems for verse in verses(poem)]
    return sum(verse in known for verse in found) / len(found) if found else 0.0
