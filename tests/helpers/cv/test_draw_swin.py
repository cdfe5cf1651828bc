"""The Swin chapter's drawings: they show what they are given, at the places where it belongs."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.cv import draw_swin
from helpers.cv.scoring import Detections
from helpers.data.annotated import Annotated


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_what_a_token_may_look_at_is_bright_and_the_rest_is_dark():
    image = np.full((32, 32, 3), 200, np.uint8)
    half = np.zeros((4, 4), bool)
    half[:2] = True
    draw_swin.sight(image, {"all": np.ones((4, 4)), "half": half, "shifted": half}, (1, 2), 8, 2, 1)
    all_, part, _ = (np.asarray(ax.images[0].get_array()) for ax in plt.gcf().axes)
    assert all_.min() == 200 and part[:16].min() == 200 and part[16:].max() < 80
    spot = plt.gcf().axes[0].patches[0]
    assert spot.get_xy() == (15.5, 7.5) and spot.get_width() == 8


def test_windows_lie_where_they_start():
    draw_swin.windows(np.zeros((40, 40, 3), np.uint8), 20, 10)
    first, second = (
        sorted({line.get_xdata()[0] for line in ax.lines if np.ptp(line.get_xdata()) == 0}) for ax in plt.gcf().axes
    )
    assert first == [-0.5, 19.5, 39.5] and second == [9.5, 29.5]


def test_attention_is_drawn_over_its_patches():
    weights = np.zeros((1, 2, 2))
    weights[0, 1, 0] = 0.5
    draw_swin.attended(np.zeros((8, 8)), weights, [(0, 1)], 4)
    shown = np.asarray(plt.gcf().axes[1].images[1].get_array())
    assert shown[4:, :4].min() == 1 and shown[:4].max() == 0


def test_the_roll_is_undone_on_the_left_and_four_masks_stand_on_the_right():
    region = np.zeros((8, 8), int)
    region[6:] = 6
    masks = np.zeros((4, 16, 16))
    masks[3] = -100
    draw_swin.cyclic(region, 2, 4, masks)
    before, after, *small = plt.gcf().axes
    assert (np.asarray(before.images[0].get_array())[:2] == 6).all()
    assert (np.asarray(after.images[0].get_array())[6:] == 6).all()
    assert [ax.get_title() for ax in small] == ["inner", "right edge", "bottom", "corner"]
    assert [bool(np.asarray(ax.images[0].get_array()).all()) for ax in small] == [True, True, True, False]


def test_positions_show_what_each_query_reads():
    index = np.arange(256).reshape(16, 16)
    draw_swin.positions(index, 4)
    texts = [[text.get_text() for text in ax.texts] for ax in plt.gcf().axes[:3]]
    assert texts[0] == [str(i) for i in range(16)] and texts[1][0] == str(10 * 16) and texts[2][-1] == "255"


def test_merging_lays_four_places_side_by_side():
    draw_swin.merging()
    assert [len(ax.patches) for ax in plt.gcf().axes] == [0, 16, 4]


def test_a_place_without_influence_stays_white():
    field = np.zeros((8, 8))
    field[:4, :4] = 1
    draw_swin.fields({"a": [field, field], "b": [field, field]}, (1, 2), (2, 3), 4)
    assert len(plt.gcf().axes) == 4
    shown = np.asarray(plt.gcf().axes[0].images[0].get_array().filled(np.nan))
    assert np.isfinite(shown).sum() == 16 and np.nanmax(shown) == 0


def test_costs_carry_their_slopes():
    draw_swin.costs({"global": {64: 1e6, 256: 16e6}}, {"global": {64: 1, 256: 12}}, {"global": 1.79})
    left, right = plt.gcf().axes
    assert list(left.lines[0].get_ydata()) == [1, 16] and list(right.lines[0].get_xdata()) == [64, 256]
    assert right.get_legend().get_texts()[0].get_text() == "global: slope 1.79"


def study():
    values = {f"accuracy_{k}_{n}": [v, v + 2] for k, v in (("swin", 60.0), ("cnn", 80.0)) for n in (500, 2000)}
    return SimpleNamespace(values=values.get)


def test_small_data_draws_the_study_and_the_live_points_beside_it():
    live = {"Swin": {500: 55.0}, "CNN": {500: 75.0}}
    draw_swin.small_data(study(), (500, 2000), 10.0, live)
    means = [np.asarray(line.get_ydata()).tolist() for line in plt.gca().lines][:3:2]
    assert means == [[61, 61], [81, 81]]
    draw_swin.small_data(None, (500, 2000), 10.0, live)
    assert [text.get_text() for text in plt.gca().get_legend().get_texts()] == ["Swin", "CNN", "null baseline"]


def test_losses_and_moves_have_a_line_for_each_network():
    ax = draw_swin.losses({"a": np.ones(20), "b": np.zeros(20)})
    assert [line.get_ydata()[-1] for line in ax.lines] == [1, 0]
    draw_swin.moved((0, 1), {"a": [80, 70], "b": [90, 85]})
    assert [line.get_ydata()[1] for line in plt.gca().lines] == [70, 85]


def test_each_detector_draws_as_many_boxes_as_there_are_objects():
    boxes = np.array([[0, 0, 10, 10], [20, 20, 40, 40]], np.float32)
    data = Annotated(
        np.zeros((2, 64, 64, 3), np.uint8),
        [boxes[:1], boxes],
        [np.array([0]), np.array([0, 1])],
        ("a", "b"),
        ["x", "y"],
    )
    one = Detections(np.repeat(boxes, 3, 0), np.linspace(1, 0.1, 6), np.zeros(6, int))
    draw_swin.found(data, [0, 1], {"Swin": [one, one]})
    assert [len(ax.patches) for ax in plt.gcf().axes] == [1, 2, 1, 2]
