"""Drawings of the chapter on task heads: which heads there are, where a model is cut, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike

from helpers.plotting import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, band
from helpers.studies import Study

PALE = "#d9e8f5"


def _box(ax: Axes, x: float, y: float, w: float, h: float, text: str, colour: str = PALE, size: float = 8) -> None:
    """A rounded box with a text in its middle; (x, y) is its lower left corner."""
    ax.add_patch(
        FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=0.06", facecolor=colour, edgecolor="0.35",
                       linewidth=0.8)
    )  # fmt: skip
    ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", fontsize=size)


def _arrow(ax: Axes, a: tuple[float, float], b: tuple[float, float], colour: str = "0.35") -> None:
    ax.annotate("", b, a, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0})


def _bare(ax: Axes, width: float, height: float) -> None:
    ax.set(xlim=(0, width), ylim=(0, height), xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def heads() -> None:
    """Four tasks, four heads, one encoder: tokens at the bottom, the encoder, the head, the answer."""
    tasks = {
        "one sentence": (["[CLS]", "great", "film", "[SEP]"], "pool"),
        "a pair": (["[CLS]", "a", "[SEP]", "b", "[SEP]"], "pool"),
        "each token": (["[CLS]", "he", "came", "late", "[SEP]"], "tokens"),
        "similarity": (["great", "film"], "twice"),
    }
    _figure, axes = plt.subplots(1, 4, figsize=(8.4, 3.0))
    for ax, (title, (tokens, kind)) in zip(axes, tasks.items(), strict=True):
        _bare(ax, 4, 4.6)
        ax.set_title(title)
        if kind == "twice":
            for x, words, name in ((0.1, "great film", "u"), (2.1, "lovely movie", "v")):
                _box(ax, x, 0.1, 1.8, 0.5, words, "white", 7.5)
                _box(ax, x, 1.0, 1.8, 1.1, "encoder")
                _box(ax, x + 0.45, 2.55, 0.9, 0.5, name, SKY, 9)
                _arrow(ax, (x + 0.9, 0.6), (x + 0.9, 1.0))
                _arrow(ax, (x + 0.9, 2.1), (x + 0.9, 2.55))
                _arrow(ax, (x + 0.9, 3.05), (2 + (x - 1.1) * 0.3, 3.7))
            _box(ax, 1.0, 3.7, 2.0, 0.6, "cos(u, v)", ORANGE)
            continue
        step = 3.8 / len(tokens)
        for i, token in enumerate(tokens):
            x = 0.1 + i * step
            _box(ax, x + 0.03, 0.1, step - 0.06, 0.5, token, "white", 6.5)
            _arrow(ax, (x + step / 2, 0.6), (x + step / 2, 1.0))
            if kind == "tokens" and 0 < i < len(tokens) - 1:
                _arrow(ax, (x + step / 2, 2.1), (x + step / 2, 2.6))
                _box(ax, x + 0.05, 2.6, step - 0.1, 0.6, "head", ORANGE, 7)
                _arrow(ax, (x + step / 2, 3.2), (x + step / 2, 3.6))
                ax.text(x + step / 2, 3.8, ["pron", "verb", "adv"][i - 1], ha="center", fontsize=7.5)
            elif kind == "pool":
                _arrow(ax, (x + step / 2, 2.1), (2 + (x + step / 2 - 2) * 0.35, 2.5))
        _box(ax, 0.1, 1.0, 3.8, 1.1, "encoder")
        if kind == "pool":
            _box(ax, 1.0, 2.5, 2.0, 0.45, "mean, or [CLS]", SKY, 7.5)
            _arrow(ax, (2, 2.95), (2, 3.2))
            _box(ax, 1.0, 3.2, 2.0, 0.5, "head", ORANGE)
            _arrow(ax, (2, 3.7), (2, 4.0))
            ax.text(2, 4.15, "positive" if title == "one sentence" else "b follows a", ha="center", fontsize=8)


def cuts(layers: int = 6, shown: Sequence[int] = (6, 4, 0)) -> None:
    """An encoder of `layers` layers cut after k of them: what is run once, what is kept, what is trained."""
    _figure, axes = plt.subplots(1, len(shown), figsize=(7.6, 3.2))
    names = {layers: "head alone", 0: "all layers"}
    for ax, k in zip(axes, shown, strict=True):
        _bare(ax, 4, 5.2)
        ax.set_title(f"k = {k}: {names.get(k, f'top {layers - k} layers')}")
        _box(ax, 0.6, 0.1, 2.8, 0.4, "embeddings", PALE, 7.5)
        y = 0.6
        for i in range(layers + 1):
            if i == k:
                ax.plot([0.2, 3.8], [y + 0.09, y + 0.09], color=BLACK, linewidth=1.2, linestyle="--")
                ax.text(3.85, y + 0.09, "states kept", fontsize=6.5, va="center", ha="left", rotation=90)
                y += 0.2
            if i < layers:
                _box(ax, 0.6, y, 2.8, 0.4, f"layer {i + 1}", PALE if i < k else ORANGE, 7.5)
                y += 0.5
        _box(ax, 0.6, y, 2.8, 0.35, "mean over tokens", "white", 7.5)
        _box(ax, 1.1, y + 0.47, 1.8, 0.4, "head", ORANGE, 7.5)
    axes[0].text(0.6, 5.05, "blue: run once, frozen     orange: trained", fontsize=7.5)


def _band_or_points(ax: Axes, study: Study | None, stem: str, counts: Sequence[int], live: Mapping[int, float],
                    label: str, colour: str) -> None:  # fmt: skip
    if study:
        runs = np.array([study.values(f"{stem}_{n}") for n in counts]).T  # (seeds, counts)
        band(ax, counts, runs, label, color=colour)
    if live:
        ax.plot(list(live), list(live.values()), "x", color=colour, label=None if study else label)


def label_counts(
    study: Study | None,
    panels: Mapping[str, tuple[Sequence[int], Mapping[str, tuple[str, Mapping[int, float]]]]],
    null: float = 50.0,
) -> None:
    """Accuracy against the number of labels, a panel for each language: mean ± sd of the study, live runs as crosses.

    panels: title → (counts, {label: (stem of the records' names, {count: live accuracy})}).
    """
    _figure, axes = plt.subplots(1, len(panels), figsize=(7.6, 3.2), sharey=True, squeeze=False)
    for ax, (title, (counts, lines)) in zip(axes[0], panels.items(), strict=True):
        for (label, (stem, live)), colour in zip(lines.items(), (BLACK, BLUE, ORANGE), strict=False):
            _band_or_points(ax, study, stem, counts, live, label, colour)
        ax.axhline(null, color="0.5", linestyle=":", linewidth=1)
        ax.set(xscale="log", xlabel="labelled texts", title=title)
        ax.set_xticks(counts, [f"{n:,}" for n in counts])
        ax.minorticks_off()
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="lower right")
    axes[0, 0].set_ylabel("test accuracy (%)")


def roads(points: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> None:
    """Accuracy (%) against CPU-seconds for each way of training: label → (seconds, accuracies), one or more runs.

    In this order: frozen, upper layers, LoRA, all layers, and an open circle for all layers from a random head.
    """
    _figure, ax = plt.subplots(figsize=(6.2, 3.0))
    for (label, (seconds, accuracy)), colour in zip(points.items(), (BLUE, ORANGE, GREEN, PURPLE, PURPLE), strict=True):
        x, y, open_circle = np.mean(seconds), np.mean(accuracy), "random" in label
        spread = np.std(accuracy, ddof=1) if np.size(accuracy) > 1 else 0
        ax.errorbar(x, y, yerr=spread, fmt="o", color=colour, capsize=3, mfc="white" if open_circle else colour)
        far_right = x > 0.8 * max(np.mean(seconds) for seconds, _ in points.values())
        beside = {"ha": "right", "xytext": (-7, 4 if open_circle else -14)}
        where = beside if far_right else {"ha": "left", "xytext": (7, 4)}
        ax.annotate(label, (x, y), textcoords="offset points", fontsize=9, **where)
    ax.set(xlabel="CPU-seconds of training", ylabel="test accuracy (%)")
    ax.margins(x=0.12, y=0.2)
    ax.set_xlim(left=-0.03 * ax.get_xlim()[1])


def rates(curves: Mapping[float, Mapping[str, ArrayLike]], steps: Sequence[int]) -> None:
    """For each learning rate a panel: accuracy (%) on validation and test texts over the steps, runs (R, steps)."""
    _figure, axes = plt.subplots(1, len(curves), figsize=(7.6, 2.7), sharey=True, squeeze=False)
    for ax, (rate, both) in zip(axes[0], curves.items(), strict=True):
        band(ax, steps, both["valid"], "validation", color=BLACK, linestyle="--")
        band(ax, steps, both["test"], "test", color=ORANGE)
        best = int(np.argmax(np.mean(both["valid"], axis=0)))
        ax.axvline(steps[best], color="0.6", linewidth=1, linestyle=":")
        ax.set(title=f"rate {rate:g}", xlabel="step", xticks=list(steps))
    axes[0, 0].set_ylabel("accuracy (%)")
    axes[0, 0].legend(loc="lower left")


def by_layer(layers: Sequence[int], curves: Mapping[str, ArrayLike], levels: Mapping[str, float]) -> None:
    """Accuracy (%) of a head on each layer's states, one curve a choice of piece; baselines as horizontal lines."""
    _figure, ax = plt.subplots(figsize=(6.4, 3.1))
    for (label, values), colour in zip(curves.items(), (RED, SKY, GREEN), strict=False):
        band(ax, layers, values, label, color=colour)
    for (label, value), style in zip(levels.items(), ("--", ":"), strict=False):
        ax.axhline(value, color="0.4", linestyle=style, linewidth=1.2, label=label)
    ax.set(xlabel="layer (0: the embeddings)", ylabel="words tagged rightly (%)", xticks=list(layers))
    ax.legend(loc="lower center")


def cosines(panels: Mapping[str, Mapping[str, ArrayLike]]) -> None:
    """Histograms of cosines, a panel for each model: what belongs together, what does not, and a null for comparison.

    panels: title → {label: cosines}, three groups each; the third is outlined.
    """
    _figure, axes = plt.subplots(1, len(panels), figsize=(7.6, 3.0))
    looks = ({"color": BLUE, "alpha": 0.6}, {"color": PURPLE, "alpha": 0.6}, {"color": BLACK, "histtype": "step"})
    for ax, (title, groups), corner in zip(axes, panels.items(), ("upper right", "upper left"), strict=True):
        every = np.concatenate([np.ravel(values) for values in groups.values()])
        bins = np.linspace(every.min() - 0.01, every.max() + 0.01, 26)
        for (label, values), look in zip(groups.items(), looks, strict=True):
            ax.hist(np.ravel(values), bins, density=True, label=label, **look)
        ax.set(title=title, xlabel="cosine", yticks=[], xlim=(min(0, every.min() - 0.02), 1.02))
        ax.legend(loc=corner, fontsize=8)
    axes[0].set_ylabel("density")
