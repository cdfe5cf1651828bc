"""Drawings of the Transformer chapter: saturation, positions, the architecture, gradients, attention, speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike

from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, SKY, YELLOW, smooth


def saturation(
    widths: Sequence[int], largest: Mapping[bool, Sequence[float]], slope: Mapping[bool, Sequence[float]]
) -> None:
    """The largest share and the softmax's slope by width; keys: True with the root, False without."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.6))
    for ax, values, label in zip(axes, (largest, slope), ("largest share", "slope of the softmax"), strict=True):
        for scaled, name, colour, marker in ((True, "with the root", BLUE, "o"), (False, "without", ORANGE, "s")):
            ax.plot(widths, values[scaled], marker=marker, markersize=4, color=colour, label=name)
        ax.set(xscale="log", xlabel="width d of a query", ylabel=label, ylim=(0, 1.02))
        _ticks(ax, widths)
    axes[0].legend()


def positions(codes: ArrayLike, products: ArrayLike) -> None:
    """Sinusoidal codes (T, d), their products with the middle one's, and rotated products (T, T) by distance."""
    codes, products = np.asarray(codes), np.asarray(products)
    _figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.4, 2.6))
    left.imshow(codes, cmap="RdBu", aspect="auto", vmin=-1, vmax=1)
    left.set(xlabel="number of the code", ylabel="place")
    left.grid(False)
    half = len(codes) // 2
    middle.plot(codes @ codes[half], color=BLUE)
    middle.set(xlabel="place", ylabel=f"product with place {half}")
    distance = np.arange(-40, 41)
    right.plot(distance, products[50, 50 + distance], color=GREEN, label="query at 50")
    right.plot(distance, products[60, 60 + distance], color=BLACK, linestyle=":", linewidth=2.6, label="at 60")
    right.set(xlabel="distance of the key", ylabel="rotated product")
    right.legend(fontsize=8)


BOX = 0.62


def _box(ax: Axes, x: float, y: float, text: str, colour: str, width: float = 2.6) -> None:
    shape = FancyBboxPatch((x - width / 2, y - BOX / 2), width, BOX, boxstyle="round,pad=0.02,rounding_size=0.12")
    shape.set(facecolor=colour, edgecolor=BLACK, alpha=0.55, linewidth=0.8)
    ax.add_patch(shape)
    ax.text(x, y, text, ha="center", va="center", fontsize=8.5)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], **style: object) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "linewidth": 1.0, "color": BLACK, **style})


def _column(ax: Axes, x: float, parts: Sequence[tuple[str, str]]) -> list[float]:
    """One layer with pre-norm from bottom to top: each part behind its norm, a shortcut around both, a plus.

    Returns the heights of the parts.
    """
    heights, y = [], 1.5
    for text, colour in parts:
        _box(ax, x, y, "norm", YELLOW)
        _box(ax, x, y + 0.95, text, colour)
        plus = y + 1.75
        ax.text(x, plus, "+", ha="center", va="center", fontsize=11, bbox={"boxstyle": "circle,pad=0.12", "fc": "w"})
        side = x - 1.75
        ax.plot([x, side, side], [y - 0.6, y - 0.6, plus], color=BLUE, linewidth=1.4)
        _arrow(ax, (side, plus), (x - 0.24, plus), color=BLUE)
        _arrow(ax, (x, y - 0.75), (x, y - BOX / 2))
        _arrow(ax, (x, y + BOX / 2), (x, y + 0.95 - BOX / 2))
        _arrow(ax, (x, y + 0.95 + BOX / 2), (x, plus - 0.2))
        heights.append(y + 0.95)
        y = plus + 0.95
    _arrow(ax, (x, y - 0.75), (x, y - BOX / 2))
    return [*heights, y]


