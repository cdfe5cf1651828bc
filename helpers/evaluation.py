"""How good is a classifier, how sure is that, and does it know when it is wrong?

Everything here takes plain tensors or arrays: `logits` (N, K), `labels` (N,). Each function is tested against
scikit-learn, torchmetrics or a closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest score is the label's, in [0, 1]. Shapes (N, K) and (N,)."""
    return (logits.argmax(dim=1) == labels).float().mean().item()


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's (1927) score interval for a proportion: unlike p ± z·se it stays within [0, 1] and is right near 1.

    Raises:
        ValueError: Without trials, or with more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials: need 0 <= successes <= trials and trials >= 1")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / trials
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_interval(
    statistic: Callable[..., float], *arrays: ArrayLike, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap: `statistic(*arrays)` on rows drawn again with replacement, the same rows in each array."""
    rng = np.random.default_rng(seed)
    columns = [np.asarray(a) for a in arrays]
    n = len(columns[0])
    draws = [statistic(*(c[i] for c in columns)) for i in rng.integers(0, n, size=(resamples, n))]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Reliability:
    """Predictions grouped by confidence into equal bins; empty bins are left out. Each array has one entry a bin."""

    confidence: np.ndarray
    accuracy: np.ndarray
    share: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean gap |accuracy − confidence|, weighted by how full a bin is."""
        return float(np.sum(self.share * np.abs(self.accuracy - self.confidence)))


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Reliability:
    """Group predictions (N, K) by their top probability and compare each group's confidence with its accuracy."""
    top, predicted = probabilities.max(dim=1)
    confidence, hit = top.double().numpy(), (predicted == labels).numpy()
    edges = np.linspace(0, 1, bins + 1)
    group = np.clip(np.digitize(confidence, edges[1:-1], right=True), 0, bins - 1)
    full = [g for g in range(bins) if (group == g).any()]
    return Reliability(
        confidence=np.array([confidence[group == g].mean() for g in full]),
        accuracy=np.array([hit[group == g].mean() for g in full]),
        share=np.array([(group == g).mean() for g in full]),
    )


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017), in [0, 1]."""
    return reliability(probabilities, labels, bins).ece


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The T > 0 that minimises the cross-entropy of softmax(logits / T); fit it on data kept out of training."""
    logits, labels = logits.double(), labels.long()
    log_t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(logits / log_t.exp(), labels)
        value.backward()
        return value

    optimizer.step(loss)
    return log_t.exp().item()
