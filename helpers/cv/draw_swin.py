"""Drawings of the Swin chapter: what a token may look at, windows and their shift, positions, costs, small data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike

from helpers.cv import draw_boxes
from helpers.cv.draw_yolo import calm, distinct
from helpers.cv.scoring import Detections
from helpers.data.annotated import Annotated
from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, band, smooth

REGIONS = ListedColormap(["#dddddd", SKY, BLUE, YELLOW, GREEN, "#117733", PURPLE, ORANGE, RED])  # 0 to 8


def _lines(ax: Axes, size: tuple[int, int], every: float, *, start: float = 0.0, **style: Any) -> None:
    """Lines every `every` units from `start` over a picture of `size` = (H, W), pixel 0 being drawn from -0.5."""
    height, width = size
    for x in np.arange(start, width + 1e-6, every):
        ax.plot([x - 0.5, x - 0.5], [-0.5, height - 0.5], **style)
    for y in np.arange(start, height + 1e-6, every):
        ax.plot([-0.5, width - 0.5], [y - 0.5, y - 0.5], **style)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def sight(
    image: np.ndarray, seen: Mapping[str, ArrayLike], token: tuple[int, int], patch: int, window: int, shift: int
) -> None:
    """What one token may look at: a picture (H, W, 3) for each title, bright where `seen[title]` (h, w) is true.

    token: its row and column, in patches of `patch` pixels. The last panel has its windows of `window` patches drawn
    from `shift` patches on, the last but one from 0 on.
    """
    _figure, axes = plt.subplots(1, len(seen), figsize=(7.4, 7.4 / len(seen) + 0.2))
    calmed = calm(image, 48).astype(float)
    starts = [None] * (len(seen) - 2) + [0, shift]
    for ax, (title, mask), start in zip(axes, seen.items(), starts, strict=True):
        bright = np.kron(np.asarray(mask, float), np.ones((patch, patch)))[..., None]
        ax.imshow((calmed * (0.28 + 0.72 * bright)).astype(np.uint8), interpolation="nearest")
        _bare(ax)
        _lines(ax, image.shape[:2], patch, color="white", linewidth=0.3, alpha=0.5)
        if start is not None:
            _lines(ax, image.shape[:2], patch * window, start=patch * start, color=YELLOW, linewidth=1.6)
        y, x = (patch * i - 0.5 for i in token)
        ax.add_patch(Rectangle((x, y), patch, patch, facecolor=BLUE, edgecolor="white", linewidth=1.2))
        ax.set_title(title)


def attended(image: ArrayLike, weights: ArrayLike, tokens: Sequence[tuple[int, int]], patch: int) -> None:
    """A picture (H, W), and for each token (row, column) its attention weights (h, w) over all patches."""
    image = np.asarray(image)
    _figure, axes = plt.subplots(1, 1 + len(tokens), figsize=(7.2, 7.2 / (1 + len(tokens)) + 0.25))
    axes[0].imshow(image, cmap="gray_r")
    _lines(axes[0], image.shape, patch, color=SKY, linewidth=0.5)
    axes[0].set_title("64 patches")
    for k, (ax, (row, column), map_) in enumerate(zip(axes[1:], tokens, np.asarray(weights), strict=True)):
        ax.imshow(image, cmap="gray_r", alpha=0.35)
        shown = np.kron(map_ / map_.max(), np.ones((patch, patch)))
        ax.imshow(shown, cmap="Oranges", alpha=0.75 * shown, vmin=0, vmax=1)
        for one in (axes[0], ax):
            frame = Rectangle((column * patch - 0.5, row * patch - 0.5), patch, patch, fill=False, linewidth=2)
            frame.set_edgecolor(COLOURS[k])
            one.add_patch(frame)
        ax.set_title(f"query {k + 1}")
        ax.set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())
    for ax in axes:
        _bare(ax)


def windows(image: np.ndarray, side: int, shift: int) -> None:
    """Two layers over one picture (H, W, 3): windows of `side` pixels, and the same moved by `shift` pixels."""
    _figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.35))
    for ax, start, title in zip(axes, (0, shift), ("layer l: windows", "layer l + 1: shifted windows"), strict=True):
        ax.imshow(calm(image, 64), interpolation="nearest")
        _bare(ax)
        _lines(ax, image.shape[:2], side, start=start, color=YELLOW, linewidth=2)
        ax.set_title(title)


def cyclic(region: np.ndarray, shift: int, window: int, masks: ArrayLike) -> None:
    """The nine regions (H, W) before and after the roll, and the masks (n, T, T) of the windows, coloured by region.

    region: as it lies after the roll.
    """
    masks = np.asarray(masks)
    figure = plt.figure(figsize=(7.4, 3.0))
    grid = figure.add_gridspec(2, 4, width_ratios=(2, 2, 1, 1))
    before = np.roll(region, (shift, shift), (0, 1))
    back = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
    for column, (field, title) in enumerate(((before, "before the roll"), (region, "after it: whole windows"))):
        ax = figure.add_subplot(grid[:, column])
        ax.imshow(field, cmap=REGIONS, vmin=0, vmax=8, alpha=0.85)
        _bare(ax)
        start = shift if column == 0 else 0
        _lines(ax, field.shape, window, start=start, color=BLACK, linewidth=1.4)
        for value in np.unique(field):
            rows, columns = np.nonzero(field == value)
            ax.text(columns.mean(), rows.mean(), str(value), ha="center", va="center", fontsize=9, bbox=back)
        ax.set_title(title)
    across = region.shape[1] // window
    corners = {"inner": 0, "right edge": across - 1, "bottom": len(masks) - across, "corner": len(masks) - 1}
    for k, (title, index) in enumerate(corners.items()):
        ax = figure.add_subplot(grid[k // 2, 2 + k % 2])
        ax.imshow(masks[index] == 0, cmap="gray", vmin=-0.2, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        for side in ax.spines.values():
            side.set_visible(True)
        ax.set_title(title, fontsize=8)


def positions(index: np.ndarray, window: int) -> None:
    """For three tokens of a window, which entry of the table each other token reads; and the whole index (T, T)."""
    figure, axes = plt.subplots(1, 4, figsize=(7.4, 2.1))
    last = index.max()
    tokens = (0, (window // 2) * (window + 1), window**2 - 1)
    for ax, token in zip(axes, tokens, strict=False):
        field = index[token].reshape(window, window)
        ax.imshow(field, cmap="viridis", vmin=0, vmax=last)
        for (row, column), value in np.ndenumerate(field):
            ax.text(column, row, str(value), ha="center", va="center", fontsize=8, color="white" if value < 32 else "k")
        row, column = divmod(token, window)
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=RED, linewidth=2.5))
        _bare(ax)
        ax.set_title(f"query {token}", fontsize=9)
    drawn = axes[3].imshow(index, cmap="viridis", vmin=0, vmax=last)
    axes[3].set(xlabel="key", ylabel="query", xticks=[], yticks=[])
    axes[3].grid(False)
    axes[3].set_title("all pairs", fontsize=9)
    figure.colorbar(drawn, ax=axes[3], shrink=0.8)


def merging() -> None:
    """Patch merging, drawn: four neighbours become one token with twice the channels."""
    _figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.2), width_ratios=(1, 1.35, 0.8))
    field = np.array([[1, 7], [2, 4]])  # colours of the four places
    axes[0].imshow(np.tile(field, (2, 2)), cmap=REGIONS, vmin=0, vmax=8)
    _lines(axes[0], (4, 4), 1, color="white", linewidth=0.8)
    _lines(axes[0], (4, 4), 2, color=BLACK, linewidth=2)
    axes[0].set_title("4 × 4 tokens, C each", fontsize=9)
    order = [1, 2, 7, 4]
    for k, value in enumerate(order):
        for row in range(2):
            for column in range(2):
                box = Rectangle((column * 4.6 + k, row * 1.5), 1, 1, facecolor=REGIONS(value), edgecolor="white")
                axes[1].add_patch(box)
    axes[1].set(xlim=(-0.3, 9.0), ylim=(2.9, -0.4))
    axes[1].set_title("side by side: 4C, LayerNorm", fontsize=9)
    for row in range(2):
        for column in range(2):
            axes[2].add_patch(Rectangle((column * 2.6, row * 1.5), 2, 1, facecolor="#bbbbbb", edgecolor="white"))
    axes[2].set(xlim=(-0.3, 5.0), ylim=(2.9, -0.4))
    axes[2].set_title("linear: 2 × 2 tokens, 2C", fontsize=9)
    for ax in axes:
        _bare(ax)


def fields(
    reach: Mapping[str, Sequence[ArrayLike]], depths: Sequence[int], token: tuple[int, int], window: int
) -> None:
    """Gradient of one token with respect to each token of the input: rows of maps (h, w), one for each depth."""
    _figure, axes = plt.subplots(len(reach), len(depths), figsize=(1.75 * len(depths) + 0.6, 1.85 * len(reach)))
    for line, (name, maps) in zip(axes, reach.items(), strict=True):
        line[0].set_ylabel(name)
        for ax, depth, field in zip(line, depths, maps, strict=True):
            field = np.asarray(field, float)
            shown = np.where(field > 0, np.log10(np.maximum(field, 1e-12) / field.max()), np.nan)
            ax.imshow(shown, cmap="magma", vmin=-4, vmax=0)
            ax.set_facecolor("white")
            _bare(ax)
            _lines(ax, field.shape, window, color="0.6", linewidth=0.8)
            ax.plot(token[1], token[0], "x", color=SKY, markersize=7, markeredgewidth=2)
            ax.set_title(f"{depth} block{'s' * (depth > 1)}", fontsize=9)


def costs(
    macs: Mapping[str, Mapping[int, float]], ms: Mapping[str, Mapping[int, float]], slopes: Mapping[str, float]
) -> None:
    """Operations by the formulas, and measured milliseconds with their fitted slopes, by the number of tokens."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.9))
    for name, colour in zip(macs, COLOURS, strict=False):
        style = {"marker": "o", "markersize": 4, "color": colour}
        left.loglog(list(macs[name]), [value / 1e6 for value in macs[name].values()], label=name, **style)
        right.loglog(list(ms[name]), list(ms[name].values()), label=f"{name}: slope {slopes[name]:.2f}", **style)
    left.set(xlabel="tokens hw", ylabel="million multiplications")
    right.set(xlabel="tokens hw", ylabel="CPU-ms, forward")
    for ax in (left, right):
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.legend(loc="best")


