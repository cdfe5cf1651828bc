"""Drawings of the chapter on giant language models: mask, knobs, cache, scaling, prompts, routing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike

from helpers.plotting import BLUE, COLOURS, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, smooth

GREY = "#dddddd"
TINTS = ("#cfe6f5", "#fbe3b3", "#bfe8da", "#f6cbb0", "#f0d7e5", "#e4e4e4", "#f8f3a6", "#d9d2f0")  # pale, for black text


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def _box(ax: Axes, x: float, y: float, text: str, colour: str, width: float = 0.9, height: float = 0.7) -> None:
    ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, facecolor=colour, alpha=0.6, linewidth=0))
    ax.text(x, y, text, ha="center", va="center", fontsize=8)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "0.4") -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, color=colour, linewidth=1))


def shift(tokens: Sequence[str]) -> None:
    """Input and target of a causal model, and the mask; the target of the last place is the next token, "…"."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.4), width_ratios=(2, 1))
    targets = [*tokens[1:], "…"]
    for t, (token, target) in enumerate(zip(tokens, targets, strict=True)):
        _box(left, t, 0, token, YELLOW if t == 0 else SKY)
        _box(left, t, 2, target, GREEN)
        _arrow(left, (t, 0.4), (t, 1.6))
    for y, name in ((0, "input"), (2, "target")):
        left.text(-0.7, y, name, ha="right", va="center", fontsize=9)
    left.set(xlim=(-1.7, len(tokens) - 0.4), ylim=(-0.6, 2.6))
    _bare(left)
    right.imshow(np.tril(np.ones((len(tokens), len(tokens)))), cmap="Blues", vmin=0, vmax=1.6)
    right.set_xticks(range(len(tokens)), tokens, rotation=45, ha="right", fontsize=7)
    right.set_yticks(range(len(tokens)), tokens, fontsize=7)
    right.set_title("may look at", fontsize=9)
    right.grid(False)


def curve(history: ArrayLike, lines: Mapping[str, float], end: float, window: int = 20) -> None:
    """Training losses by step, smoothed; `lines`: what counting reaches; `end`: the loss on validation text."""
    _figure, ax = plt.subplots(figsize=(5.8, 2.6))
    steps = np.arange(1, len(history) + 1)
    ax.plot(steps, smooth(history, window), color=BLUE, label="GPT, training text")
    ax.plot(steps[-1], end, "x", color=RED, markersize=9, markeredgewidth=2, label="GPT, validation")
    for (name, value), dashes in zip(lines.items(), (":", "--", "-."), strict=False):
        ax.axhline(value, color="0.3", linestyle=dashes, label=name)
    ax.set(xlabel="step", ylabel="nats per character")
    ax.legend(ncols=2)


def knobs(places: Mapping[str, tuple[ArrayLike, Mapping[str, ArrayLike]]], most: int = 1_000) -> None:
    """For each place: probabilities (V,) as they are, and after each knob, by rank; a line where a knob cuts."""
    _figure, axes = plt.subplots(len(places), 3, figsize=(7.4, 1.7 * len(places)), sharex=True, sharey=True)
    for number, (place, (plain, turned)) in enumerate(places.items()):
        line, plain = axes[number], np.asarray(plain)
        order = np.argsort(-plain)[:most]
        ranks = np.arange(len(order)) + 1
        for ax, (name, p) in zip(line, turned.items(), strict=True):
            p = np.asarray(p)[order]
            kept = p > 0
            ax.loglog(ranks, plain[order], color="0.6", linewidth=3, label="as it is")
            ax.loglog(ranks[kept], p[kept], ".-", color=BLUE, linewidth=1.4, markersize=3, label="after the knob")
            if not kept.all():
                ax.axvline(ranks[kept][-1], color=RED, linestyle=":")
            ax.set_ylim(1e-6, 1.5)
            ax.set_title("" if number else name, fontsize=9)
        line[0].set_ylabel(place.replace(" ", "\n", 1), fontsize=8)
    axes[0][0].legend(fontsize=7, loc="lower left")
    for ax in axes[-1]:
        ax.set_xlabel("rank of the token")


