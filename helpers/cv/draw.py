"""Drawings of how image networks work: a kernel on its way over a picture, the residual block, the first filters."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from numpy.typing import ArrayLike

from helpers.plotting import BLUE, ORANGE, RED


def sliding_kernel(image: ArrayLike, kernel: ArrayLike, spot: tuple[int, int]) -> None:
    """Draw one step of a 3 x 3 convolution: the image with its window at row, column `spot`, the nine products, and
    the response so far, filled up to that spot in reading order."""
    image, kernel = np.asarray(image, float), np.asarray(kernel, float)
    height, width = image.shape
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, 1), (3, 3))
    response = (windows * kernel).sum(axis=(2, 3))
    done = np.where(np.arange(height * width).reshape(height, width) <= spot[0] * width + spot[1], response, np.nan)
    _figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.2, 2.6), width_ratios=(1, 0.8, 1))
    left.imshow(image, cmap="gray_r")
    left.add_patch(Rectangle((spot[1] - 1.5, spot[0] - 1.5), 3, 3, fill=False, edgecolor=RED, linewidth=2))
    left.set_title("image and window")
    window = windows[spot]
    middle.imshow(window * kernel, cmap="RdBu", vmin=-1, vmax=1)
    for (row, column), weight in np.ndenumerate(kernel):
        text = f"{window[row, column]:.2f}\n× {weight:g}"
        middle.text(column, row, text, ha="center", va="center", fontsize=8)
    middle.set_title(f"nine products, sum {response[spot]:.2f}")
    limit = np.abs(response).max()
    right.imshow(done, cmap="RdBu", vmin=-limit, vmax=limit)
    right.add_patch(Rectangle((spot[1] - 0.5, spot[0] - 0.5), 1, 1, fill=False, edgecolor=RED, linewidth=2))
    right.set_title("response so far")
    for ax in (left, middle, right):
        ax.set(xticks=[], yticks=[])
        ax.grid(False)


def _box(ax: Axes, x: float, y: float, text: str, colour: str = BLUE) -> None:
    ax.add_patch(FancyBboxPatch((x - 0.9, y - 0.3), 1.8, 0.6, boxstyle="round,pad=0.05", facecolor=colour, alpha=0.18))
    ax.text(x, y, text, ha="center", va="center", fontsize=8.5)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], **options: object) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, shrinkA=0, shrinkB=0, **options))


def residual_block() -> None:
    """Draw a plain block and a residual block side by side."""
    _figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.7))
    for ax, shortcut in zip(axes, (False, True), strict=True):
        _box(ax, 1.6, 1, "conv 3×3, BN, ReLU")
        _box(ax, 4.2, 1, "conv 3×3, BN")
        _arrow(ax, (-0.2, 1), (0.65, 1))
        _arrow(ax, (2.55, 1), (3.25, 1))
        _arrow(ax, (5.15, 1), (5.7, 1))
        ax.text(-0.35, 1, "$x$", ha="right", va="center")
        ax.text(2.9, 0.35, "$F(x)$", ha="center", va="center", color=BLUE)
        ax.text(5.98, 1, "+" if shortcut else "", ha="center", va="center", fontsize=14, color=ORANGE)
        _arrow(ax, (6.25 if shortcut else 5.5, 1), (6.7, 1))
        ax.text(6.8, 1, "ReLU", ha="left", va="center", fontsize=8.5)
        if shortcut:
            _arrow(ax, (0.1, 1), (5.95, 1.25), connectionstyle="arc3,rad=-0.32", color=ORANGE, linewidth=2)
            ax.text(2.9, 2.25, "shortcut: $x$ itself", ha="center", color=ORANGE, fontsize=9)
        ax.set(xlim=(-0.9, 7.7), ylim=(0, 2.6), title="residual: ReLU(x + F(x))" if shortcut else "plain: ReLU(F(x))")
        ax.axis("off")


def filters(weights: ArrayLike, *, columns: int = 8) -> None:
    """Draw convolution kernels (N, 3, 3): blue adds, red subtracts."""
    weights = np.asarray(weights)
    limit = np.abs(weights).max()
    rows = -(-len(weights) // columns)
    _figure, axes = plt.subplots(rows, columns, figsize=(columns * 0.8, rows * 0.8), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, kernel in zip(axes.flat, weights, strict=False):
        ax.imshow(kernel, cmap="RdBu", vmin=-limit, vmax=limit)