def losses(curves: Mapping[str, ArrayLike], window: int = 10) -> Axes:
    """Training losses against the step, smoothed."""
    _figure, ax = plt.subplots(figsize=(6.4, 2.7))
    for (name, values), colour in zip(curves.items(), COLOURS, strict=False):
        ax.plot(smooth(values, window), color=colour, label=name)
    ax.set(xlabel="step", ylabel="loss")
    ax.legend()
    return ax


def small_data(study: Any, sizes: Sequence[int], null: float, live: Mapping[str, Mapping[int, float]]) -> None:
    """Accuracy against the number of training pictures: the study's mean ± sd, and this run's points (crosses)."""
    _figure, ax = plt.subplots(figsize=(6.4, 2.9))
    for (name, points), colour in zip(live.items(), COLOURS, strict=False):
        key = name.lower()
        if study:
            runs = np.array([study.values(f"accuracy_{key}_{n}") for n in sizes], float).T  # (seeds, sizes)
            band(ax, sizes, runs, name, color=colour)
        label = None if study else name
        ax.plot(list(points), list(points.values()), "x", color=colour, markersize=8, markeredgewidth=2, label=label)
    ax.axhline(null, color="0.5", linestyle=":", label="null baseline")
    ax.set(xscale="log", xlabel="training pictures", ylabel="test accuracy in %")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.legend(loc="lower right")


