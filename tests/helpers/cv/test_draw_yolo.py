"""The YOLO chapter's drawings: what is coloured as right is right, and a study's numbers land in the table."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from helpers.cv import draw_yolo
from helpers.cv.scoring import Detections
from helpers.data.annotated import Annotated

TRUTH = np.array([[0, 0, 10, 10], [20, 20, 40, 40]], np.float32)
KEYS = {"v1": "v1", "more = v2": "v2"}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def found(boxes, labels):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.linspace(0.9, 0.5, len(boxes)), np.array(labels, int)
    )


def test_a_verdict_needs_the_place_and_the_class_and_gives_each_object_away_once():
    said = [
        ([0, 0, 10, 9], 1),  # the first object, its class
        ([0, 0, 10, 10], 1),  # the same object again
        ([21, 20, 40, 40], 0),  # the second object, another class
        ([60, 60, 70, 70], 0),  # nothing there
    ]
    verdicts = draw_yolo.verdicts(found(*zip(*said, strict=True)), TRUTH, np.array([1, 1]))
    assert verdicts == ["right", "wrong", "wrong class", "wrong"]


def test_an_object_of_the_same_class_is_taken_before_a_better_fit_of_another():
    truth = np.array([[0, 0, 10, 10], [0, 0, 10, 8]], np.float32)
    assert draw_yolo.verdicts(found([[0, 0, 10, 10]], [1]), truth, np.array([0, 1])) == ["right"]


def test_verdicts_of_nothing_and_on_an_empty_scene():
    assert draw_yolo.verdicts(found([], []), TRUTH, np.array([0, 0])) == []
    assert draw_yolo.verdicts(found([[0, 0, 1, 1]], [0]), np.zeros((0, 4), np.float32), np.zeros(0)) == ["wrong"]


def test_distinct_keeps_one_name_for_a_box():
    one = found([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]], [0, 1, 0])
    assert draw_yolo.distinct(one).boxes.tolist() == [[0, 0, 10, 10], [50, 50, 60, 60]]


def study():
    values = {"ap_v1": 1.0, "ap_v2": 3.0, "ap50_v1": 4.0, "ap50_v2": 8.0, "gain_v2": 2.0}
    values |= {"small_ap_v1": 0.5, "small_ap_v2": 1.5}
    return SimpleNamespace(seeds=[0, 1], records=values, mean=values.get, sd=lambda name: 0.25)


def test_the_table_shows_live_and_stored_numbers_and_dashes_where_there_is_none():
    header, rows = draw_yolo.ladder_rows(study(), KEYS, {"v1": 0.5})
    assert "2 seeds" in header[2]
    assert rows[0][:5] == ["v1", "0.5", "1.0 ± 0.2", "—", "0.5 ± 0.2"]
    assert rows[1][:5] == ["more = v2", "—", "3.0 ± 0.2", "+2.0 ± 0.2", "1.5 ± 0.2"]
    _, rows = draw_yolo.ladder_rows(None, KEYS, {})
    assert rows[0] == ["v1", *["—"] * 6]


def test_the_ladder_has_a_bar_a_rung_from_the_study_or_from_this_run():
    draw_yolo.ladder(study(), KEYS, {})
    assert [bar.get_width() for bar in plt.gca().patches] == [4.0, 1.0, 8.0, 3.0]
    draw_yolo.ladder(None, KEYS, {"v1": (0.5, 2.0)})
    assert [bar.get_width() for bar in plt.gca().patches] == [2.0, 0.5]


def test_calm_pictures_have_few_colours_and_nearly_the_same_look():
    image = np.random.default_rng(0).integers(100, 140, (32, 32, 3), dtype=np.uint8)
    image[:16] = (200, 30, 30)
    calm = draw_yolo.calm(image)
    assert calm.shape == image.shape and len(np.unique(calm.reshape(-1, 3), axis=0)) <= 24
    assert np.abs(calm.astype(int) - image).mean() < 15


def test_generations_colour_each_box_by_its_verdict():
    data = Annotated(np.zeros((1, 64, 64, 3), np.uint8), [TRUTH], [np.array([0, 1])], ("a", "b"), ["x"])
    answer = found([[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]], [0, 0, 0])
    draw_yolo.generations(data, [0], {"v1": [answer]})
    first, last = plt.gcf().axes
    assert [patch.get_edgecolor()[:3] for patch in first.patches] == [
        plt.matplotlib.colors.to_rgb(colour) for colour in (draw_yolo.GREEN, draw_yolo.ORANGE)
    ]
    assert len(last.patches) == 2


def test_descent_reaches_the_goal_on_a_loss_with_a_slope_and_stays_on_one_without():
    draw_yolo.descend({"flat": lambda b, t: 0 * b.sum(1), "squares": lambda b, t: ((b - t) / 32).square().sum(1)})
    flat, squares = plt.gcf().axes
    assert flat.get_title() == "flat: IoU 0.00"
    assert float(squares.get_title().split()[-1]) > 0.9


def test_forms_priors_and_mosaics_draw_what_they_are_given():
    image = np.zeros((64, 64, 3), np.uint8)
    draw_yolo.form(image, TRUTH, ["a", "b"], 32)
    assert len(plt.gcf().axes[1].patches) == 2
    looked = (torch.rand(1, 8, 4) * 30 + 1, torch.rand(1, 8), torch.rand(1, 8, 3))
    draw_yolo.raw(image, looked, found([[0, 0, 9, 9]], [0]), 32, 1)
    assert [len(ax.patches) for ax in plt.gcf().axes] == [0, 8, 1]
    sizes = np.random.default_rng(0).uniform(5, 50, (30, 2))
    draw_yolo.priors({1: 40.0, 2: 50.0}, [39.0, 51.0], sizes, np.arange(30) % 2, sizes[:2])
    assert len(plt.gcf().axes[2].patches) == 2
    images = torch.zeros(3, 3, 64, 64, dtype=torch.uint8)
    truth = torch.tensor([[[10.0, 10, 5, 5], [20, 20, 5, 5]]]).expand(3, 2, 4)
    draw_yolo.mosaics(images, truth, torch.tensor([[0, -1]] * 3), np.zeros((8, 8)))
    assert [len(ax.patches) for ax in plt.gcf().axes] == [1, 1, 1, 0]


def test_a_tally_shares_out_the_best_boxes_of_all_pictures():
    two = np.zeros((2, 64, 64, 3), np.uint8)
    data = Annotated(two, [TRUTH, TRUTH[:0]], [np.array([0, 1]), np.zeros(0, int)], ("a", "b"), ["x", "y"])
    answers = [found([[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]], [0, 0, 0]), found([[1, 1, 9, 9]], [0])]
    assert draw_yolo.tally(data, answers) == {"right": 50.0, "wrong class": 50.0, "wrong": 0.0}
    assert sum(draw_yolo.tally(data[1:], answers[1:]).values()) == 0


def test_the_four_networks_are_drawn_with_one_more_arrow_each():
    draw_yolo.networks()
    arrows = [sum(text.get_text() == "" for text in ax.texts) for ax in plt.gcf().axes]
    assert arrows == [2, 3, 5, 5]
