"""Evaluation: equal to scikit-learn, torchmetrics, statsmodels' published values or a closed form."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from helpers.evaluation import (
    accuracy,
    bootstrap_interval,
    calibration_error,
    fit_temperature,
    reliability,
    wilson_interval,
)


@pytest.fixture(params=[0, 1, 2])
def predictions(request):
    generator = torch.Generator().manual_seed(request.param)
    labels = torch.randint(0, 10, (2000,), generator=generator)
    logits = 2 * torch.randn(2000, 10, generator=generator)
    logits[torch.arange(2000), labels] += 3
    return logits, labels


def test_accuracy_equals_the_libraries(predictions):
    logits, labels = predictions
    assert accuracy(logits, labels) == pytest.approx(accuracy_score(labels, logits.argmax(1)))
    assert accuracy(logits, labels) == pytest.approx(multiclass_accuracy(logits, labels, 10, average="micro").item())


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_calibration_error_equals_torchmetrics(predictions, bins):
    logits, labels = predictions
    probabilities = logits.softmax(1)
    reference = multiclass_calibration_error(probabilities, labels, 10, n_bins=bins, norm="l1").item()
    assert calibration_error(probabilities, labels, bins) == pytest.approx(reference, abs=1e-6)


def test_reliability_groups_hold_every_prediction_once(predictions):
    logits, labels = predictions
    groups = reliability(logits.softmax(1), labels)
    assert groups.share.sum() == pytest.approx(1)
    assert (groups.share * groups.accuracy).sum() == pytest.approx(accuracy(logits, labels))
    assert (np.diff(groups.confidence) > 0).all()


def test_wilson_interval_equals_published_values():
    # Newcombe (1998), table I, method 3
    for successes, trials, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_wilson_interval_stays_within_zero_and_one_and_refuses_nonsense():
    assert wilson_interval(20, 20)[1] == 1.0
    assert wilson_interval(0, 5)[0] == 0.0
    for successes, trials in [(3, 2), (-1, 2), (0, 0)]:
        with pytest.raises(ValueError, match="trials"):
            wilson_interval(successes, trials)


def test_bootstrap_of_a_mean_agrees_with_the_normal_interval():
    sample = np.random.default_rng(0).normal(5, 2, size=400)
    low, high = bootstrap_interval(np.mean, sample, resamples=4000)
    half = 1.96 * sample.std(ddof=1) / 20
    assert (low, high) == pytest.approx((sample.mean() - half, sample.mean() + half), abs=0.03)


def test_bootstrap_keeps_rows_together():
    labels = np.array([0, 1] * 50)
    low, high = bootstrap_interval(average_precision_score, labels, labels.astype(float), resamples=50)
    assert low == high == 1.0


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_temperature_finds_the_one_that_was_applied(true):
    generator = torch.Generator().manual_seed(0)
    calibrated = 2 * torch.randn(40_000, 5, generator=generator)
    labels = torch.multinomial(calibrated.softmax(1), 1, generator=generator)[:, 0]
    assert fit_temperature(true * calibrated, labels) == pytest.approx(true, rel=0.03)


def test_temperature_never_changes_the_answer_and_lowers_the_error(predictions):
    logits, labels = predictions
    overconfident = 4 * logits
    scaled = overconfident / fit_temperature(overconfident, labels)
    assert (scaled.argmax(1) == overconfident.argmax(1)).all()
    assert calibration_error(scaled.softmax(1), labels) < calibration_error(overconfident.softmax(1), labels)
