"""Drawings of the chapter on English and Chinese: how text is cut and hidden, what transfers, what each road costs.

Chinese characters stand in HTML, which the reader's own fonts draw; plots carry pinyin and English.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Arc
from numpy.typing import ArrayLike

from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, PURPLE, RED, SKY, band
from helpers.studies import Study

TINTS = ("#cfe3f3", "#fbe3b3")  # neighbouring pieces alternate
GREY, DARK = "#c9c9c9", "#37474f"


def _piece(text: str, colour: str, ink: str = "black") -> str:
    style = f"background: {colour}; color: {ink}; padding: 1px 4px; margin: 1px; border-radius: 3px; white-space: pre"
    return f'<span style="{style}; display: inline-block">{html.escape(text)}</span>'


class Cuts:
    """How readers cut a text: {name: pieces}; what is `unknown` to a reader is grey. In HTML and as plain text."""

    def __init__(self, rows: Mapping[str, Sequence[str]], unknown: Sequence[str] = ("[UNK]", "<unk>")) -> None:
        self.rows, self.unknown = {name: list(pieces) for name, pieces in rows.items()}, set(unknown)

    def __repr__(self) -> str:
        return "\n".join(f"{name} ({len(pieces)}): {' | '.join(pieces)}" for name, pieces in self.rows.items())

    def _repr_html_(self) -> str:
        lines = []
        for name, pieces in self.rows.items():
            shown = "".join(_piece(p, GREY if p in self.unknown else TINTS[i % 2]) for i, p in enumerate(pieces))
            lines.append(
                f'<tr><th scope="row" style="text-align: left">{html.escape(name)}</th>'
                f'<td style="text-align: right">{len(pieces)}</td><td style="text-align: left">{shown}</td></tr>'
            )
        head = "".join(f'<th scope="col" style="text-align: left">{c}</th>' for c in ("reader", "tokens", "cut into"))
        return f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


class Blanks:
    """Draws of blanks over words: {title: for each draw, whether each character is hidden}; ▢ where one is."""

    def __init__(self, words: Sequence[str], draws: Mapping[str, Sequence[Sequence[bool]]]) -> None:
        self.words, self.draws = list(words), draws
        wanted = sum(map(len, words))
        if wrong := [len(row) for rows in draws.values() for row in rows if len(row) != wanted]:
            raise ValueError(f"the words have {wanted} characters, a draw says of {wrong[0]} whether they are hidden")

    def _lines(self, row: Sequence[bool]) -> list[list[tuple[str, bool]]]:
        hidden = iter(row)
        return [[(c, bool(next(hidden))) for c in word] for word in self.words]

    def __repr__(self) -> str:
        shown = [
            f"{title}: " + " ".join("".join("▢" if gone else c for c, gone in word) for word in self._lines(row))
            for title, rows in self.draws.items()
            for row in rows
        ]
        return "\n".join(shown)

    def _repr_html_(self) -> str:
        lines = []
        for title, rows in self.draws.items():
            for row in rows:
                cells = ""
                for i, word in enumerate(self._lines(row)):
                    part = [_piece("▢" if g else c, DARK if g else TINTS[i % 2], "white" if g else "black")
                            for c, g in word]  # fmt: skip
                    cells += f'<span style="white-space: nowrap; margin-right: 5px">{"".join(part)}</span>'
                label = f'<th scope="row" style="text-align: left">{html.escape(title)}</th>'
                lines.append(f'<tr>{label}<td style="text-align: left">{cells}</td></tr>')
        head = (
            '<th scope="col" style="text-align: left">rule</th><th scope="col" style="text-align: left">one draw</th>'
        )
        return f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def lattice(
    syllables: Sequence[str], arcs: Sequence[tuple[int, int, str, float]], best: Sequence[tuple[int, int]],
    greedy: Sequence[tuple[int, int]],
) -> None:  # fmt: skip
    """All words of a list that a text can be cut into, as arcs (start, end, gloss, cost), best path above the line.

    Arcs of `best` are drawn thick, those of `greedy` that are not in it dashed, the others thin; single characters lie
    close to the line. The words of the best path hang above, all others below; both paths' sums stand at the left.
    """
    _figure, ax = plt.subplots(figsize=(7.6, 3.3))
    ax.plot([0, len(syllables)], [0, 0], color="0.6", linewidth=1)
    for i, syllable in enumerate(syllables):
        ax.text(i + 0.5, 0, syllable, ha="center", va="center", fontsize=11, backgroundcolor="white")
    for start, end, gloss, cost in arcs:
        chosen, tempting = (start, end) in best, (start, end) in greedy
        up, width = 1 if chosen else -1, end - start
        colour = GREEN if chosen else RED if tempting else "0.65"
        height = 0.55 + 0.62 * width
        arc = Arc(((start + end) / 2, 0.22 * up), width * 0.94, 2 * height * 0.75, color=colour,
                  theta1=0 if up > 0 else 180, theta2=180 if up > 0 else 360, linewidth=2.4 if chosen else 1.3,
                  linestyle="-" if chosen or not tempting else "--")  # fmt: skip
        ax.add_patch(arc)
        y = up * (0.22 + 0.75 * height)
        ax.text((start + end) / 2, y, f"{gloss}\n{cost:.1f}", ha="center", va="center", fontsize=8,
                color=colour if chosen or tempting else "0.35", backgroundcolor="white")  # fmt: skip
    for path, colour, y in ((best, GREEN, 2.1), (greedy, RED, -2.35)):
        total = sum(cost for start, end, _, cost in arcs if (start, end) in path)
        ax.text(-0.3, y, f"{total:.1f} in all", fontsize=9, color=colour, va="center")
    ax.set(xlim=(-0.3, len(syllables) + 0.3), ylim=(-2.6, 2.4))
    _bare(ax)


def lengths(counts: Mapping[str, Mapping[str, ArrayLike]]) -> None:
    """How many tokens a text becomes: language → {reader: counts (N,)}, a panel of boxes for each language."""
    _figure, axes = plt.subplots(1, len(counts), figsize=(7.8, 3.0), sharey=True, sharex=True)
    for ax, (title, readers) in zip(axes, counts.items(), strict=True):
        boxes = ax.boxplot(list(readers.values()), orientation="horizontal", whis=(5, 95), showfliers=False,
                           patch_artist=True, medianprops={"color": BLACK})  # fmt: skip
        for box, colour in zip(boxes["boxes"], COLOURS, strict=False):
            box.set(facecolor=colour, alpha=0.45)
        ax.set_yticks(range(1, len(readers) + 1), list(readers))
        ax.invert_yaxis() if ax is axes[0] else None
        ax.set(xscale="log", xlabel="tokens in a text", title=title)
        ax.set_xticks([5, 10, 20, 50, 100, 200], ["5", "10", "20", "50", "100", "200"])
        ax.minorticks_off()


def coverage(counts: Mapping[str, ArrayLike]) -> None:
    """Which share of a text (%) the k most frequent units cover: {kind of unit: counts, in any order}."""
    _figure, ax = plt.subplots(figsize=(6.6, 3.0))
    styles = zip((SKY, ORANGE, BLUE, RED), ("--", "--", "-", "-"), strict=True)
    for (name, values), (colour, dashes) in zip(counts.items(), styles, strict=False):
        ranked = np.sort(np.asarray(values, float))[::-1]
        ax.plot(np.arange(1, len(ranked) + 1), 100 * ranked.cumsum() / ranked.sum(), dashes, color=colour, label=name)
    ax.set(xscale="log", xlabel="how many units, the most frequent first", ylabel="share of the text (%)")
    ax.legend(loc="lower right")


def leak(bars: Mapping[str, float]) -> None:
    """Share of blanks filled rightly (%), a bar for each thing known."""
    _figure, ax = plt.subplots(figsize=(6.6, 0.5 + 0.42 * len(bars)))
    colours = [BLUE if "half seen" in name else GREY if "frequency" in name else ORANGE for name in bars]
    rows = np.arange(len(bars))[::-1]
    ax.barh(rows, list(bars.values()), color=colours, height=0.6)
    for y, value in zip(rows, bars.values(), strict=True):
        ax.text(value, y, f" {value:.0f}", va="center", fontsize=9)
    ax.set_yticks(rows, list(bars))
    ax.set(xlabel="blanks filled rightly (%)", xlim=(0, max(bars.values()) * 1.12))
    ax.grid(axis="y", visible=False)


def grid(ax: Axes, values: ArrayLike, rows: Sequence[str], columns: Sequence[str], title: str = "",
         low: float | None = None, high: float | None = None, spread: ArrayLike | None = None) -> None:  # fmt: skip
    """A small matrix as coloured squares with its numbers (and ± spread) written in."""
    values = np.asarray(values, float)
    image = ax.imshow(values, cmap="Blues", vmin=low, vmax=high)
    for (i, j), value in np.ndenumerate(values):
        dark = image.norm(value) > 0.6
        text = f"{value:.1f}" + (f"\n± {np.asarray(spread)[i, j]:.1f}" if spread is not None else "")
        ax.text(j, i, text, ha="center", va="center", fontsize=8.5, color="white" if dark else "black")
    ax.set_xticks(range(len(columns)), columns, fontsize=8.5)
    ax.set_yticks(range(len(rows)), rows, fontsize=8.5)
    ax.grid(False)
    ax.set_title(title)


def fills(values: ArrayLike, spread: ArrayLike | None, rules: Sequence[str]) -> None:
    """Blanks filled rightly (%), rules of training down, rules of testing across."""
    _figure, ax = plt.subplots(figsize=(4.4, 2.6))
    grid(ax, values, [f"trained: {r}" for r in rules], [f"asked: {r}" for r in rules], spread=spread)


def transfer(matrices: Mapping[str, ArrayLike], names: Sequence[str], spreads: Mapping[str, ArrayLike] | None) -> None:
    """Accuracy (%) of probes: trained on the texts named down, tested on those across; a panel for each title."""
    _figure, axes = plt.subplots(1, len(matrices), figsize=(2.75 * len(matrices) + 0.4, 2.9), sharey=True)
    for ax, (title, values) in zip(axes, matrices.items(), strict=True):
        spread = spreads[title] if spreads else None
        grid(ax, values, names, [n.replace(" ", "\n") for n in names], title, 50, 90, spread)
        ax.set_xlabel("tested on")
    axes[0].set_ylabel("trained on")


def planes(panels: Mapping[str, ArrayLike], groups: ArrayLike, labels: ArrayLike, names: Sequence[str]) -> None:
    """Vectors in the plane of their first two principal components, a panel for each title: points (N, 2).

    groups: Which of `names` each text belongs to. labels: 1 (filled) or 0 (open).
    """
    groups, labels = np.asarray(groups), np.asarray(labels)
    figure, axes = plt.subplots(1, len(panels), figsize=(7.8, 3.2))
    for ax, (title, points) in zip(axes, panels.items(), strict=True):
        points = np.asarray(points)
        for g, (name, colour, marker) in enumerate(zip(names, (BLUE, SKY, ORANGE), "os^", strict=False)):
            for label in (0, 1):
                part = points[(groups == g) & (labels == label)]
                face = colour if label else "none"
                ax.scatter(part[:, 0], part[:, 1], s=14, marker=marker, facecolors=face, edgecolors=colour,
                           linewidths=0.7, alpha=0.75, label=name if label else None)  # fmt: skip
        ax.set(title=title, xlabel="first component", ylabel="second component", xticks=[], yticks=[])
    handles, texts = axes[0].get_legend_handles_labels()
    for face, text in (("0.4", "positive"), ("none", "negative")):
        handles.append(axes[0].scatter([], [], s=14, facecolors=face, edgecolors="0.4", linewidths=0.7))
        texts.append(text)
    figure.legend(handles, texts, loc="outside lower center", ncols=5, fontsize=8.5)


def slide(steps: Sequence[float], accuracy: Mapping[str, ArrayLike], positive: Mapping[str, ArrayLike]) -> None:
    """A target's vectors moved along the difference of two means: accuracy and share called positive, in %."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.8), sharex=True)
    for ax, curves, label in zip(axes, (accuracy, positive), ("accuracy (%)", "called positive (%)"), strict=True):
        for (name, values), colour in zip(curves.items(), (ORANGE, GREEN, BLUE), strict=False):
            ax.plot(steps, values, "o-", markersize=3.5, color=colour, label=name)
        ax.axvline(0, color="0.6", linewidth=1)
        ax.axvline(1, color="0.3", linewidth=1, linestyle="--")
        ax.axhline(50, color="0.5", linewidth=1, linestyle=":")
        ax.set(xlabel="moved by (0: as they are, 1: means meet)", ylabel=label)
    axes[1].legend(fontsize=8)


