"""The figures of the labs on detection: scenes with boxes, anchors and what they learn, precision and recall."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from helpers.labs.shapes import CLASSES, Scenes, picture
from helpers.plotting import BLUE, GREEN, ORANGE, SKY

COLOURS = (SKY, ORANGE, GREEN)  # of the classes


def boxes(ax, corners, colours: str | Sequence[str], texts: Sequence[str] = (), **options) -> None:
    """Draw boxes (M, 4) on `ax`, each with its text over it."""
    corners = np.asarray(corners, float).reshape(-1, 4)
    colours = [colours] * len(corners) if isinstance(colours, str) else colours
    for i, (x1, y1, x2, y2) in enumerate(corners):
        style = {"fill": False, "edgecolor": colours[i], "linewidth": 1.4} | options
        ax.add_patch(Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, **style))
        if i < len(texts):
            back = {"facecolor": colours[i], "edgecolor": "none", "pad": 0.5, "alpha": 0.85}
            ax.text(x1, max(y1 - 1, 4), texts[i], fontsize=6, va="bottom", color="black", bbox=back, clip_on=True)


def row(scenes: Scenes, which: Sequence[int], found: Sequence[tuple] | None = None, least: float = 0.4) -> None:
    """Scenes with their true boxes; or, where `found` is given, with its boxes of a score of at least `least`."""
    _, axes = plt.subplots(1, len(which), figsize=(9, 9 / len(which) + 0.1), dpi=85)
    for ax, i in zip(axes, which, strict=True):
        _show(ax, scenes.images[i])
        corners, scores, labels = (
            (scenes.boxes[i], np.ones(len(scenes.boxes[i])), scenes.labels[i])
            if found is None
            else (np.asarray(v) for v in found[i])
        )
        sure = scores >= least
        names = [CLASSES[k] for k in labels[sure]]
        texts = names if found is None else [f"{name} {s:.2f}" for name, s in zip(names, scores[sure], strict=True)]
        boxes(ax, corners[sure], [COLOURS[k] for k in labels[sure]], texts)
    plt.show()


def lessons(image: np.ndarray, truth: np.ndarray, anchors: np.ndarray, y: np.ndarray) -> None:
    """What the anchors of a scene learn: dots at the centres of all, boxes round those that are to find an object."""
    _, axes = plt.subplots(1, 2, figsize=(7, 3.5), dpi=100)
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2 - 0.5
    for ax in axes:
        _show(ax, image)
        boxes(ax, truth, "white", linestyle=":")
    boxes(axes[0], anchors[y == 1], BLUE, linewidth=0.8)
    styles = {
        "background": (0, "0.75", ".", 4),
        "left out": (-1, ORANGE, "x", 18),
        "object": (1, BLUE, "o", 18),
    }
    for name, (value, colour, marker, size) in styles.items():
        axes[1].scatter(*centre[y == value].T, s=size, c=colour, marker=marker, linewidths=1, label=name)
    axes[1].legend(fontsize=7, loc="upper right", frameon=True, facecolor="0.5", framealpha=0.9)
    plt.show()


def precision_recall(curves: dict[str, tuple[np.ndarray, np.ndarray, float]]) -> None:
    """Precision against recall: name → scores (M,), right (M,), number of objects."""
    _, ax = plt.subplots(figsize=(5, 3), dpi=100)
    for (name, (scores, right, objects)), colour in zip(curves.items(), (BLUE, ORANGE, GREEN), strict=False):
        hits = np.cumsum(np.asarray(right)[np.argsort(-np.asarray(scores), kind="stable")])
        precision = hits / np.arange(1, len(hits) + 1)
        ax.plot(hits / objects, precision, color=colour, linewidth=0.8, alpha=0.6)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        ax.step(np.r_[0, hits / objects], np.r_[envelope[:1], envelope], where="pre", color=colour, label=name)
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.03))
    ax.legend()
    plt.show()


def _show(ax, image: np.ndarray) -> None:
    ax.imshow(picture(image))
    ax.axis("off")
