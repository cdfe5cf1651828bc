"""Drawings of the planning chapter: films of the pendulum, fans of imagined futures, horizons, search trees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import ArrayLike

from helpers.mbrl import draw_worlds
from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, RED, SKY

GREY = "0.6"


def pendulum_frames(states: ArrayLike, torques: ArrayLike, text: str, every: int = 2, size: int = 130) -> list:
    """Every other of T states (T, 2) as a frame, with the torque (T,) and the return so far."""
    states, torques = np.asarray(states, float), np.asarray(torques, float).reshape(-1)
    angle = (states[:, 0] + math.pi) % (2 * math.pi) - math.pi
    earned = -np.cumsum(angle**2 + 0.1 * states[:, 1] ** 2 + 0.001 * torques**2)
    return [
        draw_worlds.pendulum(states[t, 0], torques[t], text=f"{text}: {earned[t]:.0f}", size=size)
        for t in range(0, len(states), every)
    ]


def fans(panels: Sequence[tuple[str, ArrayLike, ArrayLike]], shown: int = 60) -> None:
    """Imagined angles (N, H + 1) of candidates, coloured by their returns (N,); the best one is black."""
    figure, axes = plt.subplots(1, len(panels), figsize=(7, 2.6), sharey=True)
    every = np.concatenate([np.asarray(returns) for _, _, returns in panels])
    low, high = np.quantile(every, 0.05), every.max()
    for ax, (title, angles, returns) in zip(axes, panels, strict=True):
        angles, returns = np.degrees(np.asarray(angles)), np.asarray(returns)
        order = np.argsort(returns)
        some = order[np.linspace(0, len(order) - 1, min(shown, len(order))).round().astype(int)]
        steps = np.arange(angles.shape[1])
        lines = LineCollection([np.column_stack([steps, angles[i]]) for i in some], cmap="viridis", linewidths=1)
        lines.set_array(returns[some])
        lines.set_clim(low, high)
        ax.add_collection(lines)
        ax.plot(steps, angles[order[-1]], color=BLACK, linewidth=2)
        ax.set(title=f"{title}\nbest {returns.max():.0f}", xlabel="imagined step", xlim=(0, steps[-1]))
    axes[0].set(ylabel="angle (degrees)", ylim=(135, 225), yticks=range(135, 226, 15))
    figure.colorbar(lines, ax=list(axes), label="return")


def temperatures(values: Sequence[float], effective: ArrayLike, returns: Sequence[float], population: int) -> None:
    """How many candidates count, and the return of episodes, against MPPI's temperature."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.5))
    left.plot(values, effective, "o-", color=BLUE)
    left.axhline(population, color=GREY, linestyle=":")
    left.set(xscale="log", yscale="log", xlabel="temperature λ", ylabel="effective candidates")
    right.plot(values, returns, "o-", color=ORANGE)
    right.set(xscale="log", xlabel="temperature λ", ylabel="return")


def noises(noise: Mapping[str, ArrayLike], reached: Mapping[str, ArrayLike]) -> None:
    """Above-left a few sequences of torque of each colour; right how far such torques swing the hanging pendulum."""
    figure = plt.figure(figsize=(7, 3.0))
    grid = figure.add_gridspec(len(noise), 2, width_ratios=(1.25, 1))
    right = figure.add_subplot(grid[:, 1])
    for row, (colour, (name, sequences)) in enumerate(zip(COLOURS, noise.items(), strict=False)):
        ax = figure.add_subplot(grid[row, 0])
        for i, sequence in enumerate(np.asarray(sequences)[:3]):
            ax.step(range(len(sequence)), sequence, where="post", color=colour, alpha=1 - 0.3 * i, linewidth=1.3)
        ax.set(ylim=(-2.2, 2.2), yticks=(-2, 0, 2), ylabel="torque")
        ax.set_title(name, pad=2)
        if row == len(noise) - 1:
            ax.set_xlabel("step")
        else:
            ax.tick_params(labelbottom=False)
        swing = np.degrees(np.asarray(reached[name]))
        right.hist(swing, bins=np.linspace(0, 120, 25), color=colour, alpha=0.6, density=True, label=name)
    right.set(xlabel="farthest swing from the bottom (degrees)", ylabel="density", yticks=())
    right.legend()


