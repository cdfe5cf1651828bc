"""The closing picture of the detection chapters: its front is what no other beats, and every detector is in it."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.cv.draw_detectors import Measured, accuracy_and_cost, front


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_front_is_what_nobody_beats_in_both():
    rng = np.random.default_rng(0)
    points = [tuple(point) for point in rng.integers(1, 20, (40, 2)).astype(float).tolist()]
    kept = front(points)
    beaten = lambda a: any(b != a and b[0] <= a[0] and b[1] >= a[1] for b in points)  # noqa: E731
    assert set(kept) == {point for point in points if not beaten(point)}
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(kept))


def test_of_equal_costs_the_better_is_kept():
    assert front([(1.0, 2.0), (1.0, 5.0), (2.0, 5.0)]) == [(1.0, 5.0)]
    assert front([]) == []


def test_every_detector_has_a_point_in_both_panels_and_a_name_in_the_first():
    some = [Measured("slow", 3, 20.0, 1.0, 600.0, 200.0), Measured("quick", 4, 25.0, 0.5, 12.0, 100.0)]
    accuracy_and_cost(some, 0.1)
    left, right = plt.gcf().axes
    assert [text.get_text() for text in left.texts] == ["slow", "quick"] and not right.texts
    assert [len(ax.containers) for ax in (left, right)] == [2, 2]
    assert left.get_xscale() == right.get_xscale() == "log"
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["chapter 3", "chapter 4"]
