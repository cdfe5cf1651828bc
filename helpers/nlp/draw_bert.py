"""Drawings of the BERT chapter: word pieces, the input, mistakes in it, heads, losses, labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from numpy.typing import ArrayLike

from helpers.plotting import BLUE, COLOURS, GREEN, ORANGE, PURPLE, SKY, YELLOW, band, smooth

GREY = "#dddddd"


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def _box(ax: Axes, x: float, y: float, text: str, colour: str, width: float = 0.92, height: float = 0.7) -> None:
    ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, facecolor=colour, alpha=0.55, linewidth=0))
    ax.text(x, y, text, ha="center", va="center", fontsize=8)


def fertility(curves: Mapping[str, Mapping[int, float]], large: float) -> None:
    """Pieces per word against the number of merges, for each rule; `large`: with a vocabulary of thousands."""
    _figure, ax = plt.subplots(figsize=(5.8, 2.5))
    for name, points in curves.items():
        ax.plot(list(points), list(points.values()), "o-", markersize=4, label=name)
    ax.axhline(large, color="0.5", linestyle=":", label="MiniLM's vocabulary")
    ax.set(xlabel="merges", ylabel="pieces per word", ylim=(0.9, None))
    ax.legend()


def inputs(tokens: Sequence[str]) -> None:
    """The three vectors that are added at each place of a pair, and the attention mask."""
    _figure, ax = plt.subplots(figsize=(7.4, 2.7))
    first = list(tokens).index("[SEP]")
    names = ("pieces", "word vector", "+ segment", "+ place", "mask")
    for row, name in enumerate(names):
        ax.text(-0.8, -row, name, ha="right", va="center", fontsize=9)
    for t, token in enumerate(tokens):
        pad, special = token == "[PAD]", token.startswith("[")
        second = t > first and not pad
        _box(ax, t, 0, token, GREY if pad else YELLOW if special else "white")
        _box(ax, t, -1, "E", GREY if pad else SKY)
        _box(ax, t, -2, "1" if second else "0", ORANGE if second else GREEN)
        _box(ax, t, -3, str(t), PURPLE)
        _box(ax, t, -4, "0" if pad else "1", GREY if pad else BLUE)
    ax.set(xlim=(-2.6, len(tokens) - 0.4), ylim=(-4.6, 0.6))
    _bare(ax)


def shares(fields: Mapping[str, ArrayLike], tokens: Sequence[str]) -> None:
    """Attention shares (T, T) of a padded text, one panel a title; rows look at columns."""
    figure, axes = plt.subplots(1, len(fields), figsize=(3.6 * len(fields), 3.1))
    top = max(float(np.asarray(field).max()) for field in fields.values())
    for ax, (title, field) in zip(axes, fields.items(), strict=True):
        image = ax.imshow(field, cmap="Blues", vmin=0, vmax=top)
        ax.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=7)
        ax.set_yticks(range(len(field)), tokens[: len(field)], fontsize=7)
        ax.grid(False)
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="looks at", ylabel="looks from")
    figure.colorbar(image, ax=axes, label="share of attention", shrink=0.5)


def broken(cosine: Mapping[str, float], accuracy: Mapping[str, float], null: float) -> None:
    """For each way to prepare the input: the cosine to the proper vector, and the probe's accuracy in %."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.9), sharey=True)
    rows = np.arange(len(cosine))[::-1]
    colours = [GREEN, *[BLUE] * (len(cosine) - 1)]
    for ax, values, form in ((left, cosine, "{:.2f}"), (right, accuracy, "{:.0f}")):
        ax.barh(rows, list(values.values()), color=colours, height=0.65)
        for y, value in zip(rows, values.values(), strict=True):
            ax.text(max(value, 0), y, " " + form.format(value), va="center", fontsize=8)
        ax.grid(axis="y", visible=False)
    left.set_yticks(rows, list(cosine))
    left.set(xlabel="cosine to the proper vector", xlim=(min(0, *cosine.values()), 1.12))
    right.axvline(null, color="0.3", linestyle=":")
    right.set(xlabel="accuracy of the probe in %", xlim=(0, 100))


