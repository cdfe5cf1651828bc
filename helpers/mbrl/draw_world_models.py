"""Drawing for the chapter on world models: films of glimpses and of dreams, foresight, probes, learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from helpers.mbrl import draw_worlds
from helpers.mbrl.draw_mbpo import angles
from helpers.plotting import BLUE, COLOURS, GREEN, ORANGE, PURPLE

SIZE = 140


def glimpse(theta: float, lamp: float, text: str = "", ghost: float | None = None) -> np.ndarray:
    """One frame: the pendulum and, in the upper right corner, the lamp (from -1, off, to 1, on)."""
    frame = Image.fromarray(draw_worlds.pendulum(theta, ghost=ghost, text=text, size=SIZE))
    share = (np.clip(lamp, -1, 1) + 1) / 2
    glow = tuple(int(255 + share * (part - 255)) for part in (230, 159, 0))  # white to orange
    ImageDraw.Draw(frame).ellipse((SIZE - 22, 20, SIZE - 6, 36), fill=glow, outline="#999999")
    return np.asarray(frame)


def dark(text: str = "") -> np.ndarray:
    """What is seen when nothing is."""
    frame = Image.new("RGB", (SIZE, SIZE), "#444444")
    ImageDraw.Draw(frame).text((4, 3), text, fill="white")
    return np.asarray(frame)


def world_film(truth: ArrayLike, text: str) -> list[np.ndarray]:
    """Frames of the true states (T, 5)."""
    truth = np.asarray(truth)
    lamps = np.where(np.arctan2(truth[:, 4], truth[:, 3]) % (2 * np.pi) < np.pi - 1e-3, 1, -1)
    return [glimpse(*pair, text) for pair in zip(angles(truth), lamps, strict=True)]


def glimpse_film(observations: ArrayLike, text: str) -> list[np.ndarray]:
    """Frames of what an agent sees, (T, 4)."""
    return [glimpse(np.arctan2(o[2], o[1]), o[3], text) if o[0] else dark(text) for o in np.asarray(observations)]


def dream_film(decoded: ArrayLike, context: int, text: str) -> list[np.ndarray]:
    """Frames of decoded glimpses (T, 3); the first `context` were decoded with open eyes."""
    return [
        glimpse(np.arctan2(d[1], d[0]), d[2], f"{text}: eyes {'open' if t < context else 'closed'}")
        for t, d in enumerate(np.asarray(decoded))
    ]


def foresight(errors: Mapping[str, ArrayLike], chance: float = 90.0) -> Axes:
    """Errors in degrees against decisions ahead: for each name (B, H), drawn as median and the middle half."""
    _, ax = plt.subplots(figsize=(7, 3.2))
    for (name, values), colour in zip(errors.items(), COLOURS, strict=False):
        low, middle, high = np.quantile(np.asarray(values), [0.25, 0.5, 0.75], axis=0)
        ahead = np.arange(1, len(middle) + 1)
        ax.plot(ahead, middle, color=colour, label=name)
        ax.fill_between(ahead, low, high, color=colour, alpha=0.15, linewidth=0)
    ax.axhline(chance, color="0.6", linestyle=":")
    ax.set(xlabel="decisions ahead, with closed eyes", ylabel="error of the angle (degrees)", ylim=(0, None))
    ax.legend()
    return ax


def probes(rows: Mapping[str, Sequence[float]], columns: Sequence[str]) -> Axes:
    """Bars of R², a group for each thing that is looked for and a colour for each latent; below zero counts as zero."""
    _, ax = plt.subplots(figsize=(7, 3))
    width, places = 0.8 / len(rows), np.arange(len(columns))
    for i, ((name, values), colour) in enumerate(zip(rows.items(), (ORANGE, BLUE, GREEN, PURPLE), strict=False)):
        ax.bar(
            places + (i - (len(rows) - 1) / 2) * width, np.clip(values, 0, 1), width * 0.92, color=colour, label=name
        )
    ax.set_xticks(places, columns)
    ax.set(ylabel="R² of a linear probe", ylim=(0, 1.02))
    ax.grid(axis="x", visible=False)
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def shares(rows: Mapping[str, Mapping[str, float]]) -> Axes:
    """Bars of shares in %, a group for each quantity and a colour for each latent."""
    _, ax = plt.subplots(figsize=(7, 3))
    columns = list(next(iter(rows.values())))
    width, places = 0.8 / len(rows), np.arange(len(columns))
    for i, ((name, values), colour) in enumerate(zip(rows.items(), ("0.7", BLUE, ORANGE), strict=False)):
        at = places + (i - (len(rows) - 1) / 2) * width
        ax.bar(at, list(values.values()), width * 0.92, color=colour, label=name)
    ax.set_xticks(places, columns)
    ax.set(ylabel="share of the latent's variance (%)")
    ax.grid(axis="x", visible=False)
    ax.legend(fontsize=8)
    return ax
