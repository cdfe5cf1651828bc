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
        ax.axis("off")


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], **options: object) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, shrinkA=0, shrinkB=0, **options))


def residual_block() -> None:
    """Draw a plain block and a residual block, one above the other."""
    _figure, axes = plt.subplots(2, 1, figsize=(6.6, 3.2), height_ratios=(1, 1.5))
    for ax, shortcut in zip(axes, (False, True), strict=True):
        for x, text in ((2.2, "conv 3×3, BN, ReLU"), (5.6, "conv 3×3, BN"), (10.2, "ReLU")):
            half = 0.6 if text == "ReLU" else 1.2
            box = FancyBboxPatch((x - half, 0.7), 2 * half, 0.6, boxstyle="round,pad=0.08", facecolor=BLUE, alpha=0.15)
            ax.add_patch(box)
            ax.text(x, 1, text, ha="center", va="center", fontsize=8.5)
        for start, end in ((0.1, 0.9), (3.5, 4.3), (6.9, 8.0 if shortcut else 9.5), (11.0, 11.7)):
            _arrow(ax, (start, 1), (end, 1))
        ax.text(-0.1, 1, "$x$", ha="right", va="center")
        ax.text(11.8, 1, "$y$", ha="left", va="center")
        ax.text(3.9, 0.2, "$F(x)$", ha="center", va="center", color=BLUE)
        if shortcut:
            ax.text(8.25, 1, "+", ha="center", va="center", fontsize=16, color=ORANGE)
            _arrow(ax, (8.5, 1), (9.5, 1))
            ax.plot([0.5, 0.5, 8.25], [1, 2, 2], color=ORANGE, linewidth=2)
            _arrow(ax, (8.25, 2), (8.25, 1.3), color=ORANGE, linewidth=2)
            ax.text(4.3, 2.12, "the shortcut: $x$ itself", ha="center", va="bottom", color=ORANGE, fontsize=9)
        ax.set(xlim=(-0.5, 12.4), ylim=(0, 2.5 if shortcut else 1.6))
        ax.axis("off")
        ax.set_title("residual: y = ReLU(x + F(x))" if shortcut else "plain: y = ReLU(F(x))", loc="left", fontsize=9)


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
