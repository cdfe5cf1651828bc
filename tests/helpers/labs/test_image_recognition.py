"""Lab 1's checks: the master's solutions pass, and each plausible mistake is caught by name."""

from itertools import pairwise

import numpy as np
import pytest
from torch import nn

from aibook.labs import grading
from helpers.labs.checks import CheckFailed
from helpers.labs.image_recognition import BAR, NULL, check, lab, scatter
from helpers.labs.image_recognition import share as share_of


@pytest.fixture(scope="module")
def solutions():
    """The names that the master's solution cells define."""
    return grading.solutions("01-image-recognition")


def test_the_masters_solutions_pass(solutions, capsys):
    for name, task in lab.tasks.items():
        check(name, **{wanted: solutions[wanted] for wanted in task.names})
    out = capsys.readouterr().out
    assert out.count("✓") == len(lab.tasks)
    points = sum(task.points for task in lab.tasks.values())
    assert f"{'█' * 20} {points} / {points}" in out


# -- mistakes: (what is wrong, the code, what the message must say) ----------------------------------------------------

STANDARDISE = {
    "not divided by 255": (lambda x, m, s: ((x.astype(np.float32) - m) / s)[:, None], "white pixel"),
    "no channel axis": (lambda x, m, s: ((x / 255 - m) / s).astype(np.float32), "shape"),
    "float64": (lambda x, m, s: ((x / 255 - m) / s)[:, None], "dtype"),
    "divides before subtracting": (lambda x, m, s: (x / 255 / s - m).astype(np.float32)[:, None], "black pixel"),
}


def spoil_input(images, mean, std):
    out = ((images / 255 - mean) / std).astype(np.float32)[:, None]
    images[:] = 0
    return out


def drops_last(n, size, rng):
    order = rng.permutation(n)
    for start in range(0, n - size + 1, size):
        yield order[start : start + size]


def in_order(n, size, rng):
    for start in range(0, n, size):
        yield np.arange(n)[start : start + size]


def with_replacement(n, size, rng):
    for start in range(0, n, size):
        yield rng.integers(0, n, min(size, n - start))


def own_seed(n, size, rng):
    order = np.random.default_rng(0).permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


@pytest.mark.parametrize("name", STANDARDISE)
def test_a_wrong_standardise_is_caught(name, solutions):
    wrong, says = STANDARDISE[name]
    with pytest.raises(CheckFailed, match=says):
        check("batches", standardise=wrong, batches=solutions["batches"])


def test_an_input_changed_in_place_is_caught(solutions):
    with pytest.raises(CheckFailed, match="in place"):
        check("batches", standardise=spoil_input, batches=solutions["batches"])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (drops_last, "4, 4 and 2"),
        (in_order, "shuffled"),
        (with_replacement, "exactly once"),
        (own_seed, "two different"),
    ],
)
def test_wrong_batches_are_caught(wrong, says, solutions):
    with pytest.raises(CheckFailed, match=says):
        check("batches", standardise=solutions["standardise"], batches=wrong)


def block(*, bias=False, last_relu=True, shortcut=True, project=True):
    """A residual block with mistakes to choose from."""

    class Block(nn.Module):
        def __init__(self, a, b, stride):
            super().__init__()
            self.f = nn.Sequential(
                nn.Conv2d(a, b, 3, stride, 1, bias=bias),
                nn.BatchNorm2d(b),
                nn.ReLU(),
                nn.Conv2d(b, b, 3, 1, 1, bias=bias),
                nn.BatchNorm2d(b),
            )
            needed = project and (a != b or stride != 1)
            self.s = (
                nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=bias), nn.BatchNorm2d(b)) if needed else nn.Identity()
            )

        def forward(self, x):
            out = self.f(x) + self.s(x) if shortcut else self.f(x)
            return out.relu() if last_relu else out

    return Block


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        ({"bias": True}, "needs no bias"),
        ({"last_relu": False}, "ends in a ReLU"),
        ({"shortcut": False}, "shortcut adds x"),
        ({"project": False}, "RuntimeError"),
    ],
)
def test_a_wrong_block_is_caught(mistake, says):
    with pytest.raises(CheckFailed, match=says):
        check("residual-block", ResidualBlock=block(**mistake))


def test_the_flawless_block_passes():
    check("residual-block", ResidualBlock=block())


