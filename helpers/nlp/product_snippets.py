"""English sentences of product reviews (Hu & Liu 2004), rated by people from -4 to 4 (Hutto & Gilbert 2014).

They come in the same archive as the film snippets. A customer's review was cut into sentences, so the split goes by
review: no review has sentences in two parts.
"""

from __future__ import annotations

import tarfile
from functools import cache
from typing import Literal

import numpy as np

from helpers.data import fetch
from helpers.data.labelled_texts import LabelledTexts
from helpers.data.movie_snippets import CLASSES, CLEAR

MEMBER = "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"
TEST = 0.4  # share of the reviews


def load(part: Literal["train", "test"] = "train") -> LabelledTexts:
    """Sentences with label 0 (mean rating ≤ -0.5) or 1 (≥ 0.5): about 1,650 for `train`, 1,050 for `test`.

    About two thirds are positive. Raises ValueError for another part.
    """
    if part not in _parts():
        raise ValueError(f"part is 'train' or 'test', not {part!r}")
    return _parts()[part]


def rated() -> tuple[list[str], np.ndarray, np.ndarray]:
    """All 3,708 sentences as published, their mean ratings (N,), float64, and the number of each one's review (N,)."""
    (archive,) = fetch("movie-snippets").glob("*.tar.gz")
    with tarfile.open(archive) as box:
        lines = box.extractfile(MEMBER).read().decode("utf-8").splitlines()
    rows = [line.split("\t", 2) for line in lines if line.strip()]
    reviews = np.array([int(name.split("_")[0]) for name, _, _ in rows])
    return [text.strip() for _, _, text in rows], np.array([float(rating) for _, rating, _ in rows]), reviews


@cache
def _parts() -> dict[str, LabelledTexts]:
    texts, ratings, reviews = rated()
    chosen: dict[str, tuple[int, int]] = {}
    for text, rating, review in zip(texts, ratings, reviews, strict=True):
        if abs(rating) >= CLEAR and text:
            chosen.setdefault(text, (int(rating > 0), int(review)))
    labels, of_review = (np.array(column) for column in zip(*chosen.values(), strict=True))
    data = LabelledTexts(list(chosen), labels, CLASSES)
    shuffled = np.random.default_rng(0).permutation(np.unique(of_review))
    for_test = np.isin(of_review, shuffled[: round(TEST * len(shuffled))])
    return {"train": data[np.flatnonzero(~for_test)], "test": data[np.flatnonzero(for_test)]}