def cache(steps: int) -> None:
    """What is computed and what is read in each step of drawing, without and with a cache."""
    _figure, axes = plt.subplots(1, 2, figsize=(6.0, 2.5))
    for ax, title in zip(axes, ("without a cache", "with a cache"), strict=True):
        for step in range(steps):
            for place in range(step + 1):
                old = place < step and title.startswith("with a")
                _box(ax, place, -step, "read" if old else "new", ORANGE if old else BLUE, 0.9, 0.8)
        ax.set(xlim=(-0.6, steps - 0.4), ylim=(-steps + 0.4, 0.6), xlabel="place", ylabel="step")
        ax.set_title(title, fontsize=10)
        _bare(ax)


def cache_cost(lengths: Sequence[int], times: Mapping[str, Sequence[float]], megabytes: Sequence[float]) -> None:
    """Milliseconds for one more token by length, without and with the cache; and the cache's size."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.6))
    for (name, values), marker, colour in zip(times.items(), "os", (RED, BLUE), strict=True):
        left.loglog(lengths, values, marker=marker, markersize=4, color=colour, label=f"{name} a cache")
    left.set(xlabel="tokens before", ylabel="ms for one more token")
    left.set_xticks(lengths, [f"{n:,}" for n in lengths], fontsize=8)
    left.xaxis.set_minor_formatter(NullFormatter())
    left.legend()
    right.plot(lengths, megabytes, "s-", color=ORANGE, markersize=4)
    right.set(xlabel="tokens before", ylabel="MB of cache", xlim=(0, None), ylim=(0, None))


def scaling(points: ArrayLike, unigram: float) -> None:
    """Loss of a grid of networks; points (K, 4): weights, tokens, compute, loss; `unigram`: of bare frequencies."""
    n, d, c, loss = np.asarray(points, float).T
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.0), sharey=True)
    for value, colour, marker in zip(np.unique(n), COLOURS, "osd^v<>", strict=False):
        chosen = n == value
        axes[0].loglog(d[chosen], loss[chosen], marker + "-", color=colour, markersize=4, label=f"N = {value:,.0f}")
    for value, colour, marker in zip(np.unique(c), COLOURS[::-1], "osd^v<>", strict=False):
        x, y = n[c == value], loss[c == value]
        axes[1].loglog(x, y, marker + "-", color=colour, markersize=4, label=f"C = {value:.1e}")
        axes[1].loglog(x[y.argmin()], y.min(), "o", color=colour, markersize=10, fillstyle="none")
    axes[0].set(xlabel="tokens read, D", ylabel="validation loss in nats")
    axes[1].set(xlabel="weights, N")
    ticks = np.arange(np.floor(5 * loss.min()) / 5, loss.max() + 0.2, 0.2)
    axes[0].set_yticks(ticks, [f"{tick:.1f}" for tick in ticks])
    for ax in axes:
        ax.axhline(unigram, color="0.4", linestyle=":")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.legend(fontsize=7)


def fits(found: ArrayLike, predicted: Mapping[str, Sequence[float]], measured: float) -> None:
    """Floor against β for each resampled fit (R, 5), and what the fits predict for two networks."""
    found = np.asarray(found)
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.7))
    left.plot(np.exp(found[1:, 0]), found[1:, 4], "o", color=BLUE, alpha=0.35, markersize=4, label="resampled")
    left.plot(np.exp(found[0, 0]), found[0, 4], "D", color=RED, markersize=6, label="all points")
    left.set(xlabel="floor E in nats", ylabel="exponent β of the tokens")
    left.legend()
    edges = np.linspace(0, 1.1 * max(measured, *(max(v) for v in predicted.values())), 40)
    for (name, values), colour in zip(predicted.items(), (BLUE, ORANGE), strict=True):
        label = "this chapter's GPT" if name == "gpt" else "1,000 × N and D"
        right.hist(values, edges, color=colour, alpha=0.6, label=label)
    right.axvline(measured, color="0.2", linestyle="--", label="measured")
    right.set(xlabel="predicted loss in nats", ylabel="fits")
    right.legend(fontsize=8)


def margins(odds: Mapping[str, ArrayLike], labels: ArrayLike, blank: Mapping[str, float]) -> None:
    """Log-odds (N,) for "positive", by true class, one panel a prompt; `blank`: those of a text without content."""
    _figure, axes = plt.subplots(1, len(odds), figsize=(7.2, 2.6), sharex=True, sharey=True)
    labels = np.asarray(labels)
    every = np.concatenate([np.asarray(o) for o in odds.values()])
    edges = np.linspace(min(every.min(), 0) - 0.1, max(every.max(), 0) + 0.1, 12)
    for ax, (name, values) in zip(axes, odds.items(), strict=True):
        for label, colour, word in ((0, RED, "negative texts"), (1, BLUE, "positive texts")):
            ax.hist(np.asarray(values)[labels == label], edges, color=colour, alpha=0.5, label=word)
        ax.axvline(0, color="0.2", linestyle=":")
        ax.axvline(blank[name], color="black", linewidth=1.4, label="no content")
        ax.set(title=f"order {name}", xlabel="log-odds of “positive”")
    axes[0].set_ylabel("texts")
    axes[0].legend(fontsize=8)


def prompts(study: Any, names: Sequence[str], live: Mapping[str, float]) -> None:
    """Accuracy by prompt, decided in three ways: the study's seeds and mean, or else the live values."""
    _figure, ax = plt.subplots(figsize=(7.4, 3.0))
    ways = {"": ("as it answers", ORANGE), "_calibrated": ("calibrated", BLUE), "_halved": ("half “positive”", GREEN)}
    for shift_, (after, (label, colour)) in zip((-0.26, 0, 0.26), ways.items(), strict=True):
        for k, name in enumerate(names):
            key = f"icl_{name}{after}"
            values = study.values(key) if study else [live[key]] if key in live else []
            ax.plot([k + shift_] * len(values), values, "o", color=colour, alpha=0.7, markersize=4, label=label)
            if values:
                ax.plot([k + shift_ - 0.1, k + shift_ + 0.1], [np.mean(values)] * 2, color=colour, linewidth=2.5)
            label = None
    ax.axhline(50, color="0.4", linestyle=":")
    if study:
        ax.axhline(study.mean("tfidf_1000"), color="0.4", linestyle="--")
    words = [name.replace("order_", "four,\n") if "_" in name else f"{name}-shot" for name in names]
    ax.set_xticks(range(len(names)), words)
    ax.set(ylabel="accuracy in %")
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def routing() -> None:
    """Top-1 routing with capacity: six tokens, three experts with two places each, one token dropped."""
    _figure, ax = plt.subplots(figsize=(6.4, 2.7))
    to, taken = (0, 1, 0, 2, 0, 1), [0, 0, 0]
    for t, expert in enumerate(to):
        _box(ax, t, 0, f"token {t + 1}", SKY)
        x, place = 2.2 * expert + 0.3, taken[expert]
        taken[expert] += 1
        if place < 2:
            _box(ax, x - 0.3 + 0.62 * place, 2, str(t + 1), GREEN, 0.56)
            _arrow(ax, (t, 0.4), (x - 0.3 + 0.62 * place, 1.6))
        else:
            _arrow(ax, (t, 0.4), (x + 0.95, 1.6), RED)
            ax.text(x + 1.05, 1.8, "×", color=RED, fontsize=16, ha="center", va="center")
    _box(ax, 2.2 * 2 + 0.3 + 0.32, 2, "", GREY, 0.56)
    for expert, colour in enumerate((BLUE, ORANGE, PURPLE)):
        x = 2.2 * expert + 0.3
        ax.add_patch(Rectangle((x - 0.66, 1.55), 1.34, 0.9, fill=False, edgecolor=colour, linewidth=1.6))
        ax.text(x, 2.7, f"expert {expert + 1}", ha="center", fontsize=9)
    ax.set(xlim=(-0.8, 6.2), ylim=(-0.6, 3.0))
    _bare(ax)


