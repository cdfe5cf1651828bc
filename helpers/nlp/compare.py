"""Two classifiers on the same texts: is one better, or was it lucky?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from helpers.evaluation import bootstrap_interval


@dataclass(frozen=True)
class Paired:
    """How classifier A compares with B: `difference` of accuracies (A - B) with its 95 % interval; McNemar's p."""

    difference: float
    low: float
    high: float
    only_a: int  # texts that only A got right
    only_b: int
    p: float


def paired(right_a: ArrayLike, right_b: ArrayLike, seed: int = 0) -> Paired:
    """Compare two classifiers by which of the same N texts each got right, shape (N,), boolean.

    The interval is a bootstrap over texts; p is McNemar's (1947) exact test: if both were equally good, each text that
    only one gets right would be a coin toss. Raises ValueError for different shapes.
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"answers to the same texts are needed, not {a.shape} and {b.shape}")
    difference = a.astype(float) - b.astype(float)
    low, high = bootstrap_interval(np.mean, difference, seed=seed)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return Paired(float(difference.mean()), float(low), float(high), only_a, only_b, float(p))
