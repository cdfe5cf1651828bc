"""Pictures with boxes drawn on them: what is there, and what a detector says."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from helpers.plotting import SKY


def boxes(
    ax: Axes,
    image: ArrayLike | None,
    corners: ArrayLike,
    titles: Sequence[str] = (),
    *,
    colour: str | Sequence[str] = SKY,
    linestyle: str = "-",
    linewidth: float = 1.4,
) -> None:
    """Show an image (H, W, 3) (None: draw over what `ax` has) with boxes (M, 4), x1, y1, x2, y2, each with its title.

    Args:
        colour: One for all boxes, or one for each.
    """
    if image is not None:
        ax.imshow(np.asarray(image))
        ax.axis("off")
        ax.grid(False)
    corners = np.asarray(corners, dtype=float).reshape(-1, 4)
    colours = [colour] * len(corners) if isinstance(colour, str) else list(colour)
    for i, ((x1, y1, x2, y2), edge) in enumerate(zip(corners, colours, strict=True)):
        # Pixel 0 is drawn from -0.5 to 0.5.
        frame = Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, edgecolor=edge, linewidth=linewidth)
        frame.set_linestyle(linestyle)
        ax.add_patch(frame)
        if i < len(titles) and titles[i]:
            back = {"facecolor": edge, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
            ax.text(x1, y1 - 1, titles[i], fontsize=6, va="bottom", color="black", bbox=back, clip_on=True)


def grid(rows: int, columns: int, size: float = 1.7) -> np.ndarray:
    """Axes for `rows` × `columns` pictures of `size` inches, without ticks."""
    _figure, axes = plt.subplots(rows, columns, figsize=(columns * size, rows * size), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    return axes
