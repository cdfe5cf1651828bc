"""Drawings and tables of the chapter on word embeddings: bags, the leak, maps of words, networks, padding, depth."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike

from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, PURPLE, RED, SKY, band


class Table:
    """A small table that a notebook shows, in HTML (headers with their scope) and as plain text."""

    def __init__(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if any(len(row) != len(header) for row in rows) or not all(header):
            raise ValueError("each row needs a cell for each column, and each column a header")
        self.header, self.rows = list(header), [list(row) for row in rows]

    def __repr__(self) -> str:
        return "\n".join(" | ".join(row) for row in [self.header, *self.rows])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" style="text-align: left">{html.escape(c)}</th>' for c in self.header)
        lines = [
            f'<tr><th scope="row" style="text-align: left">{html.escape(row[0])}</th>'
            + "".join(f'<td style="text-align: left">{html.escape(c)}</td>' for c in row[1:])
            + "</tr>"
            for row in self.rows
        ]
        return f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def bags(sentences: Sequence[str], bags_: Sequence[Mapping[str, int]], scores: Sequence[float]) -> None:
    """Each sentence's bag as bars of counts, all over the same words, and a classifier's score beside it."""
    terms = sorted(set().union(*bags_), key=str)
    figure, axes = plt.subplots(len(sentences), 1, figsize=(7.2, 1.75 * len(sentences)), sharex=True)
    for k, (ax, sentence, counts, score) in enumerate(zip(axes, sentences, bags_, scores, strict=True)):
        ax.bar(range(len(terms)), [counts.get(term, 0) for term in terms], color=(BLUE, ORANGE)[k % 2], width=0.6)
        ax.set(ylim=(0, 2.3), yticks=(0, 1, 2), ylabel="count")
        ax.set_title(f"“{sentence}”      score: {score:+.2f}", loc="left")
        ax.grid(axis="x")
    axes[-1].set_xticks(range(len(terms)), terms)
    figure.align_ylabels()


def leak(results: Mapping[str, tuple[float, float, float]]) -> None:
    """Accuracies in % with their intervals (value, low, high), one bar a name; the last is the honest one."""
    _figure, ax = plt.subplots(figsize=(6.8, 2.4))
    for k, (value, low, high) in enumerate(results.values()):
        colour = GREEN if k == len(results) - 1 else ORANGE
        ax.barh(k, value - 50, left=50, color=colour, height=0.62, alpha=0.85)
        ax.plot([low, high], [k, k], color=BLACK, linewidth=1.4)
        ax.text(max(value, high) + 0.7, k, f"{value:.1f}", va="center")
    ax.set_yticks(range(len(results)), list(results))
    ax.set(xlim=(50, 104), xlabel="accuracy, %")
    ax.invert_yaxis()
    ax.grid(axis="y")


def weights(terms: Sequence[str], values: ArrayLike) -> None:
    """A linear classifier's heaviest terms, from the most negative to the most positive."""
    values = np.asarray(values)
    _figure, ax = plt.subplots(figsize=(7.2, 2.7))
    ax.bar(range(len(terms)), values, color=[ORANGE if v < 0 else BLUE for v in values], width=0.7)
    ax.set_xticks(range(len(terms)), terms, rotation=55, ha="right", fontsize=8.5)
    ax.set(ylabel="weight")
    ax.axhline(0, color=BLACK, linewidth=0.8)
    ax.grid(axis="x")


