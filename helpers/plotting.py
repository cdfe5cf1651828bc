"""How the book draws: one style, colours that colour-blind readers can tell apart, and the figures chapters share.

Every function draws into axes (its own figure unless given some) and returns what it drew into, so that a notebook
can add to it. Colours: Okabe & Ito (2008).
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)


def style() -> None:
    """Set the book's look for every figure that follows: sized for the page, white ground, quiet axes."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.0),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.titlesize": 10,
            "axes.labelsize": 10,
            "font.size": 10,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 1.8,
            "image.cmap": "gray",
        }
    )


def image_grid(
    images: ArrayLike, titles: Sequence[str] = (), *, columns: int = 8, size: float = 0.85, cmap: str = "gray_r"
) -> np.ndarray:
    """Show images (N, H, W) or (N, H, W, 3) in rows of `columns`, each with its title; returns the axes.

    Args:
        size: Inches per picture.
        cmap: For images of one channel; `gray_r` puts light garments dark on white, as Fashion-MNIST is usually shown.
    """
    images = np.asarray(images)
    rows = -(-len(images) // columns)
    extra = 0.22 * (1 + max((t.count("\n") for t in titles), default=0)) if titles else 0
    _figure, axes = plt.subplots(rows, columns, figsize=(columns * size, rows * (size + extra)), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image in zip(axes.flat, images, strict=False):
        ax.imshow(image, cmap=cmap)
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title, fontsize=7.5, pad=2)
    return axes


def band(ax: Axes, x: ArrayLike, runs: ArrayLike, label: str, **options: object) -> None:
    """Draw the mean of `runs` (R, len(x)) as a line and mean ± one standard deviation as a band around it."""
    runs = np.atleast_2d(np.asarray(runs, dtype=float))
    mean, sd = runs.mean(axis=0), runs.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(runs.shape[1])
    (line,) = ax.plot(x, mean, label=label, marker="o", markersize=3.5, **options)
    ax.fill_between(x, mean - sd, mean + sd, color=line.get_color(), alpha=0.18, linewidth=0)


def smooth(values: ArrayLike, window: int = 15) -> np.ndarray:
    """The running mean of a noisy curve over up to `window` points behind each one; the length stays."""
    values = np.asarray(values, dtype=float)
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(0, end - window)
    return (total[end] - total[start]) / (end - start)


def confusion(matrix: ArrayLike, classes: Sequence[str]) -> Axes:
    """Draw a confusion matrix (K, K) of counts, true classes down, predicted across; the diagonal is not coloured,
    so that the mistakes show."""
    matrix = np.asarray(matrix)
    mistakes = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    _, ax = plt.subplots(figsize=(5.6, 4.8))
    ax.imshow(mistakes, cmap="Blues")
    for (row, column), count in np.ndenumerate(matrix):
        dark = mistakes[row, column] > 0.6 * mistakes.max()
        weight = "bold" if row == column else "normal"
        ax.text(
            column, row, str(count), ha="center", va="center", fontsize=7.5, weight=weight, color="w" if dark else "k"
        )
    ax.set(xlabel="predicted", ylabel="true")
    ax.set_xticks(range(len(classes)), classes, rotation=40, ha="right", fontsize=8)
    ax.set_yticks(range(len(classes)), classes, fontsize=8)
    ax.grid(False)
    return ax


def reliability_diagram(ax: Axes, confidence: ArrayLike, accuracy: ArrayLike, share: ArrayLike, label: str) -> None:
    """Draw accuracy against confidence, a dot a bin (its area: the bin's share); on the diagonal is calibrated."""
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", label="_diagonal")
    (line,) = ax.plot(confidence, accuracy, alpha=0.7, label=label)
    ax.scatter(confidence, accuracy, s=8 + 300 * np.asarray(share), color=line.get_color(), alpha=0.7)
    ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.03), ylim=(0, 1.03))
