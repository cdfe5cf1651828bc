"""Frames of the worlds that the chapters act in, drawn flat and small, so that a film of them is a small file.

gymnasium's own rendering needs pygame or an OpenGL context; a pendulum and a cart with a pole need neither. Each
function draws one state as an array (H, W, 3), `uint8`. `ghost` draws a second state pale behind the first: what the
model imagines beside what is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers.plotting import BLACK, BLUE, ORANGE

FINER = 3  # drawn this many times larger, then shrunk: soft edges
GREY, PALE = "#999999", "#BBD5E8"


def pendulum(theta: float, torque: float = 0.0, *, ghost: float | None = None, text: str = "", size: int = 150):
    """Pendulum-v1: `theta` in rad, 0 upright, counted counter-clockwise; an arc shows the torque (-2 to 2 N m)."""
    image, draw = _canvas(size, size)
    centre, length = size / 2, 0.36 * size

    def rod(angle: float, colour: str) -> None:
        tip = (centre - length * math.sin(angle), centre - length * math.cos(angle))
        _line(draw, [(centre, centre), tip], colour, 0.07 * size)

    if ghost is not None:
        rod(ghost, PALE)
    rod(theta, BLUE)
    _dot(draw, (centre, centre), 0.025 * size, BLACK)
    if abs(torque) > 0.05:
        span, r = 80 * torque / 2, 0.12 * size  # degrees; PIL counts clockwise from the right
        ends = sorted((-90.0, -90.0 - span))
        box = [FINER * v for v in (centre - r, centre - r, centre + r, centre + r)]
        draw.arc(box, *ends, fill=ORANGE, width=int(FINER * 0.025 * size))
    return _finished(image, draw, text)


def cart_pole(
    x: float,
    theta: float,
    force: float = 0.0,
    *,
    ghost: Sequence[float] | None = None,
    text: str = "",
    width: int = 220,
):
    """A cart at `x` (m, the track ends at ±2.4) with a pole at `theta` (rad, 0 upright, clockwise positive).

    Args:
        force: -1 to 1, drawn as a bar at the cart's side.
        ghost: A second `(x, theta)`.
    """
    height = int(0.6 * width)
    image, draw = _canvas(width, height)
    scale, ground = width / 5.4, 0.82 * height
    _line(draw, [(width / 2 - 2.4 * scale, ground), (width / 2 + 2.4 * scale, ground)], GREY, 2)

    def cart(x: float, theta: float, body: str, pole: str) -> None:
        middle, top = width / 2 + x * scale, ground - 0.1 * height
        box = (middle - 0.4 * scale, top, middle + 0.4 * scale, ground)
        draw.rectangle([FINER * v for v in box], fill=body)
        tip = (middle + 1.3 * scale * math.sin(theta), top - 1.3 * scale * math.cos(theta))
        _line(draw, [(middle, top), tip], pole, 0.035 * width)

    if ghost is not None:
        cart(*ghost, "#DDDDDD", PALE)
    cart(x, theta, BLACK, BLUE)
    if abs(force) > 0.03:
        middle, y = width / 2 + x * scale, ground + 0.07 * height
        _line(draw, [(middle, y), (middle + force * 0.9 * scale, y)], ORANGE, 0.02 * width)
    return _finished(image, draw, text)


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (FINER * width, FINER * height), "white")
    return image, ImageDraw.Draw(image)


def _line(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
    draw.line([(FINER * x, FINER * y) for x, y in points], fill=colour, width=round(FINER * width))
    for point in points:
        _dot(draw, point, width / 2, colour)


def _dot(draw: ImageDraw.ImageDraw, point: tuple[float, float], radius: float, colour: str) -> None:
    x, y, r = FINER * point[0], FINER * point[1], FINER * radius
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _finished(image: Image.Image, draw: ImageDraw.ImageDraw, text: str) -> np.ndarray:
    if text:
        draw.text((FINER * 4, FINER * 3), text, fill=BLACK, font=ImageFont.load_default(FINER * 12))
    return np.asarray(image.resize((image.width // FINER, image.height // FINER), Image.Resampling.LANCZOS))