def plane(vectors: ArrayLike, groups: Mapping[str, Mapping[str, int]]) -> None:
    """Vectors (V, d) of groups of words, {group: {label: row}}, in the plane of their two principal components."""
    rows = [row for group in groups.values() for row in group.values()]
    points = np.asarray(vectors)[rows]
    points = points - points.mean(0)
    _, _, axes_ = np.linalg.svd(points, full_matrices=False)
    xy = dict(zip(rows, points @ axes_[:2].T, strict=True))
    _figure, ax = plt.subplots(figsize=(7.0, 4.3))
    unit, taken = np.ptp(points @ axes_[:2].T, axis=0) / (68, 26), []  # about the size of a letter
    for colour, (group, members) in zip(COLOURS, groups.items(), strict=False):
        at = np.array([xy[row] for row in members.values()])
        ax.scatter(*at.T, color=colour, s=22, label=group)
        for (x, y), label in zip(at, members, strict=True):
            for dx, dy in ((0.5, 0.3), (0.5, -1.1), (-len(label), 0.3), (-len(label), -1.1), (0.5, 1.3), (0.5, -2.1)):
                left, low = x + dx * unit[0], y + dy * unit[1]
                box = (left, left + len(label) * unit[0], low, low + unit[1])
                if not any(box[0] < b[1] and b[0] < box[1] and box[2] < b[3] and b[2] < box[3] for b in taken):
                    break
            taken.append(box)
            ax.text(left, low, label, fontsize=8.5, color=colour)
    ax.set(xlabel="first component", ylabel="second component")
    ax.legend(loc="best", ncols=2)


def along(words: Sequence[str], scores: ArrayLike, ends: tuple[str, str], usual: tuple[float, float]) -> None:
    """Words along one direction, as dots on a line each, sorted by their score; `ends` names its two ends.

    The scores between the two `usual` ones, where most words lie, are shaded.
    """
    order = np.argsort(scores)
    scores = np.asarray(scores)[order]
    _figure, ax = plt.subplots(figsize=(6.4, 0.19 * len(words) + 0.8))
    ax.axvspan(*usual, color="0.9", zorder=0)
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.hlines(range(len(words)), 0, scores, color="0.75", linewidth=1.2)
    ax.scatter(scores, range(len(words)), color=[ORANGE if s < 0 else BLUE for s in scores], s=26, zorder=3)
    ax.set_yticks(range(len(words)), [words[i] for i in order], fontsize=8.5)
    ax.set(xlabel=f"←  {ends[0]}      cosine with the difference      {ends[1]}  →")
    ax.grid(axis="y")


def _box(ax: Axes, x: float, y: float, width: float, height: float, text: str, colour: str, size: float = 8) -> None:
    style = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0.02,rounding_size=0.08")
    style.set(facecolor=colour, edgecolor=BLACK, linewidth=0.8, alpha=0.35)
    ax.add_patch(style)
    ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = BLACK) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, linewidth=1.0, color=colour))


def networks(tokens: Sequence[str]) -> None:
    """Three ways from the vectors of `tokens` to one vector, drawn: a mean, a convolution with a maximum, an LSTM."""
    _figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.1))
    n = len(tokens)
    for ax, title in zip(axes, ("mean", "convolution, maximum", "LSTM, both ways"), strict=True):
        ax.set(xlim=(-0.15, n + 0.15), ylim=(-0.1, 4.5))
        ax.axis("off")
        ax.set_title(title)
        for i, token in enumerate(tokens):
            ax.text(i + 0.5, 0.1, token, ha="center", va="center", fontsize=8.5)
            _box(ax, i + 0.18, 0.5, 0.64, 0.5, "", SKY)
        _box(ax, n / 2 - 0.9, 3.8, 1.8, 0.5, "linear, softmax", PURPLE)
    mean, conv, lstm = axes
    _box(mean, n / 2 - 0.6, 2.3, 1.2, 0.5, "mean", GREEN)
    for i in range(n):
        _arrow(mean, (i + 0.5, 1.05), (n / 2, 2.27))
    _arrow(mean, (n / 2, 2.83), (n / 2, 3.77))
    for i in range(n - 2):
        _box(conv, i + 1.18, 1.75, 0.64, 0.45, "", ORANGE)
        for j in range(3):
            _arrow(conv, (i + j + 0.5, 1.05), (i + 1.5, 1.72))
        _arrow(conv, (i + 1.5, 2.23), (n / 2, 2.87))
    _box(conv, n / 2 - 1.1, 2.9, 2.2, 0.42, "largest over time", GREEN)
    _arrow(conv, (n / 2, 3.35), (n / 2, 3.77))
    for i in range(n):
        _box(lstm, i + 0.06, 1.6, 0.36, 0.4, "h", ORANGE)
        _box(lstm, i + 0.58, 2.35, 0.36, 0.4, "h", GREEN)
        _arrow(lstm, (i + 0.25, 1.03), (i + 0.25, 1.58))
        _arrow(lstm, (i + 0.76, 1.03), (i + 0.76, 2.33))
        if i:
            _arrow(lstm, (i - 0.56, 1.8), (i + 0.05, 1.8), RED)
            _arrow(lstm, (i + 0.57, 2.55), (i - 0.04, 2.55), BLUE)
    _arrow(lstm, (n - 0.75, 2.03), (n / 2 + 0.3, 3.77), RED)
    _arrow(lstm, (0.76, 2.78), (n / 2 - 0.4, 3.77), BLUE)


