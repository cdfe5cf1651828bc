"""Short films of agents, as one animated PNG that every browser, Jupyter and Colab show like a picture.

A film plays once, for at most five seconds, and stops on its last frame (what moves for longer needs a pause button:
WCAG 2.2, criterion 2.2.2). On the book's pages a button plays it again.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from IPython.display import Image
from numpy.typing import ArrayLike
from PIL import Image as Picture

LONGEST = 5.0  # seconds
LARGEST = 180_000  # bytes; a page carries several films


def film(frames: Sequence[ArrayLike], fps: float = 20) -> Image:
    """Frames (T, H, W, 3), `uint8`, as an animation that plays once.

    All frames share one palette of 64 colours, so draw flat areas, not photographs.

    Raises:
        ValueError: No frame, frames of different sizes, longer than five seconds, or too many bytes for a page.
    """
    pictures = [Picture.fromarray(np.ascontiguousarray(frame, dtype=np.uint8)) for frame in frames]
    if not pictures:
        raise ValueError("a film needs at least one frame")
    if len({picture.size for picture in pictures}) > 1:
        raise ValueError("the frames of a film need one size")
    if len(pictures) > LONGEST * fps + 1e-6:
        raise ValueError(
            f"{len(pictures)} frames at {fps} a second are longer than {LONGEST:.0f} s: leave out every other frame"
        )
    palette = _palette(pictures)
    first, *rest = [picture.quantize(palette=palette, dither=Picture.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=rest, duration=1000 / fps, loop=1, optimize=True)
    if buffer.tell() > LARGEST:
        raise ValueError(f"{buffer.tell():,} bytes: fewer or smaller frames, please (at most {LARGEST:,} bytes)")
    return Image(buffer.getvalue(), format="png")


def _palette(pictures: Sequence[Picture.Image], samples: int = 8) -> Picture.Image:
    """64 colours that suit a few frames spread over the film."""
    some = [pictures[i] for i in np.linspace(0, len(pictures) - 1, samples).round().astype(int)]
    joined = np.concatenate([np.asarray(picture) for picture in some])
    return Picture.fromarray(joined).quantize(64, Picture.Quantize.MAXCOVERAGE)


def beside(*films: Sequence[ArrayLike], gap: int = 12) -> list[np.ndarray]:
    """Films of one height next to each other; the shorter ones wait on their last frame."""
    arrays = [np.asarray(frames, dtype=np.uint8) for frames in films]
    longest = max(len(frames) for frames in arrays)
    held = [np.concatenate([f, np.repeat(f[-1:], longest - len(f), axis=0)]) for f in arrays]
    space = np.full((longest, arrays[0].shape[1], gap, 3), 255, np.uint8)
    parts = [part for frames in held for part in (frames, space)][:-1]
    return list(np.concatenate(parts, axis=2))