LINES = {"tfidf": BLACK, "scratch": GREEN, "minilm": BLUE, "e5": ORANGE, "random": PURPLE, "seen": SKY}
LINES |= {"bert_zh": RED, "wwm": "0.45"}  # the hub's, in the full profile


def label_counts(
    study: Study | None, panels: Mapping[str, tuple[Sequence[int], Mapping[str, str]]], live: Mapping[str, float],
    nulls: Mapping[str, float],
) -> None:  # fmt: skip
    """Accuracy (%) against the number of labels: the study's mean ± sd, the live run as crosses.

    panels: title → (counts, {label: stem of the records' names}), all the labels in the last; live: {stem_n: accuracy};
    nulls: title → accuracy of always saying the more frequent class, dotted. A line that the study lacks is live only.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(7.9, 3.9), sharey=True)
    for ax, (title, (counts, lines)) in zip(axes, panels.items(), strict=True):
        for label, stem in lines.items():
            colour = LINES[stem.partition("_")[2]]
            stored = study is not None and all(f"{stem}_{n}" in study.records for n in counts)
            if stored:
                runs = np.array([study.values(f"{stem}_{n}") for n in counts]).T
                band(ax, counts, runs, label, color=colour)
            points = {n: live[f"{stem}_{n}"] for n in counts if f"{stem}_{n}" in live}
            ax.plot(list(points), list(points.values()), "x", color=colour, label=None if stored else label)
        ax.axhline(nulls[title], color="0.5", linestyle=":", linewidth=1)
        ax.set(xscale="log", xlabel="labelled texts", title=title)
        ax.set_xticks(counts, [f"{n:,}" for n in counts])
        ax.minorticks_off()
    axes[0].set_ylabel("test accuracy (%)")
    handles, texts = axes[-1].get_legend_handles_labels()
    figure.legend(handles, texts, fontsize=8.5, loc="outside lower center", ncols=3)


def roads(
    points: Mapping[str, tuple[ArrayLike, ArrayLike, Sequence[int]]],
    spreads: Mapping[str, ArrayLike] | None = None, below: Sequence[str] = (), null: float | None = None,
) -> None:  # fmt: skip
    """Accuracy (%) against CPU-seconds, logarithmic: label → (seconds, accuracies, label counts written beside).

    spreads: label → standard deviations of its accuracies. below: Labels whose counts stand under their points.
    """
    figure, ax = plt.subplots(figsize=(7.2, 4.5))
    places = {"above": ((0, 6), "center"), "below": ((0, -12), "center"), "right": ((6, -3), "left")}
    for (label, (seconds, accuracy, counts)), colour in zip(points.items(), COLOURS, strict=False):
        ax.plot(seconds, accuracy, "o-", color=colour, markersize=4.5, label=label)
        if spreads and label in spreads:
            ax.errorbar(seconds, accuracy, spreads[label], fmt="none", color=colour, alpha=0.45, linewidth=1)
        steep = max(seconds) < 3 * min(seconds)
        offset, align = places["right" if steep else "below" if label in below else "above"]
        for x, y, n in zip(seconds, accuracy, counts, strict=True):
            ax.annotate(f"{n:,}", (x, y), xytext=offset, textcoords="offset points", fontsize=7.5, ha=align,
                        color=colour)  # fmt: skip
    ax.set(xscale="log", xlabel="CPU-seconds to train", ylabel="test accuracy (%)")
    if null is not None:
        ax.axhline(null, color="0.5", linestyle=":", linewidth=1)
    ax.margins(x=0.07, y=0.12)
    figure.legend(fontsize=8.5, loc="outside lower center", ncols=2)
