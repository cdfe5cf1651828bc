"""The figures and films of the chapter on PETS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from helpers.mbrl.draw_worlds import cart_pole, pendulum
from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, RED, SKY

GREY = "0.6"


# ------------------------------------------------------------------------------------------------------- the toy
def favourites(x: ArrayLike, y: ArrayLike, grid: ArrayLike, claims: ArrayLike, truth: ArrayLike) -> Axes:
    """Five networks' opinions (E, G) over a grid (G,) of actions; each one's favourite, and what it really brings."""
    grid, claims, truth = np.ravel(grid), np.asarray(claims)[..., 0], np.ravel(truth)
    _, ax = plt.subplots(figsize=(7, 3.1))
    ax.plot(grid, truth, color=BLACK, linewidth=2.2, label="what the action really brings")
    ax.plot(np.ravel(x), np.ravel(y), ".", color=GREY, markersize=5, label="tried so far")
    for colour, claim in zip(COLOURS, claims, strict=False):
        best = claim.argmax()
        ax.plot(grid, claim, color=colour, linewidth=1.2)
        ax.plot([grid[best]] * 2, [claim[best], truth[best]], color=colour, linewidth=1, linestyle=":")
        ax.plot(grid[best], claim[best], "o", color=colour, markersize=7)
        ax.plot(grid[best], truth[best], "x", color=colour, markersize=7, markeredgewidth=2)
    ax.plot([], [], "o", color=GREY, label="a network's favourite action: what it claims")
    ax.plot([], [], "x", color=GREY, markeredgewidth=2, label="what it gets")
    ax.set(xlabel="action", ylabel="reward", xlim=(grid[0], grid[-1]), ylim=(-1.6, 2.9))
    ax.legend(loc="upper right", fontsize=8, ncols=2)
    return ax


def _data(ax: Axes, x: ArrayLike, y: ArrayLike) -> None:
    ax.plot(np.ravel(x), np.ravel(y), ".", color=GREY, markersize=3, zorder=0)


def one_network(
    x: ArrayLike, y: ArrayLike, grid: ArrayLike, early: Sequence[ArrayLike], late: Sequence[ArrayLike],
    truth: ArrayLike, labels: Sequence[str],
) -> np.ndarray:  # fmt: skip
    """A network's mean and two deviations (G,), after few and after many gradient steps, over the data."""
    grid, truth = np.ravel(grid), np.ravel(truth)
    _, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True)
    for ax, (mean, sd), label in zip(axes, (early, late), labels, strict=True):
        mean, sd = np.ravel(mean), np.ravel(sd)
        _data(ax, x, y)
        ax.plot(grid, truth, color=BLACK, linewidth=1, linestyle="--", label="truth")
        ax.plot(grid, mean, color=BLUE, label="mean")
        ax.fill_between(grid, mean - 2 * sd, mean + 2 * sd, color=BLUE, alpha=0.2, linewidth=0, label="± 2 deviations")
        ax.set(title=label, xlabel="x", ylim=(-3, 3), xlim=(grid[0], grid[-1]))
    axes[0].set_ylabel("y")
    axes[1].legend(loc="lower left", fontsize=8)
    return axes


def spreads(grid: ArrayLike, lines: Mapping[str, ArrayLike], seen: Sequence[tuple[float, float]]) -> Axes:
    """Standard deviations over the grid, on a logarithmic scale; where there are data is shaded."""
    _, ax = plt.subplots(figsize=(7, 2.7))
    for low, high in seen:
        ax.axvspan(low, high, color="0.92", zorder=0)
    for (label, values), colour in zip(lines.items(), (BLACK, BLUE, RED), strict=False):
        ax.plot(np.ravel(grid), np.ravel(values), color=colour, label=label, linestyle="--" if colour == BLACK else "-")
    ax.set(yscale="log", xlabel="x", ylabel="deviation")
    ax.legend(fontsize=8)
    return ax


