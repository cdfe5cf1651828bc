"""Drawings of the chapter on BERT's heirs: blanks in pairs, maskings, orders, two streams, weights, the race."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import FancyArrowPatch, Rectangle
from numpy.typing import ArrayLike

from helpers.plotting import BLUE, COLOURS, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, smooth

GREY = "#dddddd"


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def _box(ax: Axes, x: float, y: float, text: str, colour: str, width: float = 0.8, height: float = 0.6) -> None:
    ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, facecolor=colour, alpha=0.55, linewidth=0))
    ax.text(x, y, text, ha="center", va="center", fontsize=8)


def two_blanks(fields: Mapping[str, ArrayLike], first: Sequence[str], second: Sequence[str]) -> None:
    """Probabilities in % of two neighbouring blanks (first, second), one panel a title."""
    figure, axes = plt.subplots(1, len(fields), figsize=(7.4, 3.1), sharey=True)
    top = max(float(np.max(field)) for field in fields.values())
    for ax, (title, field) in zip(axes, fields.items(), strict=True):
        image = ax.imshow(field, cmap="Blues", vmin=0, vmax=top)
        for (i, j), value in np.ndenumerate(np.asarray(field)):
            if value >= 0.05:
                ax.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=7, color="w" if value > 5 else "k")
        ax.set_xticks(range(len(second)), second, fontsize=8)
        ax.set_yticks(range(len(first)), first, fontsize=8)
        ax.grid(False)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="second blank")
    axes[0].set(ylabel="first blank")
    figure.colorbar(image, ax=axes, label="probability in %", shrink=0.8)


def maskings(hidden: Mapping[str, ArrayLike]) -> None:
    """Which places (columns) are hidden in which pass (rows), one panel a rule."""
    _figure, axes = plt.subplots(1, len(hidden), figsize=(7.4, 2.4), sharey=True)
    for ax, (title, field) in zip(axes, hidden.items(), strict=True):
        ax.imshow(field, cmap=ListedColormap(["#f2f2f2", BLUE]), aspect="auto", interpolation="nearest")
        ax.set_title(title, fontsize=9)
        ax.grid(False)
        ax.set(xlabel="place in the text")
    axes[0].set(ylabel="pass")


def memorised(
    train: Mapping[str, ArrayLike], valid: Mapping[str, float], rows: int, null: float, window: int = 40
) -> None:
    """Training losses against passes through `rows` steps each, and the final loss on unseen text, by rule.

    Dotted in both panels: `null`, the frequencies' entropy.
    """
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.6), width_ratios=(1.7, 1))
    for (name, curve), colour in zip(train.items(), COLOURS, strict=False):
        left.plot(np.arange(len(curve)) / rows, smooth(curve, window), color=colour, label=name)
    for x, (value, colour) in enumerate(zip(valid.values(), COLOURS, strict=False)):
        right.plot(x, value, "o", color=colour, markersize=8)
        right.text(x, value + 0.12, f"{value:.2f}", ha="center", va="bottom", fontsize=8)
    for ax in (left, right):
        ax.axhline(null, color="0.4", linestyle=":", label="frequencies alone")
    left.set(xlabel="passes through the text", ylabel="loss", title="what it is trained on")
    left.legend()
    right.set_xticks(range(len(valid)), [name.replace(" ", "\n") for name in valid], fontsize=8)
    top = max(null, *valid.values()) + 0.6
    right.set(xlim=(-0.6, len(valid) - 0.4), ylim=(null - 0.5, top), title="unseen text", ylabel="loss")


def packing(rows: Mapping[str, ArrayLike]) -> None:
    """Rows of kinds of places (0 padding, 1 text, 2 special), one panel a title."""
    _figure, axes = plt.subplots(1, len(rows), figsize=(7.4, 2.2))
    for ax, (title, field) in zip(axes, rows.items(), strict=True):
        ax.imshow(field, cmap=ListedColormap(["white", SKY, RED]), vmin=0, vmax=2, aspect="auto")
        ax.set_title(title, fontsize=9)
        ax.grid(False)
        ax.set(xlabel="place", yticks=[])
    axes[0].set(ylabel="inputs of a batch")


def orders(fields: Mapping[str, ArrayLike], tokens: Sequence[str]) -> None:
    """Who may look at whom: boolean fields (T, T), True where it is hidden; rows look at columns."""
    _figure, axes = plt.subplots(1, len(fields), figsize=(7.4, 3.3), sharey=True)
    for ax, (title, hidden) in zip(axes, fields.items(), strict=True):
        ax.imshow(~np.asarray(hidden), cmap=ListedColormap(["#f2f2f2", BLUE]), vmin=0, vmax=1)
        ax.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", fontsize=8)
        ax.set_yticks(range(len(tokens)), tokens, fontsize=8)
        ax.set_xticks(np.arange(-0.5, len(tokens)), minor=True)
        ax.set_yticks(np.arange(-0.5, len(tokens)), minor=True)
        ax.grid(False)
        ax.grid(which="minor", color="white", linewidth=1.5)
        ax.tick_params(which="minor", length=0)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="looks at")
    axes[0].set(ylabel="looks from")


def streams(tokens: Sequence[str], turn: Sequence[int], place: int) -> None:
    """Two streams of one layer: what the content and the query vector at `place` may look at, given each one's turn."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 2.6), sharey=True)
    for ax, query in zip(axes, (False, True), strict=True):
        seen = [t for t, when in enumerate(turn) if when < turn[place] or (when == turn[place] and not query)]
        for t, token in enumerate(tokens):
            _box(ax, t, 0, f"{token}\nturn {turn[t] + 1}", SKY if t in seen else GREY, 0.86, 0.9)
        ax.text(-0.6, 2.0, "query g" if query else "content h", ha="right", va="center", fontsize=9)
        ax.text(-0.6, 0.0, "content h", ha="right", va="center", fontsize=9)
        _box(ax, place, 2.0, "where?" if query else tokens[place], ORANGE if query else BLUE, 0.86, 0.7)
        for t in seen:
            arrow = {"arrowstyle": "-|>", "mutation_scale": 9, "color": "0.35"}
            ax.add_patch(FancyArrowPatch((t, 0.5), (place, 1.6), **arrow))
        ax.set(xlim=(-2.1, len(tokens) - 0.4), ylim=(-0.6, 2.6))
        ax.set_title(("query: all before its turn, not itself", "content: the same, and itself")[not query], fontsize=9)
        _bare(ax)


