"""Milliseconds, peak memory and bytes on disk are what they say."""

import resource
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.nlp import footprint


class Clock:
    """In the place of `time`: it goes on only when told to."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(footprint, "time", Clock())
    return footprint.time


def test_milliseconds_are_the_median_and_the_first_call_does_not_count(clock):
    took = iter([0.2, 0.01, 0.01, 0.1])
    assert footprint.milliseconds(lambda: clock.wait(next(took)), 3) == pytest.approx(10)
    with pytest.raises(ValueError, match="one at least"):
        footprint.milliseconds(lambda: None, 0)


def test_runs_take_turns_and_the_first_round_does_not_count(clock):
    took, order = {"a": iter([0.2, 0.01, 0.01, 0.1]), "b": iter([0.1, 0.03, 0.02, 0.05])}, []
    runs = {name: lambda name=name: (order.append(name), clock.wait(next(took[name]))) for name in took}
    found = footprint.in_turn(runs, 3)
    assert order == ["a", "b"] * 4 and found == pytest.approx({"a": 10, "b": 30})
    with pytest.raises(ValueError, match="one at least"):
        footprint.in_turn({}, 0)


@pytest.mark.skipif(not footprint.CLEAR.exists(), reason="only Linux has the mark")
def test_the_peak_counts_what_was_freed_again():
    def f():
        return float(np.ones(8_000_000).sum())  # 64 MB, gone when f is done

    for _ in range(2):  # the second time, too
        assert 55e6 < footprint.peak_bytes(f) < 90e6
    assert footprint.peak_bytes(lambda: None) < 5e6


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_without_the_mark_the_growth_beyond_the_highest_peak_is_taken(monkeypatch, tmp_path, system, unit):
    monkeypatch.setattr(footprint, "CLEAR", tmp_path / "none")
    monkeypatch.setattr(footprint.sys, "platform", system)
    highest = iter([700, 1_000, 1_000, 1_000])
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=next(highest)))
    called = []
    assert footprint.peak_bytes(lambda: called.append(1)) == 300 * unit and called == [1]
    assert footprint.peak_bytes(lambda: None) == 1  # below an earlier peak nothing can be seen


def test_bytes_are_those_of_the_file_and_zeros_compress():
    tensors = {"a": torch.randn(1_000, 100), "b": torch.zeros(1_000, 100)}
    size = footprint.bytes_saved(tensors)
    assert 800_000 < size < 810_000
    assert 350_000 < footprint.bytes_saved(tensors, compress=True) < 420_000
    assert (
        footprint.bytes_saved({"half": tensors["a"].t()[:50]}) < 210_000
    )  # a view is not saved with all that is behind
