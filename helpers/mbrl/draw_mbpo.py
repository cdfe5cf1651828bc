"""Drawing for the chapter on MBPO: drift, branches, learning curves over steps and over seconds, films."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from helpers.mbrl import draw_worlds
from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, SKY

SECONDS = 0.05  # of the pendulum, a step


def angles(observations: ArrayLike) -> np.ndarray:
    """Angles (...) of the pendulum's observations (..., 3), 0 upright."""
    observations = np.asarray(observations)
    return np.arctan2(observations[..., 1], observations[..., 0])


def pendulum_film(
    observations: ArrayLike, actions: ArrayLike, text: str, imagined: ArrayLike | None = None, every: int = 3
) -> list[np.ndarray]:
    """Frames of an episode: observations (T + 1, 3), actions (T, 1); pale behind it, what was imagined (T + 1, 3)."""
    theta, torque = angles(observations), np.append(np.asarray(actions).ravel(), 0.0)
    pale = None if imagined is None else angles(imagined)
    return [
        draw_worlds.pendulum(
            theta[t],
            float(torque[t]),
            ghost=None if pale is None else pale[t],
            text=f"{text} · {t * SECONDS:.1f} s",
            size=170,
        )
        for t in range(0, len(theta), every)
    ]


def pole_film(observations: ArrayLike, actions: ArrayLike, text: str, every: int = 2) -> list[np.ndarray]:
    """Frames of InvertedPendulum: observations (T + 1, 4) position, angle and their speeds; actions (T, 1), up to 3."""
    observations, force = np.asarray(observations), np.append(np.asarray(actions).ravel(), 0.0)
    return [
        draw_worlds.cart_pole(
            float(observations[t, 0]), float(observations[t, 1]), float(force[t] / 3), text=f"{text} · step {t}"
        )
        for t in range(0, len(observations), every)
    ]


def drift(errors: Mapping[str, ArrayLike], null: ArrayLike, label: str = "nothing moves") -> Axes:
    """Errors over steps ahead: for each name (starts, H) errors, drawn as median and the middle half; `null` (H,)."""
    _, ax = plt.subplots()
    for (name, values), colour in zip(errors.items(), COLOURS, strict=False):
        low, middle, high = np.quantile(np.asarray(values), [0.25, 0.5, 0.75], axis=0)
        ahead = np.arange(1, len(middle) + 1)
        ax.plot(ahead, middle, color=colour, label=name)
        ax.fill_between(ahead, low, high, color=colour, alpha=0.15, linewidth=0)
    ax.plot(np.arange(1, len(null) + 1), null, color="0.5", linestyle="--", linewidth=1.2, label=label)
    ax.set(yscale="log", xlabel="steps ahead", ylabel="error (standard deviations)", xlim=(1, len(null)))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(loc="lower right", ncols=2)
    return ax


def branches(
    real: ArrayLike, fan: ArrayLike, twigs: Sequence[tuple[int, ArrayLike]], from_start: ArrayLike, steps: int
) -> np.ndarray:
    """Left: imaginations (N, T, 3) from one start, around what happened (T, 3). Right: angle and speed of the real
    episode, short branches off it (pairs of a step and (k + 1, 3)), and one imagination from its start (T, 3)."""
    _, (left, right) = plt.subplots(1, 2, figsize=(7, 3.1))
    time = SECONDS * np.arange(len(np.asarray(real)))
    for path in np.asarray(fan):
        left.plot(time, np.unwrap(angles(path)), color=SKY, linewidth=0.7, alpha=0.7)
    left.plot(time, np.unwrap(angles(real)), color=BLACK, label="real")
    left.plot([], [], color=SKY, label="imagined")
    left.set(xlabel="seconds", ylabel="angle (rad, 0 upright)", title="from one state, the same torques")
    left.legend(loc="best")
    real, from_start = np.asarray(real), np.asarray(from_start)
    right.plot(np.unwrap(angles(real)), real[:, 2], color=BLACK, linewidth=1.2, label="real")
    right.plot(
        np.unwrap(angles(from_start)), from_start[:, 2], color=ORANGE, linewidth=1.2, label="imagined from the start"
    )
    unwrapped = np.unwrap(angles(real))
    for number, (at, twig) in enumerate(twigs):
        theta = np.unwrap(angles(twig))
        theta += 2 * math.pi * round((unwrapped[at] - theta[0]) / (2 * math.pi))
        right.plot(theta, np.asarray(twig)[:, 2], color=BLUE, linewidth=1.4, label="_" if number else "branches")
    right.set(xlabel="angle (rad)", ylabel="speed (rad/s)", title=f"branches of {steps} steps")
    right.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, fontsize=8, columnspacing=1, handlelength=1.4
    )
    return np.array([left, right])


def curves(runs: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]], bar: float, null: float) -> np.ndarray:
    """Returns against real steps and against CPU-seconds: for each name steps (T,), seconds (R, T), returns (R, T)."""
    _, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
    for (name, (steps, seconds, returns)), colour in zip(runs.items(), COLOURS, strict=False):
        returns, seconds = np.atleast_2d(returns), np.atleast_2d(seconds)
        for ax, x in ((axes[0], np.asarray(steps)), (axes[1], seconds.mean(0))):
            for run in returns if len(returns) > 1 else ():
                ax.plot(x, run, color=colour, linewidth=0.6, alpha=0.45)
            ax.plot(x, np.median(returns, 0), color=colour, label=name)
    for ax, label in zip(axes, ("real steps", "CPU-seconds"), strict=True):
        ax.axhline(bar, color="0.5", linestyle="--", linewidth=1)
        ax.axhline(null, color="0.7", linestyle=":", linewidth=1.2)
        ax.set(xlabel=label)
    axes[0].set(ylabel="mean return of the evaluation")
    axes[1].legend(loc="best", fontsize=8)
    return axes


def ladder(rows: Mapping[str, Sequence[float]], label: str) -> Axes:
    """One row of dots, a seed each, and a bar at their median for every name."""
    _, ax = plt.subplots(figsize=(7, 0.36 * len(rows) + 0.9))
    for y, values in enumerate(rows.values()):
        colour = GREEN if y == 0 else BLUE
        beside = y + np.linspace(-0.2, 0.2, len(values))  # equal ones side by side
        ax.scatter(np.sort(values), beside, s=22, color=colour, alpha=0.65, zorder=3)
        ax.plot([np.median(values)] * 2, [y - 0.33, y + 0.33], color=colour, linewidth=2.4)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=label, ylim=(len(rows) - 0.5, -0.5))
    ax.grid(axis="y", visible=False)
    return ax


def bound(lengths: ArrayLike, losses: Mapping[str, ArrayLike]) -> Axes:
    """What the bound subtracts, against the length of the branches; a dot at each minimum."""
    _, ax = plt.subplots(figsize=(7, 2.8))
    for (name, values), colour in zip(losses.items(), COLOURS, strict=False):
        values, best = np.asarray(values), int(np.argmin(values))
        ax.plot(lengths, values / values[0], color=colour, label=name)
        ax.scatter([np.asarray(lengths)[best]], [values[best] / values[0]], color=colour, zorder=3)
    ax.set(xlabel="length k of the branches", ylabel="penalty, relative to k = 0", ylim=(0, 2))
    ax.legend(title="model error / policy shift", fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return ax
