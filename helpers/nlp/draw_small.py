"""Drawings of the chapter on small language models: distillation, pruning, quantisation, and linear attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle
from numpy.typing import ArrayLike

from helpers.plotting import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from helpers.studies import Study

PALE, GREY = "#d9e8f5", "0.55"
NULL = {"color": "0.5", "linestyle": ":", "linewidth": 1}


def _bare(ax: Axes, width: float, height: float) -> None:
    ax.set(xlim=(0, width), ylim=(0, height), xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def _box(ax: Axes, x: float, y: float, w: float, h: float, text: str, colour: str = PALE, size: float = 8.5) -> None:
    shape = FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=0.06", facecolor=colour, edgecolor="0.35",
                           linewidth=0.8)  # fmt: skip
    ax.add_patch(shape)
    ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", fontsize=size)


def _arrow(ax: Axes, a: tuple[float, float], b: tuple[float, float], colour: str = "0.35", style: str = "-|>") -> None:
    ax.annotate(
        "", b, a, arrowprops={"arrowstyle": style, "color": colour, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    )


def _spread(values: ArrayLike) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if np.size(values) > 1 else 0.0


def _floors(axes: Sequence[Axes], null: float, svm: float | None) -> None:
    """Two horizontal lines that a model should not fall below: guessing (dotted), word counts (dash-dotted)."""
    for ax in axes:
        ax.axhline(null, **NULL)
        if svm is not None:
            ax.axhline(svm, **(NULL | {"linestyle": "-.", "color": GREEN}))


def sizes(study: Study | None, shown: Mapping[str, tuple[str, str]]) -> None:
    """Accuracy against MB: label → (record of the size, record of the accuracy); the first one is the model itself."""
    _figure, ax = plt.subplots(figsize=(7.0, 3.3))
    colours = (BLACK, SKY, BLUE, PURPLE, GREEN, ORANGE, RED)
    if study is None:
        ax.text(0.5, 0.5, "no stored study yet", transform=ax.transAxes, ha="center")
    else:
        for i, ((label, (mb, accuracy)), colour) in enumerate(zip(shown.items(), colours, strict=False)):
            (x, _), (y, spread) = _spread(study.values(mb)), _spread(study.values(accuracy))
            ax.errorbar(x, y, yerr=spread, fmt="os^DvPX"[i % 7], color=colour, capsize=3, markersize=7, label=label)
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        _floors([ax], study.mean("null_accuracy"), study.mean("acc_svm"))
    ax.set(xscale="log", xlabel="size of the file (MB)", ylabel="test accuracy (%)")
    if study is not None:
        ax.set_xticks([10, 20, 50, 100], ["10", "20", "50", "100"])
        ax.minorticks_off()


def distillation() -> None:
    """A teacher of six layers, a student of three, what is copied, and the three losses between them."""
    _figure, ax = plt.subplots(figsize=(7.6, 4.0))
    _bare(ax, 10, 6.2)
    ax.text(1.9, 5.95, "teacher", ha="center", fontsize=10, weight="bold")
    ax.text(5.9, 5.95, "student", ha="center", fontsize=10, weight="bold")
    for x in (0.7, 4.7):
        _box(ax, x, 0.1, 2.4, 0.4, "embeddings (frozen)", "white", 8)
    for i in range(6):
        _box(ax, 0.7, 0.75 + 0.55 * i, 2.4, 0.4, f"layer {i + 1}", SKY if i % 2 == 0 else PALE)
    for j, i in enumerate((0, 2, 4)):
        y, to = 0.95 + 0.55 * i, 1.15 + 1.1 * j
        _box(ax, 4.7, to - 0.2, 2.4, 0.4, f"layer {j + 1}", SKY)
        _arrow(ax, (3.1, y), (4.7, to), GREY)
    ax.text(3.9, 1.75, "copied\nat the start", ha="center", fontsize=7.5, color="0.35")
    for x in (0.7, 4.7):
        _box(ax, x, 4.1, 2.4, 0.4, "last states", "white", 8)
        _box(ax, x, 4.75, 2.4, 0.4, "mean, head", ORANGE, 8)
        _box(ax, x, 5.35, 2.4, 0.4, "logits", "white", 8)
    for y, colour, text in ((4.3, GREEN, "cosine loss"), (5.55, BLUE, "soft loss")):
        _arrow(ax, (3.15, y), (4.65, y), colour, "<|-|>")
        ax.text(3.9, y + 0.1, text, ha="center", fontsize=8.5, color=colour)
    _box(ax, 8.3, 5.35, 1.5, 0.4, "label, if any", "white", 8)
    _arrow(ax, (7.15, 5.55), (8.25, 5.55), RED, "<|-|>")
    ax.text(7.7, 5.72, "hard loss", ha="center", fontsize=8.5, color=RED)


def temperatures(panels: Mapping[float, ArrayLike]) -> None:
    """Histograms of probabilities in [0, 1], one panel a temperature."""
    _figure, axes = plt.subplots(1, len(panels), figsize=(7.6, 2.3), sharey=True)
    for ax, (tau, p) in zip(axes, panels.items(), strict=True):
        ax.hist(np.ravel(p), np.linspace(0, 1, 21), color=BLUE, alpha=0.8)
        ax.set(title=f"τ = {tau}", xlabel="probability of “positive”", xlim=(0, 1))
    axes[0].set_ylabel("texts")


def students(values: Mapping[str, Sequence[float]], null: float) -> None:
    """Accuracies (%) of one or more runs a label, from the top downwards: mean, deviation, single runs."""
    _figure, ax = plt.subplots(figsize=(7.2, 4.1))
    colours = (BLACK, GREY, GREEN, *[BLUE] * 6, *[ORANGE] * 3)
    for y, ((_label, runs), colour) in enumerate(zip(values.items(), colours, strict=False)):
        mean, spread = _spread(runs)
        ax.errorbar(mean, y, xerr=spread, fmt="o", color=colour, capsize=3, markersize=7)
        if len(runs) > 1:
            ax.plot(runs, [y + 0.22] * len(runs), ".", color=colour, alpha=0.5, markersize=5)
    ax.axvline(null, **NULL)
    ax.set_yticks(range(len(values)), list(values))
    ax.invert_yaxis()
    ax.set_xlabel("test accuracy (%)")


def _curve(ax: Axes, study: Study | None, live: Mapping[Any, float], name: str, shares: Sequence[float], label: str,
           colour: str, style: str) -> None:  # fmt: skip
    if study:
        found = [_spread(study.values(f"acc_{name}_{100 * s:.0f}")) for s in shares]
    else:
        found = [(live[name, s], 0.0) for s in shares]
    start = _spread(study.values("acc_teacher")) if study else (live["teacher"], 0.0)
    mean, spread = (np.array(part) for part in zip(start, *found, strict=True))
    ax.errorbar(
        [0, *(100 * np.array(shares))], mean, spread, fmt=style, color=colour, capsize=3, markersize=5, label=label
    )


def pruning(
    study: Study | None,
    live: Mapping[Any, float],
    shares: Mapping[str, Sequence[float]],
    names: tuple[Mapping[str, str], Mapping[str, str]],
    depth: int,
) -> None:
    """Accuracy after removing weights, heads (against the share removed) and single layers."""
    _figure, axes = plt.subplots(1, 3, figsize=(8.2, 2.9), sharey=True)
    of_weights = (0.3, 0.5, 0.7, 0.9) if study else shares["magnitude"]
    for ax, group, these, title in zip(axes, names, (of_weights, shares["heads"]), ("weights", "heads"), strict=False):
        for (name, label), colour, style in zip(group.items(), (BLUE, GREY), ("o-", "s--"), strict=True):
            _curve(ax, study, live, name, these, label, colour, style)
        ax.set(title=title, xlabel="removed (%)")
    axes[1].legend(loc="lower left", fontsize=8)
    runs = np.atleast_2d(
        study.values("acc_without_layer") if study else [live["without layer", i] for i in range(depth)]
    )
    spread = runs.std(0, ddof=1) if len(runs) > 1 else None
    axes[2].bar(range(1, depth + 1), runs.mean(0), yerr=spread, color=SKY, capsize=3)
    teacher = np.mean(study.values("acc_teacher")) if study else live["teacher"]
    axes[2].axhline(teacher, color=BLACK, linewidth=1, linestyle="--")
    axes[2].set(title="one layer", xlabel="layer removed", xticks=range(1, depth + 1))
    live_floors = live.get("null", 50.0), live.get("svm")
    floors = (study.mean("null_accuracy"), study.mean("acc_svm")) if study else live_floors
    _floors(axes, *floors)
    again = _spread(study.values("acc_retrained")) if study else (live.get("retrained", np.nan), 0.0)
    axes[0].errorbar(100 * of_weights[-1], *again, fmt="D", color=ORANGE, mfc="white", capsize=3, label="retrained")
    axes[0].legend(loc="lower left", fontsize=8)
    axes[0].set_ylim(40, 90)
    axes[0].set_ylabel("test accuracy (%)")


def grids(w: ArrayLike, panels: Mapping[str, ArrayLike]) -> None:
    """Histograms of the original weights and, in front of them, of the restored ones."""
    w = np.ravel(w)
    limit = np.quantile(np.abs(w), 0.998)
    bins = np.linspace(-limit, limit, 120)
    _figure, axes = plt.subplots(1, len(panels), figsize=(8.0, 2.5), sharey=True)
    for ax, (title, back) in zip(axes, panels.items(), strict=True):
        ax.hist(w, bins, color="0.7", label="original")
        ax.hist(np.ravel(back), bins, histtype="step", color=BLUE, linewidth=1.1, label="restored")
        ax.set(title=title, xlabel="weight", yscale="log")
    axes[0].set_ylabel("weights")
    axes[0].legend(loc="upper right", fontsize=7)


def costs(values: Mapping[str, tuple[float, float | None]]) -> None:
    """Relative size and time of each variant, as bars; None where there is no time."""
    _figure, ax = plt.subplots(figsize=(7.2, 3.6))
    for y, (size, time) in enumerate(values.values()):
        ax.barh(y - 0.19, size, 0.36, color=BLUE, label="_" if y else "size of the file")
        ax.text(size + 0.01, y - 0.19, f"{size:.2f}", va="center", fontsize=8)
        if time is not None:
            ax.barh(y + 0.19, time, 0.36, color=ORANGE, label="_" if y else "time")
            ax.text(time + 0.01, y + 0.19, f"{time:.2f}", va="center", fontsize=8)
    ax.axvline(1, color="0.5", linewidth=1)
    ax.set_yticks(range(len(values)), list(values))
    ax.invert_yaxis()
    ax.set_xlabel("relative to the teacher")
    ax.margins(x=0.08)
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)


def orders() -> None:
    """Two bracketings of features(Q) features(K)ᵀ V as rectangles of the right proportions."""
    _figure, ax = plt.subplots(figsize=(7.8, 3.6))
    _bare(ax, 14, 7)

    def block(x: float, y: float, w: float, h: float, text: str, colour: str) -> None:
        ax.add_patch(Rectangle((x, y - h / 2), w, h, facecolor=colour, edgecolor="0.3", linewidth=0.8))
        ax.text(x + w / 2, y, text, ha="center", va="center", fontsize=9)

    def sign(x: float, y: float, text: str, size: float = 13) -> None:
        ax.text(x, y, text, ha="center", va="center", fontsize=size)

    for y, first in ((5.3, "left"), (1.7, "right")):
        sign(0.25, y, "(" if first == "left" else "", 22)
        block(0.5, y, 0.9, 2.8, "φ(Q)", SKY)
        sign(1.75, y, "(" if first == "right" else "", 22)
        block(2.0, y, 2.8, 0.9, "φ(K)ᵀ", SKY)
        sign(5.05, y, ")" if first == "left" else "", 22)
        block(5.3, y, 0.7, 2.8, "V", ORANGE)
        sign(6.25, y, ")" if first == "right" else "", 22)
        sign(6.8, y, "=")
    block(7.4, 5.3, 2.8, 2.8, "T × T", "#f4c7b8")
    block(10.5, 5.3, 0.7, 2.8, "V", ORANGE)
    block(7.4, 1.7, 0.9, 2.8, "φ(Q)", SKY)
    block(8.6, 1.7, 0.7, 0.9, "m×d", "#b9e0d2")
    sign(12.7, 5.3, "T²(m + d)\nproducts", 9.5)
    sign(12.7, 1.7, "2 T m d\nproducts", 9.5)


def kernel(angles: ArrayLike, rmse: Mapping[str, Sequence[float]], r: float, m: int) -> None:
    """Relative error of kernel estimates by angle: measured, and the formulas for independent directions."""
    _figure, ax = plt.subplots(figsize=(6.8, 3.1))
    fine = np.linspace(0.02, np.pi - 0.02, 200)
    xy, z2, delta2 = r * r * np.cos(fine), 2 * r * r * (1 + np.cos(fine)), 2 * r * r * (1 - np.cos(fine))
    formulas = {
        "positive, independent": np.sqrt((np.exp(z2) - 1) / m),
        "trigonometric": np.sqrt(np.exp(2 * r * r) * (1 - np.exp(-delta2)) ** 2 / (2 * m)) / np.exp(xy),
    }
    for (name, values), colour, mark in zip(rmse.items(), (BLUE, ORANGE, GREEN), "os^", strict=True):
        if name in formulas:
            ax.plot(np.degrees(fine), formulas[name], color=colour, linewidth=1.2)
        points = np.array(values)
        shown = points > 1e-4
        ax.plot(np.degrees(angles)[shown], points[shown], mark, color=colour, label=name, markersize=5)
    ax.set(yscale="log", xlabel="angle between x and y (degrees)", ylabel="error / kernel", xticks=range(0, 181, 30))
    ax.set_ylim(bottom=0.02)
    ax.legend()


def errors(
    features: Sequence[int],
    found: Mapping[tuple[float, str], Sequence[float]],
    null: Mapping[float, float],
    titles: Mapping[float, str],
) -> None:
    """Relative error of attention by number of features, a panel for each scale, with the null as a dashed line."""
    _figure, axes = plt.subplots(1, len(titles), figsize=(7.8, 3.1), sharey=True)
    for ax, (sigma, title) in zip(axes, titles.items(), strict=True):
        ax.axhline(null[sigma], color=BLACK, linestyle="--", linewidth=1.2, label="null: mean of all values")
        kinds = [kind for s, kind in found if s == sigma]
        for kind, colour, mark in zip(kinds, (BLUE, SKY, ORANGE), "os^", strict=True):
            label = kind if kind == "trigonometric" else f"positive, {kind}"
            ax.plot(features, found[sigma, kind], f"{mark}-", color=colour, label=label, markersize=4)
        ax.set(xscale="log", yscale="log", title=title, xlabel="random directions m")
        ax.set_xticks(features, [str(m) for m in features], fontsize=8)
        ax.minorticks_off()
    axes[0].set_ylabel("relative error")
    axes[0].set_ylim(0.02, 8)
    axes[0].legend(fontsize=7.5, loc="lower left")


def real_heads(real: Mapping[str, Any], entropy: Any) -> None:
    """One dot a head: error of FAVOR+ against the error of uniform attention; colour by entropy in [0, 1]."""
    _figure, ax = plt.subplots(figsize=(5.4, 3.6))
    x, y = (np.ravel(real[name]) for name in ("uniform", "favor"))
    shown = ax.scatter(x, y, c=np.ravel(entropy), cmap="cividis", s=28, edgecolor="0.3", linewidth=0.4)
    low, high = min(x.min(), y.min()) * 0.85, max(x.max(), y.max()) * 1.15
    ax.plot([low, high], [low, high], color="0.4", linestyle="--", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="error of no attention", ylabel="error of FAVOR+, m = 128")
    ticks = [t for t in (0.2, 0.3, 0.5, 1.0, 2.0) if low < t < high]
    ax.minorticks_off()
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    plt.colorbar(shown, ax=ax, label="entropy (1: uniform)")


def tables(found: Mapping[str, Any]) -> None:
    """Attention tables (T, T) side by side on one colour scale."""
    _figure, axes = plt.subplots(1, len(found), figsize=(8.4, 2.0))
    most = float(np.quantile(np.asarray(found["exact"]), 0.995))
    for ax, (title, table) in zip(axes, found.items(), strict=True):
        ax.imshow(np.asarray(table), cmap="cividis", vmin=0, vmax=most)
        ax.set(title=title, xticks=[], yticks=[])
        ax.grid(False)


def performer(
    lengths: Sequence[int],
    times: Mapping[tuple[str, int], float],
    peaks: Mapping[tuple[str, int], float],
    m: int,
) -> None:
    """Milliseconds and peak memory of exact attention, SDPA and FAVOR+ by length."""
    _figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.3))
    names = {"exact": ("exact, table in memory", RED, "s"), "sdpa": ("exact, SDPA", BLACK, "o"),
             f"favor_{m}": (f"FAVOR+, m = {m}", BLUE, "^"), "causal": ("FAVOR+, causal", SKY, "v")}  # fmt: skip
    for name, (label, colour, mark) in names.items():
        for ax, values, unit in zip(axes, (times, peaks), (1.0, 1e6), strict=True):
            at = [t for t in lengths if (name, t) in values and values[name, t] > 2e4 * (unit > 1)]
            ax.plot(at, [values[name, t] / unit for t in at], f"{mark}-", color=colour, label=label, markersize=4)
    measured = [t for t in lengths if any((name, t) in peaks for name in names)]
    t = np.array(measured, dtype=float)
    axes[1].plot(t, 4 * t**2 / 1e6, ":", color=RED, linewidth=1)
    axes[1].plot(t, 8 * t * m / 1e6, ":", color=BLUE, linewidth=1)
    for ax, label, at in zip(axes, ("milliseconds", "peak memory (MB)"), (lengths, measured), strict=True):
        ax.set(xscale="log", yscale="log", xlabel="tokens T", ylabel=label)
        ticks = [n for n in at if np.log2(n) % 2 == 1] or list(at)
        ax.set_xticks(ticks, [f"{n:,}" for n in ticks], fontsize=8)
        ax.minorticks_off()
    axes[1].set_ylim(bottom=0.1)
    axes[0].legend(fontsize=8)


def swap(study: Study | None, live: Mapping[Any, float], features: Sequence[int], tuned: int) -> None:
    """Accuracy with approximate attention in all layers by number of features, as it is and after more teaching."""
    _figure, ax = plt.subplots(figsize=(6.2, 3.0))
    places = ["none", *((16, 64, 256) if study else features)]
    for x, m in enumerate(places):
        runs = study.values(f"acc_swapped_{m}") if study else [live["swapped", m]]
        mean, spread = _spread(runs)
        ax.errorbar(x, mean, spread, fmt="o", color=BLUE, capsize=3, label="_" if x else "as it is")
    for m, name in (("none", "tuned_none"), (64 if study else tuned, "tuned_favor")):
        mean, spread = _spread(study.values(f"acc_{name}") if study else [live[name]])
        label = "taught once more" if m == "none" else "_"
        ax.errorbar(places.index(m) + 0.15, mean, spread, fmt="o", color=ORANGE, mfc="white", capsize=3, label=label)
    exact = np.mean(study.values("acc_teacher")) if study else live["teacher"]
    ax.axhline(exact, color=BLACK, linestyle="--", linewidth=1, label="exact attention")
    live_floors = live.get("null", 50.0), live.get("svm")
    _floors([ax], *((study.mean("null_accuracy"), study.mean("acc_svm")) if study else live_floors))
    ax.set_xticks(range(len(places)), ["no attention", *[f"m = {m}" for m in places[1:]]])
    ax.set(ylabel="test accuracy (%)", ylim=(45, 90))
    ax.legend(loc="lower right", fontsize=8)