def heads() -> None:
    """One body, three heads: the two of pretraining, and the classifier of fine-tuning."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 2.9), width_ratios=(1.5, 1))
    cases = {
        "pretraining": ["[CLS]", "good", "[MASK]", "[SEP]", "clean", "room", "[SEP]"],
        "fine-tuning": ["[CLS]", "good", "hotel", "[SEP]"],
    }
    for ax, (title, tokens) in zip(axes, cases.items(), strict=True):
        outs = {0: "B follows A?", 2: "hotel"} if title == "pretraining" else {0: "positive"}
        middle = (len(tokens) - 1) / 2
        for t, token in enumerate(tokens):
            _box(ax, t, 0, token, YELLOW if token.startswith("[") else GREY, 0.94)
            ax.add_patch(FancyArrowPatch((t, 0.4), (t, 0.85), arrowstyle="-|>", mutation_scale=7, color="0.4"))
        _box(ax, middle, 1.4, "BERT", SKY, len(tokens), 1.0)
        for t, text in outs.items():
            ax.add_patch(FancyArrowPatch((t, 1.9), (t, 2.35), arrowstyle="-|>", mutation_scale=7, color="0.4"))
            colour = ORANGE if title == "fine-tuning" else GREEN if t else PURPLE
            _box(ax, t + (0.25 if t == 0 else 0), 2.75, text, colour, 1.55)
        ax.set(xlim=(-0.7, len(tokens) - 0.3), ylim=(-0.5, 3.2))
        ax.set_title(title)
        _bare(ax)


def curves(history: ArrayLike, nulls: Mapping[str, float], window: int = 40) -> None:
    """Losses (steps, 2) of hidden pieces and of next sentences, smoothed; `nulls`: the first without context."""
    history = np.asarray(history)
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 2.6))
    titles = ("hidden characters", "next sentence")
    for ax, values, lines, title in zip(axes, history.T, (nulls, {"a coin": np.log(2)}), titles, strict=True):
        ax.plot(smooth(values, window), color=BLUE)
        for (label, null), dashes in zip(lines.items(), (":", "--"), strict=False):
            ax.axhline(null, color="0.4", linestyle=dashes, label=label)
        ax.set(xlabel="step", ylabel="loss", title=title)
        ax.legend()
    high = smooth(history[:, 0], window)
    axes[0].set_ylim(min(high.min(), *nulls.values()) - 0.1, max(nulls.values()) + 0.6)
    axes[1].set_ylim(min(smooth(history[:, 1], window).min(), np.log(2)) - 0.05, 0.8)


def labels(study: Any, sizes: Sequence[int], null: float, live: Mapping[tuple[str, int], float]) -> None:
    """Accuracy against the number of labels: the study's mean ± sd, and this run's points (crosses)."""
    names = {"pretrained": "pretrained, then fine-tuned", "scratch": "from scratch", "tfidf": "TF-IDF + SVM"}
    _figure, ax = plt.subplots(figsize=(6.4, 3.0))
    for (name, label), colour in zip(names.items(), COLOURS, strict=False):
        if study:
            runs = np.array([study.values(f"accuracy_{name}_{n}") for n in sizes], float).T  # (seeds, sizes)
            band(ax, sizes, runs, label, color=colour)
        points = {n: value for (which, n), value in live.items() if which == name}
        style = {"color": colour, "markersize": 8, "markeredgewidth": 2, "label": None if study else label}
        ax.plot(list(points), list(points.values()), "x", **style)
    ax.axhline(null, color="0.5", linestyle=":", label="null baseline")
    ax.set(xscale="log", xlabel="labelled reviews", ylabel="test accuracy in %")
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
    ax.legend()