def loads(found: Mapping[str, ArrayLike]) -> None:
    """Shares (steps, E) of tokens that each expert gets, stacked, one panel a network."""
    figure, axes = plt.subplots(1, len(found), figsize=(7.2, 2.8), sharey=True)
    for ax, (name, shares) in zip(axes, found.items(), strict=True):
        shares = np.stack([smooth(column, 5) for column in np.asarray(shares).T])
        bands = ax.stackplot(range(1, shares.shape[1] + 1), shares, colors=COLOURS, edgecolor="0.3", linewidth=0.4)
        ax.set(title=name, xlabel="step", xlim=(1, shares.shape[1]), ylim=(0, 1))
    axes[0].set_ylabel("share of the tokens")
    figure.legend(bands, [f"expert {k + 1}" for k in range(len(bands))], loc="outside right center", fontsize=8)


def capacity(
    factors: Sequence[float], drops: Mapping[str, Sequence[float]], empty: Mapping[str, Sequence[float]]
) -> None:
    """Dropped tokens and empty places in % against the capacity factor, a line for each network."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.6))
    for ax, curves, name in zip(axes, (drops, empty), ("tokens dropped in %", "empty places in %"), strict=True):
        for (label, values), colour, marker in zip(curves.items(), (ORANGE, GREEN), "os", strict=True):
            ax.plot(factors, values, marker=marker, markersize=4, color=colour, label=label)
        ax.axvline(1.25, color="0.5", linestyle=":")
        ax.set(xlabel="capacity factor", ylabel=name, ylim=(-2, None))
    axes[0].legend()


NAMES = {
    "dense": "dense",
    "balanced": "Switch",
    "unbalanced": "no\nbalance",
    "roomy": "all\nkept",
    "small": "small\nstart",
    "wide": "wide",
}  # the networks of `duel`
SHADES = (BLUE, ORANGE, GREEN, YELLOW, PURPLE, RED)


def duel(study: Any, losses: Mapping[str, float], seconds: Mapping[str, float], pairs: float) -> None:
    """Validation loss by network, seed by seed, and CPU-seconds: the study's, or the live run's; `pairs`: bigram."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.9), width_ratios=(1.5, 1))
    runs = {name: study.values(f"loss_{name}") if study else [losses[name]] for name in NAMES}
    times = {name: study.mean(f"cpu_{name}") if study else seconds[name] for name in NAMES}
    table = np.array(list(runs.values()))  # (networks, seeds)
    for seed in table.T:
        left.plot(range(len(NAMES)), seed, color="0.7", linewidth=1, zorder=1)
    for k, (values, colour) in enumerate(zip(table, SHADES, strict=True)):
        left.plot([k] * len(values), values, "o", color=colour, markersize=5)
        left.plot([k - 0.2, k + 0.2], [values.mean()] * 2, color=colour, linewidth=2.5)
    left.text(0.5, 0.03, f"counted pairs: {pairs:.2f}", transform=left.transAxes, ha="center", fontsize=8)
    left.set_xticks(range(len(NAMES)), NAMES.values(), fontsize=8)
    left.set(ylabel="validation loss in nats", xlim=(-0.5, len(NAMES) - 0.5))
    right.bar(range(len(NAMES)), list(times.values()), color=SHADES, width=0.6)
    right.set_xticks(range(len(NAMES)), NAMES.values(), fontsize=7)
    right.set(ylabel="CPU-seconds")
    right.grid(axis="x", visible=False)