def value_map(values: ArrayLike, paths: Mapping[str, ArrayLike]) -> None:
    """The optimal return-to-go over angle and speed, with paths (T, 2) through it."""
    _figure, ax = plt.subplots(figsize=(7, 3.1))
    image = ax.imshow(
        np.asarray(values).T, origin="lower", extent=(-180, 180, -8, 8), aspect="auto", cmap="cividis", zorder=0
    )
    for colour, (name, path) in zip(("white", ORANGE), paths.items(), strict=False):
        path = np.asarray(path)
        angle = np.degrees((path[:, 0] + math.pi) % (2 * math.pi) - math.pi)
        jump = np.flatnonzero(np.abs(np.diff(angle)) > 180) + 1
        for i, (a, s) in enumerate(zip(np.split(angle, jump), np.split(path[:, 1], jump), strict=True)):
            ax.plot(a, s, color=colour, linewidth=1.6, marker=".", markersize=3, label="_" if i else name)
    ax.set(xlabel="angle (degrees, 0 upright)", ylabel="speed (rad/s)", xticks=range(-180, 181, 60))
    ax.grid(False)
    ax.legend(loc="upper right", labelcolor="white", facecolor="0.25", frameon=True, framealpha=0.8)
    plt.colorbar(image, ax=ax, label="best return to go")


def horizons(steps: Sequence[int], curves: Mapping[str, ArrayLike], spreads: Mapping[str, ArrayLike] | None) -> None:
    """Mean return against the horizon, one curve for each way to end it."""
    _figure, ax = plt.subplots(figsize=(6.4, 2.9))
    for colour, (name, returns) in zip((BLUE, ORANGE), curves.items(), strict=False):
        error = None if spreads is None else np.asarray(spreads[name])
        ax.errorbar(steps, -np.asarray(returns), yerr=error, fmt="o-", color=colour, markersize=4, label=name)
    ax.set(yscale="log", xlabel="horizon (steps of 0.05 s)", ylabel="− return (lower is better)")
    ax.set_yticks((125, 250, 500, 1000), ("125", "250", "500", "1000"))
    ax.minorticks_off()
    ax.legend()


def frontier(points: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike | None]], budgets: Sequence[int], best: float):
    """Return against CPU time a step: for each planner times, returns and deviations, a point for each budget."""
    _figure, ax = plt.subplots(figsize=(7, 3.3))
    for colour, mark, (name, (ms, returns, sds)) in zip(
        (GREY, SKY, ORANGE, BLUE), "sv^o", points.items(), strict=False
    ):
        ax.errorbar(ms, -np.asarray(returns), yerr=sds, fmt=f"{mark}-", color=colour, markersize=5, label=name)
        if name == "iCEM":
            for k, (x, y) in ((0, (-16, 4)), (-1, (0, -12))):
                at = (ms[k], -returns[k])
                ax.annotate(f"{budgets[k]}", at, xytext=(x, y), textcoords="offset points", ha="center", fontsize=8)
    ax.axhline(-best, color=GREEN, linestyle="--", linewidth=1, label="one step + exact value")
    ax.set(xscale="log", yscale="log", xlabel="CPU milliseconds a step, one thread", ylabel="− return")
    ax.set_yticks((125, 150, 200, 300), ("125", "150", "200", "300"))
    ax.set_xticks((0.3, 0.5, 1, 2, 3), ("0.3", "0.5", "1", "2", "3"))
    ax.minorticks_off()
    ax.legend()