def padding(batches: Mapping[str, ArrayLike]) -> None:
    """Batches of texts, {title: lengths (batches, B)}: tokens in colour, padding in grey, batches side by side."""
    _figure, axes = plt.subplots(len(batches), 1, figsize=(7.2, 1.5 * len(batches)), sharey=True, sharex=True)
    for ax, (title, lengths) in zip(axes, batches.items(), strict=True):
        lengths = np.asarray(lengths)
        tall = np.repeat(lengths.max(1), lengths.shape[1])
        x = np.arange(lengths.size) + 2 * np.repeat(np.arange(len(lengths)), lengths.shape[1])
        ax.bar(x, tall, width=1.0, color="0.82", label="padding")
        ax.bar(x, lengths.ravel(), width=1.0, color=BLUE, label="tokens")
        share = 100 * (1 - lengths.sum() / tall.sum())
        ax.set_title(f"{title}: {share:.0f} % padding in these", loc="left")
        ax.set(ylabel="tokens", xticks=[])
    axes[-1].legend(loc="upper left", ncols=2)


LABELS = {
    "lstm": ("LSTM, plain", BLUE, "-"),
    "lstm_shortcut": ("LSTM, shortcuts", BLUE, "--"),
    "cnn": ("CNN, plain", ORANGE, "-"),
    "cnn_shortcut": ("CNN, shortcuts", ORANGE, "--"),
    "transformer": ("Transformer", GREEN, ":"),
}


def gradients(norms: Mapping[str, ArrayLike]) -> None:
    """The size of the loss's gradient at the output of each layer, a line for each stack, on a logarithmic axis."""
    _figure, ax = plt.subplots(figsize=(6.8, 3.0))
    for name, values in norms.items():
        label, colour, dash = LABELS[name]
        mark = "s" if name == "transformer" else "o"
        ax.plot(range(1, len(values) + 1), values, dash, color=colour, marker=mark, markersize=3.5, label=label)
    ax.set(yscale="log", xlabel="layer (1: next to the words)", ylabel="norm of the gradient")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def depths(
    depths_: Sequence[int], accuracy: Mapping[str, ArrayLike], seconds: Mapping[str, ArrayLike], floor: float
) -> None:
    """Accuracy (runs, depths) and CPU-seconds (runs, depths) against depth for each stack; a dotted line: the floor."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.3))
    for ax, values in zip(axes, (accuracy, seconds), strict=True):
        for name, runs in values.items():
            label, colour, dash = LABELS[name]
            band(ax, depths_, runs, label, color=colour, linestyle=dash)
        ax.set_xscale("log", base=2)
        ax.set_xticks(depths_, [str(d) for d in depths_])
        ax.set(xlabel="layers")
    axes[0].axhline(floor, color=BLACK, linestyle=":", linewidth=1.2)
    axes[0].set(ylabel="test accuracy, %")
    axes[1].set(ylabel="CPU-seconds an epoch", ylim=(0, None))
    figure = axes[0].figure
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