def shifting(before: ArrayLike, after: ArrayLike) -> None:
    """Distances in the columns of a score matrix (T, 2 T) before and (T, T) after the relative shift."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 2.4), width_ratios=(2, 1))
    span = float(np.abs(before).max())
    cases = zip(axes, (before, after), ("by distance: each row alike", "shifted: i − j"), strict=True)
    for ax, field, title in cases:
        ax.imshow(field, cmap="PuOr", vmin=-span, vmax=span, aspect="auto")
        for (i, j), value in np.ndenumerate(np.asarray(field)):
            dark = abs(value) > 0.6 * span
            ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8, color="w" if dark else "k")
        ax.grid(False)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="column", ylabel="row i", xticks=range(np.shape(field)[1]), yticks=range(np.shape(field)[0]))


def losses(curves: Mapping[str, ArrayLike], null: float, window: int = 10) -> None:
    """Smoothed losses against steps; dotted: the frequencies' entropy."""
    _figure, ax = plt.subplots(figsize=(6.2, 2.7))
    for (name, curve), colour in zip(curves.items(), (RED, BLUE, GREEN), strict=False):
        ax.plot(smooth(curve, window), color=colour, label=name)
    ax.axhline(null, color="0.4", linestyle=":", label="frequencies alone")
    ax.set(xlabel="step", ylabel="loss", ylim=(0, 1.25 * null))
    ax.legend(loc="center right", bbox_to_anchor=(1, 0.35))


def weights(parts: Mapping[str, Mapping[str, float]]) -> None:
    """Stacked bars of weights by part, one bar a network, in the units that are given."""
    _figure, ax = plt.subplots(figsize=(7.0, 2.2))
    names = list(next(iter(parts.values())))
    left = np.zeros(len(parts))
    for name, colour in zip(names, (YELLOW, SKY, BLUE, PURPLE), strict=False):
        values = np.array([part[name] for part in parts.values()])
        ax.barh(list(parts), values, left=left, color=colour, label=name, height=0.6)
        left += values
    for y, total in enumerate(left):
        ax.text(total, y, f" {total:.0f}", va="center", fontsize=8)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="million weights", xlim=(0, 1.1 * left.max()))
    ax.legend(ncols=len(names), loc="upper center", bbox_to_anchor=(0.45, 1.22))


