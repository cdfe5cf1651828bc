"""Drawing for the chapter on models, planning and Dyna: mazes with values and arrows, films of walks, its charts."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, SKY

ARROWS = ((-1, 0), (0, 1), (1, 0), (0, -1))  # left, down, right, up, in columns and rows
WALL = (70, 70, 70)
FINER = 2


def text_of(env) -> list[str]:
    """The rows of a maze or of a frozen lake."""
    env = env.unwrapped
    if hasattr(env, "layout"):
        return list(env.layout)
    return ["".join(cell.decode() for cell in row) for row in env.desc]


def cells(ax: Axes, rows: Sequence[str], values: ArrayLike, q: ArrayLike | None = None, title: str = "") -> None:
    """A map whose cells are the darker, the more they are worth; arrows for the best actions of `q` (S, 4).

    A cell gets no arrow while all its actions are worth the same.
    """
    height, width = len(rows), len(rows[0])
    shade = np.asarray(values, float).reshape(height, width)
    top = max(shade.max(), 1e-9)
    colours = plt.get_cmap("Blues")(0.75 * np.clip(shade / top, 0, 1))[..., :3]
    for (i, j), cell in np.ndenumerate(np.array([list(row) for row in rows])):
        if cell in "#H":
            colours[i, j] = np.array(WALL) / 255 if cell == "#" else (0.6, 0.6, 0.6)
    ax.imshow(colours)
    for (i, j), cell in np.ndenumerate(np.array([list(row) for row in rows])):
        if cell in "SGH":
            aside = 0.3 if q is not None and cell == "S" else 0  # room for the start's arrows
            ax.text(j - aside, i - aside, cell, ha="center", va="center", fontsize=8, weight="bold")
        if q is None or cell in "#GH":
            continue
        here = np.asarray(q)[i * width + j]
        for a in np.flatnonzero(here == here.max()) if np.ptp(here) > 0 else ():
            dx, dy = ARROWS[a]
            ax.annotate(
                "", (j + 0.36 * dx, i + 0.36 * dy), (j, i), arrowprops={"arrowstyle": "-|>", "color": ORANGE, "lw": 1.2}
            )
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(True)
    ax.grid(False)


def strip(rows: Sequence[str], maps: Sequence[tuple[str, ArrayLike, ArrayLike | None]], columns: int = 3) -> np.ndarray:
    """Several maps of one world, each as (title, values (S,), action values (S, 4) or None)."""
    lines = -(-len(maps) // columns)
    tall = len(rows) / len(rows[0]) * 7 / columns + 0.25
    _, axes = plt.subplots(lines, columns, figsize=(7, lines * tall), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, values, q) in zip(axes.flat, maps, strict=False):
        ax.axis("on")
        cells(ax, rows, values, q, title)
    return axes


def frame(
    rows: Sequence[str],
    agent: int | None = None,
    values: ArrayLike | None = None,
    trail: Sequence[int] = (),
    text: str = "",
    cell: int = 24,
) -> np.ndarray:
    """One picture of a film (H, W, 3), `uint8`: the maze, its values, and the agent with its last steps."""
    height, width = len(rows), len(rows[0])
    top, c = 22, FINER * cell
    image = Image.new("RGB", (c * width + 2, c * height + FINER * top), "white")
    draw = ImageDraw.Draw(image)
    worth = np.zeros(height * width) if values is None else np.asarray(values, float)
    shades = (255 * plt.get_cmap("Blues")(0.75 * np.clip(worth, 0, 1))[:, :3]).astype(int)
    font = ImageFont.load_default(FINER * 12)
    for s in range(height * width):
        i, j = divmod(s, width)
        x, y, kind = c * j, c * i + FINER * top, rows[i][j]
        fill = WALL if kind == "#" else tuple(shades[s])
        draw.rectangle((x, y, x + c, y + c), fill=fill, outline=(205, 205, 205))
        if kind in "SG":
            draw.text((x + c / 2, y + c / 2), kind, fill=BLACK, font=font, anchor="mm")
    for s, colour, r in [*((t, SKY, 0.14) for t in trail), *([(agent, ORANGE, 0.34)] if agent is not None else [])]:
        x, y = c * (s % width + 0.5), c * (s // width + 0.5) + FINER * top
        draw.ellipse((x - r * c, y - r * c, x + r * c, y + r * c), fill=colour)
    if text:
        draw.text((FINER * 2, FINER * 3), text, fill=BLACK, font=font)
    return np.asarray(image.resize((image.width // FINER, image.height // FINER), Image.Resampling.LANCZOS))


def walk(
    rows: Sequence[str], states: Sequence[int], values: ArrayLike | None = None, title: str = "", most: int = 100
) -> list[np.ndarray]:
    """Frames of a walk through `states`, one a step, at most `most`."""
    shown = list(states)[: most - 1]
    return [
        frame(rows, s, values, shown[max(0, t - 12) : t], f"{title}step {t}") for t, s in enumerate(shown)
    ]  # fmt: skip


def believed_and_true(draws: Sequence[int], believed: ArrayLike, true: ArrayLike, best: float) -> Axes:
    """What plans made in learned models promise and what they bring; both (len(draws), models)."""
    _, ax = plt.subplots(figsize=(6, 2.8))
    for values, label, colour in ((believed, "what the plan promises", ORANGE), (true, "what it brings", BLUE)):
        values = np.asarray(values)
        mean, sd = values.mean(1), values.std(1)
        ax.plot(draws, mean, "o-", color=colour, label=label, markersize=4)
        ax.fill_between(draws, mean - sd, mean + sd, color=colour, alpha=0.18, linewidth=0)
    ax.axhline(best, color="0.3", linestyle="--", linewidth=1, label="the best there is")
    ax.set_xscale("log", base=2)
    ax.set_xticks(draws, [str(n) for n in draws])
    ax.set(xlabel="outcomes seen of each action in each cell", ylabel="value of the start", ylim=(0, 1.02))
    ax.legend(loc="upper right")
    return ax


def episodes(lengths: dict[str, ArrayLike], best: float) -> Axes:
    """Steps of each episode, one line an agent; each array is (runs, episodes)."""
    _, ax = plt.subplots(figsize=(6.4, 2.8))
    for (label, runs), colour in zip(lengths.items(), (BLACK, BLUE, ORANGE, GREEN), strict=False):
        mean = np.asarray(runs, float).mean(0)
        ax.plot(np.arange(2, len(mean) + 1), mean[1:], color=colour, label=label)
    ax.axhline(best, color="0.5", linestyle="--", linewidth=1)
    ax.set(xlabel="episode", ylabel="real steps", ylim=(0, None))
    ax.legend()
    return ax


def lines(
    curves: dict[str, tuple[ArrayLike, ArrayLike]], xlabel: str, ylabel: str, marks: Sequence[float] = (), ax=None
) -> Axes:
    """Mean and standard deviation of several curves {label: (x, runs (R, len(x)))}; `marks`: dashed verticals."""
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 2.8))
    for (label, (x, runs)), colour in zip(curves.items(), COLOURS, strict=False):
        runs = np.atleast_2d(np.asarray(runs, float))
        mean, sd = runs.mean(0), runs.std(0)
        ax.plot(x, mean, color=colour, label=label)
        ax.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
    for x in marks:
        ax.axvline(x, color="0.5", linestyle="--", linewidth=1)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax


def updates(sizes: Sequence[int], counts: dict[str, ArrayLike]) -> Axes:
    """Updates until the way is found against the number of cells; {label: (sizes, runs)}."""
    _, ax = plt.subplots(figsize=(6, 2.8))
    for (label, runs), colour in zip(counts.items(), (BLUE, ORANGE), strict=False):
        runs = np.asarray(runs, float)
        ax.plot(sizes, runs.mean(1), "o-", color=colour, label=label, markersize=4)
        ax.plot(sizes, runs, ".", color=colour, alpha=0.35, markersize=4)
    ax.set(xscale="log", yscale="log", xlabel="cells of the maze", ylabel="updates of a value")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.legend()
    return ax


LABELS = {
    "q": "Q-learning, α = 0.1",
    "tuned": "Q-learning, its best α",
    "dyna_5": "Dyna-Q, 5 planning steps",
    "dyna_50": "Dyna-Q, 50 planning steps",
    "sweep": "prioritised sweeping, ≤ 10",
}
WORLDS = {"maze": "Dyna maze", "lake": "FrozenLake-v1", "taxi": "Taxi-v4"}


def race_rows(study, live: dict[str, float]) -> tuple[list[str], list[list[str]]]:
    """The table of the comparison: a row for each world and agent, from the study if there is one."""

    def shown(name: str, digits: int) -> str:
        if study is None:
            return f"{live[name]:,.{digits}f}"
        return f"{study.mean(name):,.{digits}f} ± {study.sd(name):,.{digits}f}"

    header = ["world and agent", "real steps to the target", "updates", "CPU-s", "runs that got there, %"]
    rows = []
    for world, title in WORLDS.items():
        rows.append([f"{title}: random policy", "never", "0", "0", "0"])
        for key, label in LABELS.items():
            name = f"{world}_{key}"
            rows.append(
                [
                    f"{title}: {label}",
                    shown(f"steps_{name}", 0),
                    shown(f"updates_{name}", 0),
                    shown(f"cpu_{name}", 2),
                    shown(f"arrived_{name}", 0),
                ]
            )
    return header, rows


def race(study, live: dict[str, float]) -> np.ndarray:
    """Real steps and updates to the target, a panel for each world."""
    _, axes = plt.subplots(1, 3, figsize=(7, 3.1), sharey=True)
    for ax, (world, title) in zip(axes, WORLDS.items(), strict=True):
        for row, key in enumerate(LABELS):
            name = f"{world}_{key}"
            for what, colour, shift in (("steps", BLUE, -0.18), ("updates", ORANGE, 0.18)):
                value = study.mean(f"{what}_{name}") if study else live[f"{what}_{name}"]
                error = study.sd(f"{what}_{name}") if study else 0
                label = ("real steps" if what == "steps" else "updates") if row == 0 else None
                ax.barh(row + shift, value, 0.34, xerr=error, color=colour, label=label, error_kw={"lw": 1})
        ax.set(xscale="log", xlim=(100, 1.2e6))
        ax.set_xticks(10.0 ** np.arange(2, 7))
        ax.minorticks_off()
        ax.tick_params(axis="x", labelsize=8)
        ax.set_title(title, fontsize=9)
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(LABELS)), LABELS.values(), fontsize=8)
    axes[0].invert_yaxis()
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return axes