def moved(shifts: Sequence[int], accuracies: Mapping[str, Sequence[float]]) -> None:
    """Accuracy on test pictures that were moved by so many pixels."""
    _figure, ax = plt.subplots(figsize=(5.4, 2.5))
    for (name, values), colour in zip(accuracies.items(), COLOURS, strict=False):
        ax.plot(shifts, values, "o-", color=colour, label=name, markersize=4)
    ax.set(xlabel="test pictures moved by, in pixels", ylabel="test accuracy in %", xticks=list(shifts))
    ax.legend()


def found(truth: Annotated, rows: Sequence[int], answers: Mapping[str, Sequence[Detections]]) -> None:
    """Scenes across, detectors down: as many of the surest boxes as there are objects, none laid over a surer
    one; the truth in the last row."""
    axes = draw_boxes.grid(len(answers) + 1, len(rows), size=1.45)
    height, width = truth.images.shape[1:3]
    for line, name in zip(axes, [*answers, "truth"], strict=True):
        line[0].text(-0.04, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
        for ax, i in zip(line, rows, strict=True):
            boxes = truth.boxes[i]
            if name != "truth":
                boxes = distinct(answers[name][i]).boxes[: len(truth.boxes[i])]  # one box for a place
            draw_boxes.boxes(ax, calm(truth.images[i]), boxes, colour=SKY if name == "truth" else YELLOW)
            ax.images[0].set_interpolation("nearest")
            ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