def late_peak(t, total, peak, top=0.3 * 101):
    if t <= top:
        return peak / 25 + (peak - peak / 25) * (1 - np.cos(np.pi * t / top)) / 2
    return peak / 25e4 + (peak - peak / 25e4) * (1 + np.cos(np.pi * (t - top) / (total - 1 - top))) / 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda t, total, peak: peak, "first rate"),
        (lambda t, total, peak: peak / 25 + (peak - peak / 25) * min(t / 29.3, 1), "fall all the way"),
        (lambda t, total, peak: np.interp(t, [0, 29.3, total - 1], [peak / 25, peak, peak / 25e4]), "highest rate"),
        (lambda t, total, peak: late_peak(t, total, peak), "OneCycleLR"),
        (lambda t, total, peak: float("nan"), "NaN"),
    ],
)
def test_a_wrong_schedule_is_caught(wrong, says):
    with pytest.raises(CheckFailed, match=says):
        check("one-cycle", one_cycle=wrong)


def normal_approximation(correct, z):
    p, n = correct.mean(), len(correct)
    half = z * np.sqrt(p * (1 - p) / n)
    return p, p - half, p + half


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (normal_approximation, "symmetric"),
        (lambda correct, z: correct.mean(), "three numbers"),
        (lambda correct, z: (correct.sum(), 0, 1), "accuracy should be 0.8"),
        (lambda correct, z: (correct.mean(), 0.5, 0.95), "lower limit"),
    ],
)
def test_a_wrong_interval_is_caught(wrong, says):
    with pytest.raises(CheckFailed, match=says):
        check("accuracy-interval", accuracy_interval=wrong)


def unweighted(probabilities, labels, bins, include_one=True, weigh=False):
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    edges, gaps = np.linspace(0, 1, bins + 1), []
    for low, high in pairwise(edges):
        inside = (confidence > low) & ((confidence <= high) if include_one else (confidence < min(high, 1)))
        if inside.any():
            gaps.append(abs(right[inside].mean() - confidence[inside].mean()) * (inside.mean() if weigh else 1))
    return np.sum(gaps) if weigh else np.mean(gaps or [0.1])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (unweighted, "weigh each bin"),
        (lambda p, y, b: (p.argmax(1) != y).mean(), "0.95"),
        (lambda p, y, b: "low", "one number"),
        (lambda p, y, b: unweighted(p, y, b, include_one=False), "bin"),
    ],
)
def test_a_wrong_calibration_error_is_caught(wrong, says):
    with pytest.raises(CheckFailed, match=says):
        check("calibration-error", calibration_error=wrong)


class Answers:
    """A learner with a mistake to choose from; it learns nothing, so that the test takes no time."""

    def __init__(self, calls, mean, std):
        self.calls = calls

    def learn(self, images, labels):
        assert images.shape == (64, 28, 28) and images.dtype == np.uint8 and labels.shape == (64,)
        self.calls -= 1

    def predict(self, images):
        assert self.calls == 0
        return np.eye(10)[np.zeros(len(images), int)]


class Together(Answers):
    def predict(self, images):
        return np.full((len(images), 10), images.mean())


class Classes(Answers):
    def predict(self, images):
        return np.zeros(len(images), int)


@pytest.mark.parametrize(("wrong", "says"), [(Together, r"evaluation mode"), (Classes, r"shape \(2000, 10\)")])
def test_a_wrong_learner_is_caught(wrong, says):
    with pytest.raises(CheckFailed, match=says):
        check("learner", Learner=wrong)


def test_a_learner_gets_its_budget_and_one_that_guesses_no_points(capsys):
    check("learner", Learner=Answers)
    out = capsys.readouterr().out
    assert "all points from 67.0%" in out and "◐ learner: 0.0 / 4 points" in out


@pytest.mark.parametrize(("accuracy", "share"), [(0.1, 0), (NULL, 0), ((NULL + BAR) / 2, 0.5), (BAR, 1), (1, 1)])
def test_points_rise_from_the_null_level_to_the_bar(accuracy, share):
    assert share_of(accuracy) == pytest.approx(share)


def test_garments_are_scattered_whole():
    images = np.full((40, 28, 28), 200, np.uint8)
    scattered = scatter(images, np.random.default_rng(0))
    assert scattered.dtype == np.uint8 and (scattered.sum(axis=(1, 2)) == 14 * 14 * 200).all()
    assert len({tuple(np.argwhere(image)[0]) for image in scattered}) > 20
