"""Drawings of chapter 2: the zoo as a riddle, Pareto fronts (one of them an SVG that answers to the pointer and the
keyboard), depth against recipe, and how alike a committee's members err."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike

from helpers.plotting import BLUE, GREEN, ORANGE, RED


def riddle(layers: Sequence[float], weights: Sequence[float], operations: Sequence[float]) -> None:
    """Draw three rows of bars, one bar for each network, lettered from A on, without their names."""
    letters = [chr(ord("A") + i) for i in range(len(layers))]
    panels = (("layers with weights", layers), ("weights, millions", weights), ("multiply-adds, billions", operations))
    _figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.5), sharey=True)
    for ax, (title, values) in zip(axes, panels, strict=True):
        bars = ax.barh(letters, list(values), color=BLUE, alpha=0.8)
        ax.bar_label(bars, fmt="{:,.3g}", padding=2, fontsize=8)
        ax.set_title(title, fontsize=9)
        ax.margins(x=0.2)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="x", labelsize=8)
    axes[0].invert_yaxis()


@dataclass(frozen=True)
class Point:
    """A dot: its name, where it lies, what to say of it, and whether it lies on the front or stands aside."""

    name: str
    x: float
    y: float
    says: str
    front: bool = False
    aside: bool = False


class Drawing:
    """An inline SVG that a notebook shows: no script, nothing from elsewhere."""

    def __init__(self, svg: str, description: str):
        self.svg, self.description = svg, description

    def __repr__(self) -> str:
        return self.description

    def _repr_html_(self) -> str:
        return self.svg


# Without this style sheet (some viewers drop it) the sheets of information stay hidden and the titles still answer.
STYLE = (
    ".zoo-dot:hover .zoo-tip,.zoo-dot:focus .zoo-tip{visibility:visible}"
    ".zoo-dot:hover circle,.zoo-dot:focus circle{stroke:#000;stroke-width:2.5}.zoo-dot:focus{outline:none}"
)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 460, 52, 16, 46, 44


def pareto_svg(points: Iterable[Point], *, xlabel: str, ylabel: str, description: str, hint: str) -> Drawing:
    """Draw points over a logarithmic axis; hovering over a dot, or focusing one of the front, shows what it says.

    The front is a line in steps, its members are labelled and can be reached with the Tab key. `description` is for
    screen readers, `hint` stands where the answers appear.
    """
    points = sorted(points, key=lambda point: (point.front, point.x))  # the front is drawn last, on top
    if not points or min(point.x for point in points) <= 0:
        raise ValueError("a logarithmic axis needs at least one point, and all x above 0")
    x_low, x_high = min(p.x for p in points) / 1.3, max(p.x for p in points) * 1.3
    y_low, y_high = min(p.y for p in points) - 2, max(p.y for p in points) + 2

    def across(x: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * log10(x / x_low) / log10(x_high / x_low), 1)

    def down(y: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y_low) / (y_high - y_low), 1)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{escape(description)}" '
        'style="width:100%;max-width:760px;height:auto;background:#fff" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" fill="#595959">{escape(hint)}</text>',
    ]
    for power in range(floor(log10(x_low)) + 1, floor(log10(x_high)) + 1):
        x = across(10.0**power)
        parts.append(f'<path d="M{x} {TOP}V{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{10.0**power:g}</text>')
    for tick in range(5 * (floor(y_low / 5) + 1), floor(y_high) + 1, 5):
        y = down(tick)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{tick}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(xlabel)}</text>')
    turn = f'transform="rotate(-90 14 {HEIGHT / 2})"'
    parts.append(f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" {turn}>{escape(ylabel)}</text>')
    front = [point for point in points if point.front]
    if front:
        steps = "".join(f"H{across(p.x)}V{down(p.y)}" for p in front[1:])
        path = f"M{across(front[0].x)} {down(front[0].y)}{steps}"
        parts.append(f'<path d="{path}" fill="none" stroke="{ORANGE}" stroke-width="2"/>')
    parts += [_dot(point, across(point.x), down(point.y)) for point in points]
    places = [(across(point.x), down(point.y)) for point in front]
    for point, (x, y, anchor) in zip(front, _free_places([p.name for p in front], places), strict=True):
        parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="10.5" stroke="#fff" stroke-width="3" '
            f'paint-order="stroke" pointer-events="none" aria-hidden="true">{escape(point.name)}</text>'
        )
    return Drawing("".join([*parts, "</svg>"]), description)


def _free_places(names: Sequence[str], dots: Sequence[tuple[float, float]]) -> list[tuple[float, float, str]]:
    """Where to write each name beside its dot: (x, y, text-anchor), off the other names and dots as far as possible."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in dots]
    chosen = []
    for name, (x, y) in zip(names, dots, strict=True):
        width = 6 * len(name)
        options = []
        for rise in (-6, 16, -19, 29, -32, 42, -45, 55):  # nearest first: above and below, further and further away
            for anchor, left in (("end", x - 8 - width), ("start", x + 8)) if rise < 0 else (("start", x + 8),):
                box = (left, y + rise - 9, left + width, y + rise + 3)
                outside = box[0] < LEFT or box[2] > WIDTH or box[1] < TOP - 8 or box[3] > HEIGHT - BOTTOM
                clashes = sum(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken)
                options.append((outside, clashes, len(options), box, x - 8 if anchor == "end" else x + 8, anchor))
        _, _, _, box, at, anchor = min(options)
        taken.append(box)
        chosen.append((round(at, 1), round(box[1] + 9, 1), anchor))
    return chosen


