"""Films: an animated PNG with every frame, small, finite, and drawn as the angles say."""

import io

import numpy as np
import pytest
from PIL import Image

from helpers.mbrl import animation, draw_worlds


def _frames(film):
    picture = Image.open(io.BytesIO(film.data))
    out = []
    for i in range(picture.n_frames):
        picture.seek(i)
        out.append(np.asarray(picture.convert("RGB")))
    return picture, out


def test_a_film_has_every_frame_and_plays_once():
    frames = [draw_worlds.pendulum(0.1 * i, torque=1.0) for i in range(40)]
    picture, shown = _frames(animation.film(frames, fps=20))
    assert picture.n_frames == 40 and picture.info["loop"] == 1 and picture.info["duration"] == 50
    for frame, seen in zip(frames, shown, strict=True):
        assert np.abs(frame.astype(int) - seen).mean() < 2


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "at least one"),
        ([np.zeros((4, 4, 3)), np.zeros((5, 4, 3))], "one size"),
        ([np.zeros((4, 4, 3))] * 101, "every other frame"),
        (list(np.random.default_rng(0).integers(0, 255, (30, 150, 150, 3))), "bytes"),
    ],
)
def test_what_cannot_be_a_film_is_refused(frames, message):
    with pytest.raises(ValueError, match=message):
        animation.film(frames)


def test_the_shorter_film_waits_on_its_last_frame():
    a, b = (
        np.zeros((2, 5, 6, 3), np.uint8),
        np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 5, 7, 3), np.uint8),
    )
    both = animation.beside(a, b, gap=2)
    assert len(both) == 4 and both[0].shape == (5, 15, 3)
    assert (both[3][:, 8:] == 3).all() and (both[3][:, 6:8] == 255).all()


def _ink(frame):
    """Mean column and row of the blue rod, in shares of the picture."""
    blue = (np.abs(frame.astype(int) - [0, 114, 178]).sum(2) < 60).nonzero()
    return blue[1].mean() / frame.shape[1], blue[0].mean() / frame.shape[0]


def test_the_pendulum_leans_left_for_positive_angles_and_hangs_at_pi():
    x, y = _ink(draw_worlds.pendulum(np.pi / 2))
    assert x < 0.4 and abs(y - 0.5) < 0.05
    assert _ink(draw_worlds.pendulum(np.pi))[1] > 0.6


def test_the_pole_leans_right_for_positive_angles_and_the_cart_moves():
    upright, leaning = _ink(draw_worlds.cart_pole(0, 0)), _ink(draw_worlds.cart_pole(0, 0.5))
    assert leaning[0] > upright[0] + 0.02
    assert _ink(draw_worlds.cart_pole(1, 0))[0] > upright[0] + 0.1


def test_a_ghost_is_drawn_behind():
    alone, with_ghost = draw_worlds.pendulum(0.0), draw_worlds.pendulum(0.0, ghost=2.0)
    assert (alone != with_ghost).any() and (draw_worlds.pendulum(0.0, ghost=0.0) == alone).mean() > 0.99
