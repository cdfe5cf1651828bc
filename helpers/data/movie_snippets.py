"""English sentences of movie reviews (Pang & Lee 2004), rated by people from -4 to 4 (Hutto & Gilbert 2014)."""

import tarfile
from functools import cache
from typing import Literal

import numpy as np

from helpers.data import fetch
from helpers.data.labelled_texts import LabelledTexts, split

CLASSES = ("negative", "positive")
MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
CLEAR = 0.5  # a mean rating nearer to 0 than this is neither
TEST, VALID = 2_014, 800


def load(part: Literal["train", "valid", "test"] = "train") -> LabelledTexts:
    """Sentences with label 0 (mean rating of at least twenty people ≤ -0.5) or 1 (≥ 0.5).

    N is about 7,200 for `train`, 800 for `valid`, 2,014 for `test`; nobody's sentence is in two parts. Raises
    ValueError for another part.
    """
    if part not in _parts():
        raise ValueError(f"part is 'train', 'valid' or 'test', not {part!r}")
    return _parts()[part]


def rated() -> tuple[list[str], np.ndarray]:
    """All 10,605 sentences as published, with their mean ratings, shape (N,), float64, in [-4, 4]."""
    (archive,) = fetch("movie-snippets").glob("*.tar.gz")
    with tarfile.open(archive) as box:
        lines = box.extractfile(MEMBER).read().decode("utf-8").splitlines()
    rows = [line.split("\t", 2) for line in lines if line.strip()]
    return [text.strip() for _, _, text in rows], np.array([float(rating) for _, rating, _ in rows])


@cache
def _parts() -> dict[str, LabelledTexts]:
    texts, ratings = rated()
    chosen = {}
    for text, rating in zip(texts, ratings, strict=True):
        if abs(rating) >= CLEAR:
            chosen.setdefault(text, int(rating > 0))
    data = LabelledTexts(list(chosen), np.array(list(chosen.values())), CLASSES)
    return split(data, TEST, VALID)