def local(paths: ArrayLike, limit: float, histories: Mapping[str, ArrayLike]) -> None:
    """Left: angles over time (T, n) under LQR; right: cost of iLQR's plans (I, E) over its iterations, per guess."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
    angles = np.degrees(np.asarray(paths))
    for angle in angles.T:
        held = abs(angle[-1]) < 5
        left.plot(0.05 * np.arange(len(angle)), angle, color=BLUE if held else RED, linewidth=1.2)
    for sign in (-1, 1):
        left.axhline(sign * math.degrees(limit), color=GREY, linestyle=":")
    left.set(xlabel="seconds", ylabel="angle (degrees)", ylim=(-95, 95), title="LQR: held (blue), lost (red)")
    for colour, (name, history) in zip((RED, BLUE), histories.items(), strict=True):
        for i, curve in enumerate(np.asarray(history).T):
            right.plot(-curve, color=colour, alpha=0.6, linewidth=1.1, label="_" if i else f"from {name}")
    right.set(
        xlabel="iteration", ylabel="− return of the plan", title="iLQR from 20 starts", yscale="log", ylim=(50, None)
    )
    right.legend()


def tree(root: Any, depth: int = 4) -> None:
    """The upper part of a search tree: circles by visits, numbers are visits and mean return."""
    _figure, ax = plt.subplots(figsize=(7, 3.4))

    def place(node: Any, x: float, y: int, width: float) -> None:
        for i, child in enumerate(node.children):
            if y == depth or not child.n:
                continue
            there = x + (2 * i - 1) * width / 2
            ax.plot(
                [x, there], [-y, -y - 1], color=ORANGE if i else SKY, linewidth=0.7 + 6 * child.n / root.n, zorder=1
            )
            place(child, there, y + 1, width / 2)
        ax.scatter([x], [-y], s=30 + 900 * node.n / root.n, color="white", edgecolor=BLACK, zorder=2)
        if node.n > 0.3 * root.n:
            ax.text(x, -y, f"{node.n}\n{node.total / node.n:.2f}", ha="center", va="center", fontsize=7.5, zorder=3)
        else:
            ax.text(x, -y - 0.2, f"{node.n}: {node.total / node.n:.2f}", ha="center", va="top", fontsize=7, zorder=3)

    place(root, 0.0, 0, 1.0)
    ax.set(xlim=(-1.05, 1.05), ylim=(-depth - 0.5, 0.4))
    ax.axis("off")


def losses(points: Mapping[tuple[str, int], tuple[float, float | None]], null: float) -> None:
    """What searches give away, (mean, deviation) by name and number of simulations; `null`: a random move."""
    _figure, ax = plt.subplots(figsize=(5.8, 2.6))
    for colour, mark, name in zip((GREY, BLUE), "so", dict.fromkeys(name for name, _ in points), strict=True):
        some = {n: value for (label, n), value in points.items() if label == name}
        means, deviations = zip(*some.values(), strict=True)
        error = None if deviations[0] is None else deviations
        ax.errorbar(list(some), means, yerr=error, fmt=f"{mark}-", color=colour, markersize=5, label=name)
    ax.axhline(null, color=RED, linestyle=":", label="random move")
    ax.set(xscale="log", xlabel="simulations", ylabel="loss", ylim=(0, None))
    ax.set_xticks(sorted({n for _, n in points}), [str(n) for n in sorted({n for _, n in points})])
    ax.minorticks_off()
    ax.legend(loc="lower left")


def bars(rows: Mapping[str, tuple[float, float | None]], reference: str) -> None:
    """Mean returns with deviations, one bar a setting; `reference` is drawn in blue."""
    _figure, ax = plt.subplots(figsize=(7, 0.32 * len(rows) + 0.9))
    for y, (name, (mean, sd)) in enumerate(rows.items()):
        ax.barh(-y, -mean, xerr=sd, color=BLUE if name == reference else SKY, height=0.7, error_kw={"linewidth": 1})
        ax.text(-mean + (sd or 0) + 4, -y, f"{mean:.0f}", va="center", fontsize=8.5)
    ax.set_yticks([-y for y in range(len(rows))], list(rows))
    ax.set(xlabel="− return (shorter is better)")
    ax.grid(axis="y", visible=False)
