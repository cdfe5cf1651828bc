"""Drawing for the chapter on MuZero: boards real and imagined, curves, what the latent knows, sweeps, a film."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from torch import Tensor

from helpers.mbrl.draw_worlds import cart_pole
from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, RED


def board(ax: Axes, cells: ArrayLike, shape: tuple[int, int], title: str = "", shades: ArrayLike | None = None) -> Axes:
    """A board (cells,), 1 a cross, -1 a ring, 0 empty, row by row; `shades` (cells,) from 0 to 1 colour empty cells."""
    rows, columns = shape
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal", xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for x in range(1, columns):
        ax.plot([x, x], [0, rows], color="0.6", linewidth=1)
    for y in range(1, rows):
        ax.plot([0, columns], [y, y], color="0.6", linewidth=1)
    for i, stone in enumerate(np.asarray(cells)):
        y, x = divmod(i, columns)
        if stone > 0:
            for down in (1, -1):
                ends = [y + 0.5 - 0.28 * down, y + 0.5 + 0.28 * down]
                ax.plot([x + 0.22, x + 0.78], ends, color=BLUE, linewidth=2)
        elif stone < 0:
            ax.add_patch(plt.Circle((x + 0.5, y + 0.5), 0.28, fill=False, color=RED, linewidth=2))
        elif shades is not None:
            share = float(np.asarray(shades)[i])
            ax.add_patch(plt.Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, color=GREEN, alpha=0.75 * share, linewidth=0))
            ax.text(x + 0.5, y + 0.5, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=BLACK)
    ax.set_title(title, fontsize=8.5)
    return ax


def boards(positions: Sequence[ArrayLike], titles: Sequence[str], shape: tuple[int, int], shades=None) -> np.ndarray:
    """Boards in a row, each with its title and, if wanted, the policy in its empty cells."""
    _, axes = plt.subplots(
        1, len(positions), figsize=(7, 7 / len(positions) * shape[0] / shape[1] + 0.5), squeeze=False
    )
    shades = shades if shades is not None else [None] * len(positions)
    for ax, cells, title, shade in zip(axes[0], positions, titles, shades, strict=True):
        board(ax, cells, shape, title, shade)
    return axes[0]


def imagined(real: Sequence[ArrayLike], read: Sequence[ArrayLike], shape: tuple[int, int]) -> np.ndarray:
    """Boards as they are above boards as they are read off imagined states; cells that differ are orange."""
    _, axes = plt.subplots(2, len(real), figsize=(7, 14 / len(real) * shape[0] / shape[1] + 0.5), squeeze=False)
    for k, (true, found) in enumerate(zip(real, read, strict=True)):
        board(axes[0, k], true, shape, f"after {k}")
        board(axes[1, k], found, shape)
        for i in np.flatnonzero(np.asarray(true) != np.asarray(found)):
            y, x = divmod(int(i), shape[1])
            axes[1, k].add_patch(plt.Rectangle((x, y), 1, 1, color=ORANGE, alpha=0.35, linewidth=0))
    for row, name in zip(axes, ("real", "imagined"), strict=True):
        row[0].set_ylabel(name, fontsize=8.5)
    return axes


def pole_film(act: Callable[[Tensor], Tensor], text: str, *, seed: int = 10_000, most: int = 110, every: int = 2):
    """Frames (T, H, W, 3) of an episode of CartPole under `act`: observations (1, 4) → actions (1,)."""
    env, frames = gym.make("CartPole-v1"), []
    seen, over = env.reset(seed=seed)[0], False
    for t in range(most + 1):
        action = int(act(torch.from_numpy(seen)[None])[0])
        if over or t % every == 0:
            frames.append(cart_pole(seen[0], seen[2], 2 * action - 1, text=f"{text}, step {t}"))
        if over:
            break
        seen, _, fell, cut, _ = env.step(action)
        over = fell or cut
    return frames


def learning(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], bar: float, nulls: Mapping[str, float], ylabel: str, xlabel: str
) -> Axes:
    """Scores against what they cost: for each name x (T,) and scores (R, T); dashed the bar, dotted the nulls."""
    _, ax = plt.subplots(figsize=(7, 3))
    for (name, (x, scores)), colour in zip(curves.items(), COLOURS, strict=False):
        scores = np.atleast_2d(scores)
        for run in scores if len(scores) > 1 else ():
            ax.plot(x, run, color=colour, linewidth=0.6, alpha=0.5)
        ax.plot(x, np.median(scores, 0), color=colour, label=name)
    ax.axhline(bar, color="0.5", linestyle="--", linewidth=1)
    for (name, value), style in zip(nulls.items(), (":", "-.", (0, (1, 4))), strict=False):
        ax.axhline(value, color="0.5", linestyle=style, linewidth=1.3, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="best", fontsize=8)
    return ax


def knows(panels: Mapping[str, Mapping[str, ArrayLike]], trained: int) -> np.ndarray:
    """What is left after so many unrolled steps, a panel each; up to `trained` steps the ground is shaded."""
    _, axes = plt.subplots(1, len(panels), figsize=(7, 2.7))
    lines = (("trained", BLUE, "-"), ("untrained", ORANGE, "-"), ("null", "0.5", "--"))
    for ax, (title, curves) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for name, colour, style in lines:
            if name in curves:
                ax.plot(
                    range(len(curves[name])), curves[name], style, color=colour, marker="o", markersize=3, label=name
                )
        ax.axvspan(0, trained, color="0.93", zorder=0, linewidth=0)
        ax.set(title=title, xlabel="unrolled steps", ylim=(0, None))
    np.atleast_1d(axes)[-1].legend(fontsize=8)  # the only panel with all lines
    return axes


def sweep(simulations: Sequence[int], rows: Mapping[str, ArrayLike], bar: float) -> Axes:
    """Scores (R, S) of each name against the number of simulations, mean ± one standard deviation, evenly spaced."""
    _, ax = plt.subplots(figsize=(7, 2.8))
    at = np.arange(len(simulations))
    for (name, scores), colour in zip(rows.items(), COLOURS, strict=False):
        scores = np.atleast_2d(scores)
        spread = scores.std(0, ddof=1) if len(scores) > 1 else np.zeros(len(at))
        ax.errorbar(at, scores.mean(0), spread, color=colour, marker="o", markersize=4, capsize=3, label=name)
    ax.axhline(bar, color="0.5", linestyle="--", linewidth=1)
    ax.set_xticks(at, [str(s) for s in simulations])
    ax.set(xlabel="simulations for each move", ylabel="% of the attainable")
    ax.legend(fontsize=8)
    return ax


def ladders(panels: Mapping[str, Mapping[str, Sequence[float]]], label: str) -> np.ndarray:
    """Panels side by side, one row of dots (a seed each) and a bar at their median for every name."""
    count = len(next(iter(panels.values())))
    _, axes = plt.subplots(1, len(panels), figsize=(7, 0.32 * count + 1.1), sharey=True, squeeze=False)
    for ax, (title, rows) in zip(axes[0], panels.items(), strict=True):
        for y, values in enumerate(rows.values()):
            colour = GREEN if y == 0 else BLUE
            ax.scatter(
                np.sort(values), y + np.linspace(-0.2, 0.2, len(values)), s=20, color=colour, alpha=0.65, zorder=3
            )
            ax.plot([np.median(values)] * 2, [y - 0.33, y + 0.33], color=colour, linewidth=2.4)
        ax.set_yticks(range(count), list(rows))
        ax.set(title=title, xlabel=label, ylim=(count - 0.5, -0.5))
        ax.grid(axis="y", visible=False)
    return axes[0]
