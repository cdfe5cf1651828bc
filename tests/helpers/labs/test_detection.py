"""Lab 2's checks: the master's solutions pass, and each plausible mistake is caught by name."""

import math

import pytest
import torch
from torchvision import ops

from aibook.labs import grading
from helpers.labs import detection
from helpers.labs.checks import CheckFailed, NotWrittenYet

check, lab, share = detection.check, detection.lab, detection.share


@pytest.fixture(scope="module")
def solutions():
    """The names that the master's solution cells define."""
    return grading.solutions("02-detection")


@pytest.fixture
def quick(monkeypatch):
    """Let the check of the detector train for two steps only."""
    train = detection.small_detector.train
    monkeypatch.setattr(detection.small_detector, "train", lambda *args, seed: train(*args, seed=seed, steps=2))
    monkeypatch.setattr(detection, "TEST", 4)


def given(name, solutions, **changed):
    check(name, **{wanted: solutions[wanted] for wanted in lab.tasks[name].names} | changed)


@pytest.mark.parametrize("name", [name for name in lab.tasks if name != "detector"])
def test_the_masters_solutions_pass(name, solutions, capsys):
    given(name, solutions)
    assert "✓" in capsys.readouterr().out


def test_the_master_s_detector_passes_and_a_short_training_earns_little(solutions, quick, capsys):
    given("detector", solutions)
    assert "◐ detector: 0.0 / 4" in capsys.readouterr().out


def test_the_share_is_linear_between_null_and_bar():
    assert share(detection.NULL) == 0 == share(0) and share(detection.BAR) == 1 == share(0.9)
    assert share((detection.NULL + detection.BAR) / 2) == pytest.approx(0.5)


def strikes_out_all(boxes, scores, labels, limit):
    return ops.nms(boxes, scores, limit)


def struck_out_strikes_out(boxes, scores, labels, limit):
    order = scores.argsort(descending=True).tolist()
    overlap = ops.box_iou(boxes, boxes)
    return [
        i
        for n, i in enumerate(order)
        if all(overlap[i, j] <= limit or labels[i] != labels[j] for j in order[:n])
    ]  # fmt: skip


def by_limits_alone(anchors, truth, high, low):
    best, which = ops.box_iou(anchors, truth).max(dim=1)
    return torch.where(best >= high, 1, torch.where(best < low, 0, -1)), which


def takes_objects_twice(boxes, scores, truth, limit):
    return (ops.box_iou(boxes, truth).amax(dim=1) >= limit).numpy()


MISTAKES = [
    ("box-coding", {"encode": lambda b, a: 5 * (b - a)}, "10 · 4/20"),
    ("box-coding", {"decode": lambda t, a: a + 0.1}, "should be the anchor itself"),
    ("iou", {"iou": lambda a, b: ops.box_iou(a, b).T}, "shape"),
    ("iou", {"iou": lambda a, b: ops.box_iou(a, b) * 0 + 1}, "8 pixels are shared"),
    ("nms", {"nms": strikes_out_all}, "its own class only"),
    ("nms", {"nms": struck_out_strikes_out}, "struck out strikes out no other"),
    ("nms", {"nms": lambda b, s, k, limit: ops.batched_nms(b, s, k, limit).sort().values}, "the surest first"),
    ("matching", {"match": by_limits_alone}, "no anchor fits that object better"),
    ("average-precision", {"judge": takes_objects_twice}, "repetition"),
    ("average-precision", {"average_precision": lambda s, r, n: r.mean()}, "two|34 levels"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changed", "says"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_caught_by_name(name, changed, says, solutions):
    with pytest.raises(CheckFailed, match=says):
        given(name, solutions, **changed)


def test_overflow_in_decode_is_caught(solutions, monkeypatch):
    monkeypatch.setitem(solutions["decode"].__globals__, "math", type("math", (), {"log": lambda x: math.inf}))
    with pytest.raises(CheckFailed, match="clamp"):
        given("box-coding", solutions)


def test_a_loss_that_divides_by_no_object_is_caught(solutions, quick):
    def per_object(logits, offsets, anchors, boxes, labels):
        value, *slopes = solutions["gradients"](logits, offsets, anchors, boxes, labels)
        return (value, *slopes) if len(boxes[0]) else (math.nan, *[slope * math.nan for slope in slopes])

    with pytest.raises(CheckFailed, match="0 objects"):
        given("detector", solutions, gradients=per_object)


def test_a_detector_that_returns_one_thing_is_caught(solutions, quick):
    with pytest.raises(CheckFailed, match="three things"):
        given("detector", solutions, detect=lambda s, t, a: a[0, 0])


def test_a_gap_says_what_to_write(solutions):
    def unwritten(*_):
        raise NotImplementedError

    with pytest.raises(NotWrittenYet, match="IoU of each"):
        given("iou", solutions, iou=unwritten)