def _dot(point: Point, x: float, y: float) -> str:
    says = f"{point.name}: {point.says}"
    colour, radius = (ORANGE, 6) if point.front else ("#fff", 4) if point.aside else (BLUE, 4.5)
    edge = "#595959" if point.aside else "#fff"
    focus = f' tabindex="0" role="img" aria-label="{escape(says)}"' if point.front else ""
    tip = (
        f'<g class="zoo-tip" visibility="hidden"><rect x="{LEFT}" y="6" width="{WIDTH - LEFT}" height="28" '
        f'fill="#fff"/><text x="{LEFT}" y="24" font-weight="bold">{escape(says)}</text></g>'
    )
    return (
        f'<g class="zoo-dot"{focus}><title>{escape(says)}</title>'
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}" stroke="{edge}" fill-opacity="0.85"/>{tip}</g>'
    )


def _plain_ticks(axis: Axis) -> None:
    """Numbers such as 20, 50, 100 on a short logarithmic axis, in place of powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def latencies(names: Sequence[str], gmacs: ArrayLike, milliseconds: ArrayLike) -> None:
    """Draw measured time against multiply-adds, with lines along which it is in proportion, and beside it the
    milliseconds for a billion multiply-adds. All (N,)."""
    gmacs, milliseconds = np.asarray(gmacs), np.asarray(milliseconds)
    rate = milliseconds / gmacs
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.6), width_ratios=(1.3, 1))
    ends = np.array([gmacs.min() / 4, gmacs.max() * 1.2])
    for times in (1, 2, 4):
        left.plot(ends, rate.min() * times * ends, color="0.7", linestyle=":", linewidth=1)
        text = f"{rate.min() * times:.0f} ms per GMAC"
        left.annotate(text, (ends[1], rate.min() * times * ends[1]), fontsize=6.5, color="0.4", ha="right", va="bottom")
    left.scatter(gmacs, milliseconds, s=16)
    named: list[np.ndarray] = []
    # Names where there is room: the first baseline's, then the slowest for their arithmetic.
    for i in sorted(range(len(names)), key=lambda i: (names[i] != "resnet50", -rate[i])):
        here = np.log([gmacs[i], milliseconds[i]])
        if all(abs(here[0] - there[0]) > 1.3 or abs(here[1] - there[1]) > 0.4 for there in named):
            spot = {"xytext": (-4, 4), "textcoords": "offset points", "fontsize": 6.5, "ha": "right"}
            left.annotate(names[i], (gmacs[i], milliseconds[i]), **spot)
            named.append(here)
    left.set(xscale="log", yscale="log", xlabel="GMACs", ylabel="milliseconds, one thread")
    _plain_ticks(left.xaxis)
    _plain_ticks(left.yaxis)
    order = np.argsort(rate)
    right.barh([names[i] for i in order], rate[order], color=BLUE, alpha=0.8)
    right.tick_params(axis="y", labelsize=6.5)
    right.set(xlabel="ms per GMAC")
    right.grid(axis="y", visible=False)


def fronts(panels: Sequence[tuple[str, ArrayLike, ArrayLike, ArrayLike, Sequence[str]]]) -> None:
    """Draw one panel for each cost: (label of the cost, costs (N,), accuracies (N,), the front's indices from cheap to
    dear, names (N,)); costs on a logarithmic axis, the front as a line in steps."""
    figure, axes = plt.subplots(1, len(panels), figsize=(7.4, 3.0), sharey=True)
    for ax, (label, cost, score, front, names) in zip(np.atleast_1d(axes), panels, strict=True):
        cost, score, front = np.asarray(cost), np.asarray(score), np.asarray(front)
        ax.scatter(cost, score, s=10, color=BLUE, alpha=0.5)
        ax.step(cost[front], score[front], where="post", color=ORANGE, linewidth=1.4)
        ax.scatter(cost[front], score[front], s=22, color=ORANGE, zorder=3)
        for place, i in enumerate(front):
            if place in (0, len(front) // 2, len(front) - 1):  # three names are all that a small panel holds
                ax.annotate(names[i], (cost[i], score[i]), xytext=(3, -10), textcoords="offset points", fontsize=6.5)
        ax.set(xscale="log", xlabel=label)
        ax.xaxis.label.set_size(9)
        if cost.max() < 100 * cost.min():
            _plain_ticks(ax.xaxis)
    figure.supylabel("ImageNet top-1 accuracy in %", fontsize=9)


def ladders(rungs: Mapping[str, tuple[Sequence[int], Sequence[float]]], recipes: Mapping[str, tuple]) -> None:
    """Left, accuracy against the number in a network's name, a line for each family: {family: (depths, accuracies)}.
    Right, the same network under two recipes: {network: (old, new)}."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.4), width_ratios=(1.25, 1))
    for family, (depths, scores) in rungs.items():
        left.plot(depths, scores, "o-", markersize=4, label=family)
    left.set(xlabel="layers (the number in the name)", ylabel="ImageNet top-1 accuracy in %")
    left.legend(fontsize=7.5, loc="lower right")
    ordered = sorted(recipes.items(), key=lambda item: item[1][0])
    for row, (_name, (old, new)) in enumerate(ordered):
        right.plot([old, new], [row, row], color="0.6", linewidth=1.2, zorder=1)
    right.scatter([old for _, (old, _new) in ordered], range(len(ordered)), s=14, color=RED, label="old recipe (V1)")
    right.scatter([new for _, (_old, new) in ordered], range(len(ordered)), s=14, color=GREEN, label="new recipe (V2)")
    right.set_yticks(range(len(ordered)), [name for name, _ in ordered], fontsize=6.5)
    right.set(xlabel="accuracy in %")
    right.grid(axis="y", visible=False)
    right.legend(fontsize=7, loc="lower right")


def matrix(values: ArrayLike, names: Sequence[str], label: str) -> Axes:
    """Draw a symmetric table (M, M) of how alike the members of an ensemble err; the diagonal is left out."""
    values = np.array(values, dtype=float)
    np.fill_diagonal(values, np.nan)
    _figure, ax = plt.subplots(figsize=(5.4, 4.2))
    image = ax.imshow(values, cmap="Blues")
    limit = np.nanmin(values) + 0.6 * (np.nanmax(values) - np.nanmin(values))
    for (row, column), value in np.ndenumerate(values):
        if row != column:
            colour = "w" if value > limit else "k"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.grid(False)
    ax.figure.colorbar(image, label=label, shrink=0.8)
    return ax