def sharing(depths: Sequence[int], own: Mapping[str, ArrayLike], shared: Mapping[str, ArrayLike]) -> None:
    """Weights and milliseconds against the number of layers, with a block for each and with one for all."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 2.5))
    for ax, what in zip(axes, own, strict=True):
        ax.plot(depths, own[what], "o-", color=BLUE, label="a block for each layer")
        ax.plot(depths, shared[what], "s--", color=ORANGE, label="one block for all")
        ax.set(xlabel="layers", ylabel=what, ylim=(0, None), xticks=depths)
    axes[0].legend()


def exercises(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Accuracies in % of both pair exercises, grouped by who answers; dotted: a coin."""
    _figure, ax = plt.subplots(figsize=(6.4, 2.6))
    looks = zip(("next sentence", "sentence order"), ("o", "s"), (BLUE, ORANGE), (-1, 1), strict=True)
    for exercise, marker, colour, side in looks:
        values = [row[exercise] for row in rows.values()]
        x = np.arange(len(rows)) + 0.12 * side
        ax.plot(x, values, marker, color=colour, markersize=8, label=exercise)
        for at, value in zip(x, values, strict=True):
            ax.text(at + 0.06 * side, value, f"{value:.0f}", ha=("right", "left")[side > 0], va="center", fontsize=8)
    ax.axhline(50, color="0.4", linestyle=":", label="a coin", zorder=0)
    ax.set_xticks(range(len(rows)), list(rows), fontsize=9)
    ax.set(ylabel="right in %", xlim=(-0.5, len(rows) - 0.5), ylim=(42, 78))
    ax.legend(ncols=3, loc="upper right")


def race(study: Any, rows: Mapping[str, tuple[str, str | None]], live: Mapping[str, float], lines: Any) -> None:
    """Accuracy after fine-tuning: pretrained (dots) beside the same network from scratch (squares), over the seeds.

    rows: {label: (record of the pretrained, record of the scratch network)}; live: {record: value of this run};
    lines: {label: record} drawn as dotted lines.
    """
    _figure, ax = plt.subplots(figsize=(7.0, 2.9))
    for y, names in enumerate(rows.values()):
        for k, (name, marker, colour) in enumerate(zip(names, ("o", "s"), (BLUE, ORANGE), strict=True)):
            at = y + 0.2 * (k - 0.5)
            if study:
                ax.errorbar(study.mean(name), at, xerr=study.sd(name), fmt=marker, color=colour, capsize=3)
                ax.plot(study.values(name), [at] * len(study.seeds), "|", color=colour, alpha=0.6)
            ax.plot(live[name], at, "x", color=colour, markersize=7, markeredgewidth=2)
    for (label, name), style in zip(lines.items(), (":", "--"), strict=False):
        ax.axvline(study.mean(name) if study else live[name], color="0.4", linestyle=style, label=label)
    for label, marker, colour in (("pretrained", "o", BLUE), ("from scratch", "s", ORANGE), ("this run", "x", "0.3")):
        ax.plot([], [], marker, color=colour, label=label)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel="test accuracy in %", ylim=(len(rows) - 0.5, -0.5))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def prices(costs: Mapping[str, tuple[float, float, float]]) -> None:
    """{network: (thousand weights, CPU-seconds of pretraining, % of blanks filled)}, a panel for each."""
    _figure, axes = plt.subplots(1, 3, figsize=(7.4, 2.3), sharey=True)
    titles = ("thousand weights", "CPU-s of pretraining", "% of blanks filled")
    for ax, values, title in zip(axes, zip(*costs.values(), strict=True), titles, strict=True):
        ax.barh(list(costs), values, color=COLOURS[: len(costs)], height=0.6)
        for y, value in enumerate(values):
            ax.text(value, y, f" {value:.0f}", va="center", fontsize=8)
        ax.grid(axis="y", visible=False)
        ax.set(title=title, xlim=(0, 1.2 * max(values)))
    axes[0].invert_yaxis()
