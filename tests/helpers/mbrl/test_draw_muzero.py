"""The figures of the chapter on MuZero show what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from helpers.mbrl import draw_muzero as draw


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_a_board_shows_stones_and_shades_of_empty_cells():
    (ax,) = draw.boards([[1, -1, 0, 0, 0, 0, 0, 0, 0]], ["x"], (3, 3), [[0, 0, 0.25, 0.75, 0, 0, 0, 0, 0]])
    circles = [patch for patch in ax.patches if isinstance(patch, plt.Circle)]
    assert len(circles) == 1 and circles[0].center == (1.5, 0.5)
    assert [text.get_text() for text in ax.texts][:2] == ["25", "75"] and len(ax.texts) == 7
    assert ax.get_title() == "x" and len(ax.lines) == 4 + 2  # grid, and the two strokes of a cross


def test_curves_of_seeds_are_thin_and_their_median_thick():
    ax = draw.learning({"a": ([1, 2], [[10, 20], [30, 40], [20, 90]])}, 90, {"null": 5}, "y", "x")
    assert len(ax.lines) == 3 + 1 + 2 and ax.lines[3].get_ydata().tolist() == [20, 40]
    ax = draw.learning({"a": ([1, 2], [10, 20])}, 90, {}, "y", "x")
    assert len(ax.lines) == 2


def test_panels_and_sweeps_take_what_the_chapter_measures():
    axes = draw.knows({"a": {"trained": [1, 2], "null": [3, 3]}, "b": {"untrained": [1, 1]}}, 3)
    assert [len(ax.lines) for ax in axes] == [2, 1]
    ax = draw.sweep([0, 2, 16], {"MuZero": [[80, 90, 100], [90, 90, 90]], "one": [1, 2, 3]}, 90)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "2", "16"]
    assert np.allclose(ax.lines[0].get_ydata(), [85, 90, 95])


def test_ladders_have_a_row_for_each_name_and_a_bar_at_the_median():
    axes = draw.ladders({"left": {"a": [1, 2, 9], "b": [4, 5, 6]}, "right": {"a": [1, 1, 1], "b": [2, 2, 2]}}, "x")
    assert [list(line.get_xdata()) for line in axes[0].lines] == [[2, 2], [5, 5]]
    assert [ax.get_title() for ax in axes] == ["left", "right"]


def test_what_is_imagined_wrongly_is_marked():
    real = [[1, 0, 0, 0, 0, 0, 0, 0, 0], [-1, 1, 0, 0, 0, 0, 0, 0, 0]]
    axes = draw.imagined(real, [real[0], [-1, 0, 0, 0, 1, 0, 0, 0, 0]], (3, 3))
    marks = [[patch.get_xy() for patch in ax.patches if isinstance(patch, plt.Rectangle)] for ax in axes[1]]
    assert marks == [[], [(1, 0), (1, 1)]]
    assert [ax.get_title() for ax in axes[0]] == ["after 0", "after 1"] and axes[1, 0].get_ylabel() == "imagined"


def test_the_film_of_the_pole_ends_with_the_fall_or_after_its_steps():
    fallen = draw.pole_film(lambda seen: torch.ones(1), "x")
    assert 3 < len(fallen) < 15 and len(draw.pole_film(lambda seen: torch.ones(1), "x", most=4)) == 3
    assert all(frame.shape == fallen[0].shape and frame.dtype == np.uint8 for frame in fallen)
