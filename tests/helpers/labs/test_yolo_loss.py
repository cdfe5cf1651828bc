"""Lab 3's checks: the master's solutions pass, and each plausible mistake is caught by name."""

import numpy as np
import pytest
import torch
from torchvision import ops

from aibook.labs import grading
from helpers.labs import grid_detector, yolo_loss
from helpers.labs.checks import CheckFailed, NotWrittenYet

check, lab, share = yolo_loss.check, yolo_loss.lab, yolo_loss.share


@pytest.fixture(scope="module")
def solutions():
    """The names that the master's solution cells define."""
    return grading.solutions("03-yolo-loss")


@pytest.fixture
def quick(monkeypatch):
    """Let the check of the detector train for two steps only."""
    monkeypatch.setattr(grid_detector, "STEPS", 2)
    monkeypatch.setattr(yolo_loss, "TRAIN", 16)
    monkeypatch.setattr(yolo_loss, "TEST", 4)


def given(name, solutions, **changed):
    check(name, **{wanted: solutions[wanted] for wanted in lab.tasks[name].names} | changed)


@pytest.mark.parametrize("name", [name for name in lab.tasks if name != "detector"])
def test_the_masters_solutions_pass(name, solutions, capsys):
    given(name, solutions)
    assert "✓" in capsys.readouterr().out


def test_the_master_s_detector_runs_and_a_short_training_earns_little(solutions, quick, capsys):
    given("detector", solutions)
    assert "◐ detector: 0.0 / 5" in capsys.readouterr().out


def test_the_share_is_linear_between_null_and_bar():
    assert share(yolo_loss.NULL) == 0 == share(0) and share(yolo_loss.BAR) == 1 == share(0.9)
    assert share((yolo_loss.NULL + yolo_loss.BAR) / 2) == pytest.approx(0.5)


def test_the_network_s_form_holds_boxes_objectness_and_classes_in_this_order():
    (raw,) = grid_detector.GridNetwork()(torch.zeros(2, 3, 64, 64))
    assert raw.shape == (2, 3, 16, 16, 8)
    assert raw[..., 4].max() < -4 and raw[..., :4].abs().max() < 1 and raw[..., 5:].abs().max() < 1


def mistakes(names):
    assign, decode, lessons, loss = (names[name] for name in ("assign", "decode", "lessons", "loss"))

    def right_only_far_off(guessed, truth, anchors, stride, limit):
        y = lessons(guessed, truth, anchors, stride, limit)
        near = ops.box_iou(guessed.reshape(-1, 4), truth).amax(dim=1) if len(truth) else torch.zeros(y.numel())
        return torch.where(near.reshape(y.shape) > limit, -1, y)

    return [
        ("assignment", {"assign": lambda *a: [assign(*a)[i] for i in (0, 2, 1)]}, "row 1, column 3"),
        ("assignment", {"assign": lambda b, a, s: [assign(b, a, s)[0] * 0, *assign(b, a, s)[1:]]}, "most like"),
        ("assignment", {"assign": lambda *a: assign(*a)[:2]}, "three things"),
        ("decoding", {"decode": lambda t, a, s: decode(t, a, s) + s / 2}, "sigmoid"),
        ("decoding", {"decode": lambda t, a, s: decode(t, a, s) if t.max() < 9 else t / 0}, "cut off"),
        ("ciou", {"ciou": lambda a, b: ops.box_iou(a, b)}, "shape"),
        ("ciou", {"ciou": lambda a, b: ops.box_iou(a, b).diag()}, "a hull of 6 × 4"),
        ("ciou", {"ciou": lambda a, b: 1 - ops.distance_box_iou_loss(a, b)}, "less αv"),
        ("objectness", {"lessons": right_only_far_off}, "write the 1 last"),
        ("objectness", {"lessons": lambda *a: lessons(*a).clamp(min=0)}, "left out"),
        ("loss", {"loss": lambda *a: loss(*a) * 2}, "3 · log 2"),
        ("loss", {"loss": lambda *a: loss(*a[:5], 1.0, a[6])}, "left out"),
        ("loss", {"loss": lambda *a: loss(*a) / (len(torch.cat(a[1])) > 0)}, "without an object"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(13))
def test_a_mistake_is_caught_by_name(number, solutions):
    name, changed, says = mistakes(solutions)[number]
    with pytest.raises(CheckFailed, match=says):
        given(name, solutions, **changed)


def test_a_detector_that_returns_one_thing_is_caught(solutions, quick):
    with pytest.raises(CheckFailed, match="three things"):
        given("detector", solutions, detect=lambda raw: raw[0, 0, 0, :4])


def test_a_derivative_of_another_shape_is_caught(solutions, quick):
    with pytest.raises(CheckFailed, match="derivative"):
        given("detector", solutions, gradients=lambda *_: (1.0, np.zeros(3)))


def test_a_gap_says_what_to_write(solutions):
    def unwritten(*_):
        raise NotImplementedError

    with pytest.raises(NotWrittenYet, match="CIoU of each box"):
        given("ciou", solutions, ciou=unwritten)