class RoutingMap:
    """A text with the number of the expert under each character, one line of numbers for each block.

    text: T characters. experts: for each block T numbers, from 0. Shown as a table where HTML is, else as plain text.
    Raises ValueError where the lengths differ.
    """

    def __init__(self, text: str, experts: Sequence[Sequence[int]], columns: int = 16) -> None:
        if any(len(row) != len(text) for row in experts):
            raise ValueError(f"{len(text)} characters, but {[len(row) for row in experts]} experts")
        self.text, self.experts, self.columns = text, experts, columns

    def _parts(self):
        for start in range(0, len(self.text), self.columns):
            part = slice(start, start + self.columns)
            yield self.text[part], [row[part] for row in self.experts]

    def __repr__(self) -> str:
        lines = []
        for text, rows in self._parts():
            lines.append(" ".join(text))
            lines += [" ".join(f"{e + 1:<2}" for e in row) for row in rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = ""
        for text, rows in self._parts():
            cells = "".join(f"<td>{html.escape(character)}</td>" for character in text)
            body += f'<tr><th scope="row">text</th>{cells}</tr>'
            for k, row in enumerate(rows, 1):
                cells = "".join(
                    f'<td style="background: {TINTS[e % len(TINTS)]}; color: #000">{e + 1}</td>' for e in row
                )
                body += f'<tr><th scope="row">block {k}</th>{cells}</tr>'
        return f'<table class="table" style="text-align: center">{body}</table>'
