"""The closing picture of the detection chapters: average precision against what an answer and a training cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from helpers.plotting import BLUE, GREEN, ORANGE, PURPLE


@dataclass(frozen=True)
class Measured:
    """A detector in its chapter's stored study: AP in % (mean, deviation), CPU-ms a picture, CPU-s of training."""

    name: str
    chapter: int
    ap: float
    deviation: float
    ms: float
    training: float


COLOURS = {3: ORANGE, 4: BLUE, 5: PURPLE, 6: GREEN}  # by chapter


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of the points (cost, gain) that no other beats in both, the cheapest first."""
    kept: list[tuple[float, float]] = []
    for cost, gain in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or gain > kept[-1][1]:
            kept.append((cost, gain))
    return kept


def _lift(one: Measured, beside: Sequence[Measured]) -> float:
    """How far a name is moved up, in points, so that it does not lie on that of a neighbour of nearly the same AP."""
    near = [other.ap for other in beside if abs(other.ap - one.ap) < 1.3]
    return 5.0 * (sum(ap < one.ap for ap in near) - sum(ap > one.ap for ap in near))


def _names(ax: Axes, detectors: Sequence[Measured]) -> None:
    """YOLO's names stand to the left of their points, where nobody else is; so do those at the right edge."""
    for left in (True, False):
        side = [one for one in detectors if (one.chapter == 4 or one.ms > 300) == left]
        for one in side:
            spot = {"xytext": (-5 if left else 5, _lift(one, side)), "textcoords": "offset points"}
            style = {"ha": "right" if left else "left", "va": "center", "fontsize": 6.5, "color": COLOURS[one.chapter]}
            ax.annotate(one.name, (one.ms, one.ap), **spot, **style)


def accuracy_and_cost(detectors: Sequence[Measured], null: float) -> None:
    """AP against CPU-ms a picture and against CPU-s of training, both logarithmic, with the Pareto fronts."""
    _figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.6), sharey=True)
    for ax, cost in zip(axes, ("ms", "training"), strict=True):
        corners = front([(getattr(one, cost), one.ap) for one in detectors])
        ax.step(*zip(*corners, strict=True), where="post", color="0.75", linewidth=1.2, zorder=0)
        ax.axhline(null, color="0.5", linestyle=":", linewidth=1)
        for one in detectors:
            at, colour = getattr(one, cost), COLOURS[one.chapter]
            ax.errorbar(at, one.ap, yerr=one.deviation, color=colour, marker="o", markersize=4, linewidth=1)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_formatter(NullFormatter())
    _names(axes[0], detectors)
    axes[0].set_xlim(left=min(one.ms for one in detectors) / 3)
    axes[0].set(xlabel="CPU-ms a picture", ylabel="AP in %")
    axes[1].set(xlabel="CPU-s of training")
    for chapter in sorted({one.chapter for one in detectors}):
        axes[1].plot([], [], "o", color=COLOURS[chapter], markersize=4, label=f"chapter {chapter}")
    axes[1].legend(loc="lower right", fontsize=8)