def two_uncertainties(
    x: ArrayLike, y: ArrayLike, grid: ArrayLike, means: ArrayLike, aleatoric: ArrayLike, epistemic: ArrayLike,
    noise: ArrayLike, seen: Sequence[tuple[float, float]],
) -> np.ndarray:  # fmt: skip
    """Left the members' means (E, G); right both deviations (G,), with the true noise."""
    grid = np.ravel(grid)
    _, axes = plt.subplots(1, 2, figsize=(7, 2.9))
    _data(axes[0], x, y)
    for colour, mean in zip(COLOURS, np.asarray(means)[..., 0], strict=False):
        axes[0].plot(grid, mean, color=colour, linewidth=1.2)
    axes[0].set(xlabel="x", ylabel="y", ylim=(-3, 3), title="what each member says")
    for low, high in seen:
        axes[1].axvspan(low, high, color="0.92", zorder=0)
    axes[1].plot(grid, np.ravel(noise), color=BLACK, linestyle="--", linewidth=1, label="true noise")
    axes[1].plot(grid, np.ravel(aleatoric), color=ORANGE, label="aleatoric")
    axes[1].plot(grid, np.ravel(epistemic), color=BLUE, label="epistemic")
    axes[1].set(xlabel="x", ylabel="deviation", ylim=(0, 1.6), title="two uncertainties")
    axes[1].legend(fontsize=8)
    return axes


