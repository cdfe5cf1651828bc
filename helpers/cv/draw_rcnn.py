"""Drawings for the chapter on the R-CNN series: boxes on the move, proposals, pooling, anchors, and where time goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from numpy.typing import ArrayLike

from helpers.cv import draw_boxes
from helpers.cv.draw_yolo import calm
from helpers.plotting import BLUE, COLOURS, GREEN, ORANGE, RED, SKY, YELLOW


def show(ax: Axes, image: np.ndarray, corners: ArrayLike, titles: Sequence[str] = (), **options: object) -> None:
    """An image (H, W, 3) in few colours, so that the file stays small, with boxes (M, 4); the axes end at its edges."""
    draw_boxes.boxes(ax, calm(image, 48), corners, titles, **options)
    ax.images[0].set_interpolation("nearest")
    ax.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))


def question(image: np.ndarray, corners: ArrayLike, titles: Sequence[str]) -> None:
    """A picture as it is, and with what is asked for: a box and a name for each object."""
    _figure, axes = plt.subplots(1, 2, figsize=(6.6, 3.3))
    show(axes[0], image, [])
    show(axes[1], image, corners, titles, colour=YELLOW)


def moved(image: np.ndarray, truth: ArrayLike, proposal: ArrayLike, steps: Sequence[ArrayLike]) -> None:
    """A proposal (orange) beside the truth (green); then moved, then scaled, as `steps` has the boxes (blue)."""
    titles = ("proposal and truth", "centre moved", "width and height scaled")
    _figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6))
    x1, y1, x2, y2 = np.concatenate([np.minimum(truth, proposal)[:2], np.maximum(truth, proposal)[2:]])
    margin = 12
    for ax, title, box in zip(axes, titles, (proposal, *steps), strict=True):
        show(ax, image, [truth], colour=GREEN, linewidth=2)
        draw_boxes.boxes(ax, None, [proposal], colour=ORANGE, linestyle=":" if box is not proposal else "-")
        if box is not proposal:
            draw_boxes.boxes(ax, None, [box], colour=SKY, linewidth=2, linestyle="--")
            before, after = ((np.asarray(b)[:2] + np.asarray(b)[2:]) / 2 for b in (proposal, box))
            if np.abs(after - before).max() > 1:
                ax.add_patch(FancyArrowPatch(before, after, arrowstyle="-|>", mutation_scale=9, color=SKY))
        ax.set(xlim=(x1 - margin, x2 + margin), ylim=(y2 + margin, y1 - margin), title=title)


def recalls(ax: Axes, overlaps: dict[str, ArrayLike], colours: Sequence[str] = COLOURS) -> None:
    """The share of objects that have a proposal of at least this IoU, from each object's best IoU."""
    limits = np.linspace(0.3, 1, 71)
    for (name, best), colour in zip(overlaps.items(), colours, strict=False):
        ax.plot(limits, [100 * (np.asarray(best) >= limit).mean() for limit in limits], label=name, color=colour)
    ax.set(xlabel="at least this IoU", ylabel="objects found in %", ylim=(0, 101))
    ax.legend(fontsize=8)


def staircase(offsets: ArrayLike, pooled: dict[str, ArrayLike]) -> None:
    """What one pooled number says while its box is pushed to the right by `offsets` pixels."""
    _figure, ax = plt.subplots(figsize=(5.6, 2.6))
    for (name, values), colour in zip(pooled.items(), (RED, BLUE), strict=True):
        ax.plot(offsets, values, label=name, color=colour)
    ax.set(xlabel="box pushed to the right by … pixels", ylabel="pooled number")
    ax.legend()


def anchors(
    image: np.ndarray, at_one_place: ArrayLike, truth: ArrayLike, objectness: ArrayLike, best: ArrayLike
) -> None:
    """Anchors of one place; the best objectness of each place of the map (h, w), in [0, 1]; the best proposals."""
    height, width = image.shape[:2]
    _figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6))
    at_one_place = np.asarray(at_one_place)
    show(axes[0], image, at_one_place, colour=YELLOW, linewidth=1.1)
    axes[0].plot(*((at_one_place[0, :2] + at_one_place[0, 2:]) / 2 - 0.5), "o", color=RED, markersize=4)
    show(axes[1], image, [])
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes[1].imshow(objectness, cmap="magma", alpha=0.75, extent=extent, vmin=0, vmax=1, interpolation="nearest")
    show(axes[2], image, best, colour=SKY, linewidth=1)
    draw_boxes.boxes(axes[2], None, truth, colour=YELLOW, linestyle=":")
    for ax, title in zip(axes, ("anchors of one place", "objectness", "best proposals"), strict=True):
        ax.set_title(title)


def time_bars(milliseconds: dict[str, dict[str, float]], stages: Sequence[str]) -> None:
    """A bar for each detector, in parts by stage; on the right the same with a logarithmic axis, by total."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.3), width_ratios=(1.5, 1), sharey=True)
    names, start = list(milliseconds), np.zeros(len(milliseconds))
    for stage, colour in zip(stages, (ORANGE, BLUE, GREEN, RED), strict=False):
        widths = np.array([milliseconds[name][stage] for name in names])
        left.barh(names, widths, left=start, color=colour, label=stage)
        start += widths
    right.barh(names, start, color="0.6")
    for name, total in zip(names, start, strict=True):
        right.text(total * 1.1, name, f"{total:,.0f} ms", va="center", fontsize=8)
    left.set(xlabel="CPU-ms a scene")
    right.set(xlabel="total, logarithmic", xscale="log", xlim=(5, start.max() * 6))
    left.invert_yaxis()
    left.legend(fontsize=8)
    for ax in (left, right):
        ax.grid(axis="y", visible=False)


def with_and_without(
    image: np.ndarray, panels: dict[str, tuple[ArrayLike, ArrayLike]], colour_of: Callable[[int], str]
) -> None:
    """The same picture once for each panel, with its boxes (M, 4) in the colours of their classes (M,)."""
    _figure, axes = plt.subplots(1, len(panels), figsize=(1.85 * len(panels), 2.1))
    for ax, (title, (corners, labels)) in zip(axes, panels.items(), strict=True):
        show(ax, image, corners, colour=[colour_of(int(k)) for k in labels], linewidth=1.2)
        ax.set_title(title, fontsize=9)
