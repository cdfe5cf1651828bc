"""Texts with a label each, in splits that are the same in every chapter, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelledTexts:
    """N texts with their labels, shape (N,), int64, which index `classes`. A slice or an index array takes a part."""

    texts: list[str]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise ValueError(f"{len(self.texts)} texts but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, chosen: slice | Sequence[int] | np.ndarray) -> LabelledTexts:
        rows = np.arange(len(self))[chosen]
        return LabelledTexts([self.texts[i] for i in rows], self.labels[rows], self.classes)

    def few(self, n: int, seed: int) -> LabelledTexts:
        """n texts drawn without replacement, as many of each class as can be, the same for the same seed.

        Raises ValueError when there are fewer than n, or n is smaller than the number of classes.
        """
        if not len(self.classes) <= n <= len(self):
            raise ValueError(f"{n} of {len(self):,} texts with {len(self.classes)} classes cannot be drawn")
        order = np.random.default_rng(seed).permutation(len(self))
        rank = np.empty(len(self), dtype=np.int64)  # how many of its class come before a text in that order
        for k in range(len(self.classes)):
            of_class = order[self.labels[order] == k]
            rank[of_class] = np.arange(len(of_class))
        return self[order[np.argsort(rank[order], kind="stable")][:n]]


def split(data: LabelledTexts, n_test: int, n_valid: int, seed: int = 0) -> dict[str, LabelledTexts]:
    """`train`, `valid` and `test`, drawn once by `seed`; the rest after test and valid is for training.

    Raises ValueError when a text is in two of them: duplicates must go before a split.
    """
    if len(set(data.texts)) < len(data):
        raise ValueError(f"{len(data) - len(set(data.texts)):,} texts are duplicates: remove them before the split")
    order = np.random.default_rng(seed).permutation(len(data))
    ends = n_test, n_test + n_valid
    return {"test": data[order[: ends[0]]], "valid": data[order[ends[0] : ends[1]]], "train": data[order[ends[1] :]]}
