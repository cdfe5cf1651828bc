"""The R-CNN chapter's drawings: the boxes, curves and bars that are handed in are what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from helpers.cv import draw_rcnn

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
BOXES = np.array([[5, 5, 20, 30], [30, 10, 50, 35]], float)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def corners(ax):
    """The boxes that an axes shows, as x1, y1, x2, y2 in pixels."""
    drawn = [p for p in ax.patches if isinstance(p, Rectangle)]
    return [(p.get_x() + 0.5, p.get_y() + 0.5, p.get_x() + p.get_width() + 0.5, p.get_y() + p.get_height() + 0.5)
            for p in drawn]  # fmt: skip


def test_the_question_shows_boxes_and_names_on_the_right_only():
    draw_rcnn.question(IMAGE, BOXES, ["Coat", "Bag"])
    left, right = plt.gcf().axes
    assert corners(left) == [] and not left.texts
    assert corners(right) == [tuple(box) for box in BOXES]
    assert [text.get_text() for text in right.texts] == ["Coat", "Bag"]


def test_a_move_shows_truth_and_proposal_in_each_panel_and_the_steps_in_theirs():
    truth, proposal, halfway = BOXES[0], BOXES[0] + 4, BOXES[0] + [0, 0, 4, 4]
    draw_rcnn.moved(IMAGE, truth, proposal, [halfway, truth])
    panels = [corners(ax) for ax in plt.gcf().axes]
    assert panels[0] == [tuple(truth), tuple(proposal)]
    assert panels[1] == [tuple(truth), tuple(proposal), tuple(halfway)]
    assert panels[2] == [tuple(truth), tuple(proposal), tuple(truth)]


def test_recall_is_the_share_of_objects_at_least_so_well_covered():
    _, ax = plt.subplots()
    draw_rcnn.recalls(ax, {"search": [0.55, 0.75, 0.95, 0.1], "luck": [0.2, 0.2, 0.2, 0.2]})
    search, luck = ax.lines
    at = dict(zip(np.round(search.get_xdata(), 2), search.get_ydata(), strict=True))
    assert (at[0.5], at[0.7], at[0.9], at[1.0]) == (75, 50, 25, 0)
    assert np.all(luck.get_ydata() == 0)
    assert [text.get_text() for text in ax.get_legend().texts] == ["search", "luck"]


def test_the_staircase_draws_both_curves_as_they_are():
    draw_rcnn.staircase([0, 1, 2], {"pooling": [1, 1, 5], "align": [1, 2, 3]})
    assert [line.get_ydata().tolist() for line in plt.gca().lines] == [[1, 1, 5], [1, 2, 3]]


def test_anchors_objectness_and_proposals_have_a_panel_each():
    heat = np.linspace(0, 1, 35).reshape(5, 7)
    draw_rcnn.anchors(IMAGE, BOXES, BOXES[:1], heat, BOXES[1:])
    first, second, third = plt.gcf().axes
    assert corners(first) == [tuple(box) for box in BOXES]
    assert np.array_equal(second.images[-1].get_array(), heat)
    assert corners(third) == [tuple(BOXES[1]), tuple(BOXES[0])]


def test_bars_of_time_are_stacked_in_the_order_of_the_stages():
    ms = {"slow": {"proposals": 100.0, "features": 400.0}, "quick": {"proposals": 5.0, "features": 20.0}}
    draw_rcnn.time_bars(ms, ("proposals", "features"))
    left, right = plt.gcf().axes
    assert [(bar.get_x(), bar.get_width()) for bar in left.patches] == [(0, 100), (0, 5), (100, 400), (5, 20)]
    assert [text.get_text() for text in right.texts] == ["500 ms", "25 ms"]
    assert [bar.get_width() for bar in right.patches] == [500, 25]


def test_panels_colour_boxes_by_class():
    draw_rcnn.with_and_without(IMAGE, {"all": (BOXES, [0, 1]), "none": ([], [])}, lambda k: ["red", "blue"][k])
    whole, nothing = plt.gcf().axes
    assert [patch.get_edgecolor()[:3] for patch in whole.patches] == [(1, 0, 0), (0, 0, 1)]
    assert corners(nothing) == [] and (whole.get_title(), nothing.get_title()) == ("all", "none")