def coverage(levels: ArrayLike, curves: Mapping[str, ArrayLike], ax: Axes | None = None) -> Axes:
    """Share of unseen changes inside central intervals, against what the intervals promise."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4.6, 3.4))
    ax.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle="--")
    for (label, share), colour, mark in zip(curves.items(), (BLUE, ORANGE, RED), "os^", strict=False):
        ax.plot(levels, share, color=colour, marker=mark, markersize=4, label=label)
    ax.set(xlabel="promised, %", ylabel="found inside, %", xlim=(0, 100), ylim=(0, 100))
    ax.legend(fontsize=8)
    return ax


# ------------------------------------------------------------------------------------------------------ imagination
def fans(fans: Mapping[str, ArrayLike], real: ArrayLike, label: str, seconds: float) -> np.ndarray:
    """Particles (T, P) of one number over imagined time, by way of propagation, with what really happened (T,)."""
    _, axes = plt.subplots(1, len(fans), figsize=(7, 2.6), sharey=True)
    time = seconds * np.arange(len(real))
    for ax, (title, particles) in zip(axes, fans.items(), strict=True):
        particles = np.asarray(particles)
        low, q1, middle, q3, high = np.quantile(particles, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
        ax.fill_between(time, low, high, color=SKY, alpha=0.35, linewidth=0, label="90 % of particles")
        ax.fill_between(time, q1, q3, color=BLUE, alpha=0.35, linewidth=0, label="50 %")
        ax.plot(time, middle, color=BLUE, linewidth=1.2, label="median")
        ax.plot(time, real, color=BLACK, linestyle="--", linewidth=1.4, label="what happened")
        ax.set(title=title, xlabel="time, s")
    axes[0].set_ylabel(label)
    axes[0].legend(fontsize=7.5, loc="upper left")
    return axes


def ablation(columns: Mapping[str, Mapping[str, Sequence[float]]], lines: Mapping[str, float] | None = None):
    """Dots: one a seed; a bar at the mean. columns: title → variant → values."""
    _, axes = plt.subplots(1, len(columns), figsize=(7, 0.36 * max(map(len, columns.values())) + 1.1), sharey=True)
    for ax, (title, variants) in zip(np.atleast_1d(axes), columns.items(), strict=True):
        for row, values in enumerate(variants.values()):
            colour = GREEN if row == 0 else BLUE
            spread = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else [0]
            ax.scatter(values, row + np.asarray(spread), s=16, color=colour, alpha=0.8, linewidth=0)
            ax.plot([np.mean(values)] * 2, [row - 0.33, row + 0.33], color=BLACK, linewidth=1.6)
        ax.set_yticks(range(len(variants)), list(variants))
        ax.set(xlabel=title)
        if lines and title in lines:
            ax.axvline(lines[title], color=GREY, linewidth=1, linestyle="--")
    np.atleast_1d(axes)[0].invert_yaxis()
    return axes


# ------------------------------------------------------------------------------------------------------------ films
def pendulum_film(observations: ArrayLike, actions: ArrayLike, text: str, every: int = 3, **options) -> list:
    """Frames of an episode: observations (T, 3), actions (T, 1); every third step, of 0.05 s."""
    observations, actions = np.asarray(observations), np.asarray(actions)
    angles = np.arctan2(observations[:, 1], observations[:, 0])
    return [
        pendulum(angles[t], float(actions[t, 0]), text=f"{text}  {0.05 * t:3.1f} s", **options)
        for t in range(0, len(actions), every)
    ]


def cart_pole_film(observations: ArrayLike, actions: ArrayLike, text: str, every: int = 2, **options) -> list:
    """The same for the cart-pole: observations (T, 4), steps of 0.02 s."""
    observations, actions = np.asarray(observations), np.asarray(actions)
    return [
        cart_pole(
            observations[t, 0], observations[t, 2], float(actions[t, 0]), text=f"{text}  {0.02 * t:3.1f} s", **options
        )
        for t in range(0, len(actions), every)
    ]  # fmt: skip


def dreams(
    real: ArrayLike, imagined: ArrayLike, actions: ArrayLike, text: str, every: int = 1
) -> list:  # real (T, 3), imagined (T, 3)
    """The pendulum that is, dark, before the one that the model imagines, pale."""
    real, imagined = np.asarray(real), np.asarray(imagined)
    angle = lambda o: np.arctan2(o[:, 1], o[:, 0])  # noqa: E731
    true, pale = angle(real), angle(imagined)
    return [
        pendulum(true[t], float(np.ravel(actions[min(t, len(actions) - 1)])[0]), ghost=pale[t],
                 text=f"{text}  {0.05 * t:3.1f} s")
        for t in range(0, len(actions), every)
    ]  # fmt: skip


def dreamt(imagine, model, observations: ArrayLike, actions: ArrayLike) -> np.ndarray:
    """What one particle of `model` imagines for an episode's actions, (T + 1, 3); `imagine` is the chapter's."""
    start = torch.as_tensor(np.asarray(observations)[:1])
    with torch.inference_mode():
        states, _ = imagine(model, start, torch.as_tensor(np.asarray(actions))[None], how="TSinf")
    return states[:, 0, 0].numpy()


def exams(steps: Sequence[int], runs: Sequence[Sequence[float]], levels: Mapping[str, float], bar: float) -> Axes:
    """Exams (runs, steps) against real steps; levels: label → the return of a rival."""
    _, ax = plt.subplots(figsize=(7, 2.8))
    for i, returns in enumerate(runs):
        ax.plot(
            steps,
            returns,
            color=BLUE,
            alpha=0.75,
            marker="o",
            markersize=4,
            linewidth=1.1,
            label=None if i else "PETS, a seed each",
        )
    for (label, value), colour in zip(levels.items(), (RED, GREEN), strict=True):
        ax.axhline(value, color=colour, linewidth=1.3, label=label)
    ax.axhline(bar, color=GREY, linewidth=1, linestyle="--", label=f"the bar, {bar}".replace("-", "−"))
    ax.set(xlabel="real steps", ylabel="mean return of ten episodes", xlim=(0, max(steps) * 1.03))
    ax.legend(fontsize=8, loc="center left")
    return ax


def ledge(walks: Mapping[str, ArrayLike], earned: Mapping[str, Sequence[float]], edge: float) -> np.ndarray:
    """Left paths (T, 1) towards the edge, right returns, a dot a seed."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), width_ratios=(1.2, 1))
    figure.get_layout_engine().set(wspace=0.06)
    axes[0].axhline(edge, color=RED, linewidth=1.5)
    for (name, path), colour in zip(walks.items(), (GREEN, BLUE, ORANGE), strict=False):
        axes[0].plot(np.ravel(path), color=colour, label=name, linewidth=1.4)
        axes[0].plot(len(path) - 1, np.ravel(path)[-1], "x" if np.ravel(path)[-1] > edge else "", color=colour)
    axes[0].set(xlabel="step", ylabel="position")
    axes[0].legend(fontsize=8, loc="lower right")
    for row, values in enumerate(earned.values()):
        axes[1].scatter(values, [row] * len(values), s=18, color=GREEN if row == 0 else BLUE, alpha=0.8, linewidth=0)
        axes[1].plot([np.mean(values)] * 2, [row - 0.33, row + 0.33], color=BLACK, linewidth=1.6)
    axes[1].set_yticks(range(len(earned)), list(earned), fontsize=8)
    axes[1].set(xlabel="return", xlim=(0, None))
    axes[1].invert_yaxis()
    return axes
