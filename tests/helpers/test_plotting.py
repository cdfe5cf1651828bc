"""Plotting: what is drawn is what was given."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from helpers import plotting


@pytest.fixture(autouse=True)
def clean():
    with plt.rc_context():
        plotting.style()
        yield
    plt.close("all")


def contrast(a: str, b: str) -> float:
    """Distance of two colours as a deuteranope sees them (Viénot, Brettel & Mollon 1999)."""
    rgb_to_lms = np.array([[17.8824, 43.5161, 4.1194], [3.4557, 27.1554, 3.8671], [0.03, 0.1843, 1.4671]])
    deuteranope = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    seen = np.linalg.inv(rgb_to_lms) @ deuteranope @ rgb_to_lms
    return float(np.linalg.norm(seen @ np.subtract(matplotlib.colors.to_rgb(a), matplotlib.colors.to_rgb(b))))


def test_colours_differ_for_colour_blind_readers():
    first = plotting.COLOURS[:4]
    assert min(contrast(a, b) for i, a in enumerate(first) for b in first[:i]) > 0.15


def test_image_grid_has_a_picture_for_each_image_and_hides_the_rest():
    axes = plotting.image_grid(np.zeros((5, 4, 4)), ["a", "b\nc", "d", "e", "f"], columns=3)
    assert axes.shape == (2, 3)
    assert [len(ax.images) for ax in axes.flat] == [1, 1, 1, 1, 1, 0]
    assert axes[0, 1].get_title() == "b\nc"
    assert not any(ax.axison for ax in axes.flat)


def test_band_draws_mean_and_standard_deviation():
    _, ax = plt.subplots()
    runs = np.array([[1.0, 2], [3, 6]])
    plotting.band(ax, [0, 1], runs, "ours")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [2, 4])
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(4 + np.std([2, 6], ddof=1))


def test_smooth_is_a_running_mean_of_what_came_before():
    np.testing.assert_allclose(plotting.smooth([1, 2, 3, 4], window=2), [1, 1.5, 2.5, 3.5])
    np.testing.assert_allclose(plotting.smooth(np.ones(50)), np.ones(50))


def test_confusion_writes_every_count_and_colours_only_mistakes():
    matrix = np.array([[90, 10], [3, 97]])
    ax = plotting.confusion(matrix, ["shirt", "coat"])
    assert [text.get_text() for text in ax.texts] == ["90", "10", "3", "97"]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 10], [3, 0]])


def test_reliability_diagram_draws_the_bins():
    _, ax = plt.subplots()
    plotting.reliability_diagram(ax, [0.5, 0.9], [0.4, 0.8], [0.3, 0.7], "raw")
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[0.5, 0.4], [0.9, 0.8]])
