"""The films show what is there, what is seen and what is dreamt."""

import math

import numpy as np

from helpers.mbrl import draw_world_models as draw


def test_the_dark_is_dark_and_the_lamp_is_lit():
    seen = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, -1]], np.float32)
    on, dark, off = draw.glimpse_film(seen, "")
    assert on.shape == dark.shape == off.shape
    assert dark.max() < 100 < on.mean()
    corner = (slice(24, 32), slice(-18, -10))
    assert (on[corner][..., 2] < 60).all() and (off[corner] > 240).all()


def test_the_lamp_of_the_truth_is_that_of_the_glimpses():
    for phase in range(10):
        turn = 2 * math.pi * phase / 10
        (frame,) = draw.world_film([[1, 0, 0, math.cos(turn), math.sin(turn)]], "")
        assert (frame[28, -14, 2] < 60) == (phase < 5)


def test_a_dream_says_when_the_eyes_are_closed():
    frames = draw.dream_film([[1, 0, 1]] * 4, 2, "model")
    assert np.array_equal(frames[0], frames[1]) and not np.array_equal(frames[1], frames[2])


def test_figures_take_what_the_chapter_measures():
    ax = draw.foresight({"model": np.arange(12.0).reshape(3, 4)})
    assert ax.lines[0].get_ydata().tolist() == [4, 5, 6, 7]
    ax = draw.probes({"h": [0.5, -1.0]}, ["angle", "lamp"])
    assert [bar.get_height() for bar in ax.patches] == [0.5, 0.0]
    ax = draw.shares({"a": {"angle": 40, "lamp": 1}, "b": {"angle": 30, "lamp": 9}})
    assert [bar.get_height() for bar in ax.patches] == [40, 1, 30, 9]