def architecture() -> None:
    """Encoder and decoder with pre-norm, their shortcuts, and the cross-attention between them."""
    _figure, ax = plt.subplots(figsize=(6.6, 5.6))
    left, right = 2.2, 8.0
    encoder = _column(ax, left, (("self-attention", SKY), ("feed-forward", GREEN)))
    decoder = _column(ax, right, (("causal self-attention", SKY), ("cross-attention", ORANGE), ("feed-forward", GREEN)))
    for x, name in ((left, "source tokens"), (right, "target so far")):
        _box(ax, x, 0.35, f"{name}: embedding\n+ position", "#dddddd", 2.9)
    _box(ax, left, encoder[-1], "norm", YELLOW)
    _box(ax, right, decoder[-1], "norm", YELLOW)
    _box(ax, right, decoder[-1] + 1.0, "scores of the next token", "#dddddd", 2.9)
    _arrow(ax, (right, decoder[-1] + BOX / 2), (right, decoder[-1] + 1.0 - BOX / 2))
    top, bend = encoder[-1] + 0.75, 5.2
    ax.plot([left, left, bend, bend], [encoder[-1] + BOX / 2, top, top, decoder[1]], color=ORANGE, linewidth=1.6)
    _arrow(ax, (bend, decoder[1]), (right - 1.33, decoder[1]), color=ORANGE, linewidth=1.6)
    ax.text(bend - 0.1, top + 0.12, "keys and values", fontsize=8, ha="right", va="bottom")
    ax.text(left + 1.45, 2.7, "encoder layer,\nrepeated", fontsize=8, va="center")
    ax.text(right + 1.45, 4.9, "decoder\nlayer,\nrepeated", fontsize=8, va="center")
    ax.set(xlim=(0, 11), ylim=(-0.1, decoder[-1] + 1.5))
    ax.axis("off")


def gradients(norms: Mapping[str, Sequence[float]]) -> None:
    """The norm of each layer's gradient, first layer at the left."""
    _figure, ax = plt.subplots(figsize=(5.6, 2.6))
    for (name, values), marker in zip(norms.items(), "os", strict=False):
        ax.plot(range(1, len(values) + 1), values, marker=marker, markersize=4, label=name)
    ax.set(yscale="log", xlabel="layer", ylabel="norm of the gradient")
    ax.legend()


def losses(curves: Mapping[str, Sequence[float]], window: int, lines: Mapping[str, float]) -> Axes:
    """Smoothed losses by step, and horizontal lines to compare them with."""
    _figure, ax = plt.subplots(figsize=(5.8, 2.5))
    for (name, values), style in zip(curves.items(), ("-", "--", "-."), strict=False):
        ax.plot(np.arange(1, len(values) + 1), smooth(values, window), style, label=name)
    for name, value in lines.items():
        ax.axhline(value, color="0.3", linestyle=":", label=name)
    ax.set(xlabel="step", ylabel="loss")
    ax.legend()
    return ax


def distances(maps: Sequence[ArrayLike], reach: int, equal: float) -> None:
    """For each layer, the mean share (h, 2 · reach + 1) that each head gives to each distance."""
    _figure, axes = plt.subplots(1, len(maps), figsize=(3.6 * len(maps), 2.6), squeeze=False, sharey=True)
    for k, (ax, heads) in enumerate(zip(axes[0], maps, strict=True), 1):
        for i, line in enumerate(np.asarray(heads), 1):
            ax.plot(range(-reach, reach + 1), line, label=f"head {i}", marker="osd^v<>p"[i % 8], markersize=3)
        ax.axhline(equal, color="0.3", linestyle=":")
        ax.set(xlabel="characters ahead", title=f"layer {k}")
    axes[0, 0].set_ylabel("mean share")
    axes[0, -1].legend()


def crossing(maps: Sequence[ArrayLike], read: Sequence[str], written: Sequence[str]) -> None:
    """Cross-attention of each decoder layer (T, S): rows are what is written, columns what is read."""
    _figure, axes = plt.subplots(1, len(maps), figsize=(3.7 * len(maps), 2.9))
    for k, (ax, table) in enumerate(zip(np.atleast_1d(axes), maps, strict=True), 1):
        ax.imshow(np.asarray(table), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ax.set_xticks(range(len(read)), read, fontsize=8, rotation=45)
        ax.set_yticks(range(len(written)), written, fontsize=8)
        ax.set(title=f"decoder layer {k}", ylabel="written next" if k == 1 else "")
        ax.grid(False)


def speed(lengths: Sequence[int], rates: Mapping[tuple[str, bool], Sequence[float]]) -> None:
    """Tokens per second by length; keys: (model, whether it was trained)."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.7), sharey=True)
    models = list(dict.fromkeys(name for name, _ in rates))
    for ax, train in zip(axes, (False, True), strict=True):
        for name, colour, marker in zip(models, COLOURS, "os^", strict=False):
            ax.loglog(lengths, rates[name, train], color=colour, marker=marker, markersize=4, label=name)
        ax.set(xlabel="length of the texts", title="training" if train else "forward only")
        _ticks(ax, lengths)
    axes[0].set_ylabel("tokens per CPU-second")
    axes[0].legend()


def _ticks(ax: Axes, values: Sequence[int]) -> None:
    ax.set_xticks(values, [f"{value:,}" for value in values])
    ax.xaxis.set_minor_formatter(NullFormatter())
