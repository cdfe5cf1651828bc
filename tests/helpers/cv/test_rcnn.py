"""What surrounds the R-CNN series: a clock by stage, and proposals that have not seen the picture."""

import time

import numpy as np
import pytest
import torch

from helpers.cv.rcnn import Laps, random_boxes, sliding_windows


def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_laps_add_up_by_stage_and_share_out_over_pictures():
    laps = Laps()
    for stage, seconds in (("features", 0.02), ("heads", 0.01), ("features", 0.02)):
        with laps(stage):
            work(seconds)
    ms = laps.ms(2)
    assert list(ms) == ["features", "heads", "total"]
    assert 20 <= ms["features"] < 40 and 5 <= ms["heads"] < 20
    assert ms["total"] == pytest.approx(ms["features"] + ms["heads"])


def test_a_lap_counts_also_when_its_stage_fails_and_does_not_hide_the_error():
    laps = Laps()
    with pytest.raises(ZeroDivisionError), laps("heads"):
        work(0.01)
        raise ZeroDivisionError
    assert laps.seconds["heads"] >= 0.01


def test_random_boxes_have_known_sizes_and_lie_in_the_picture():
    known = [np.array([[0, 0, 10, 20]], np.float32), np.zeros((0, 4), np.float32), np.array([[5, 5, 35, 10]])]
    boxes = random_boxes(known, (60, 80), 200, np.random.default_rng(0))
    assert boxes.shape == (200, 4) and boxes.dtype == torch.float32
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= 80).all() and (boxes[:, 3] <= 60).all()
    sizes = {tuple(size) for size in (boxes[:, 2:] - boxes[:, :2]).round().int().tolist()}
    assert sizes == {(10, 20), (30, 5)}
    assert len(boxes.unique(dim=0)) == 200


@pytest.mark.parametrize("size", [(160, 160), (240, 320)])
def test_sliding_windows_reach_every_edge_with_as_many_of_each_size(size):
    windows = sliding_windows([16, 32, 64], size, 300)
    assert abs(len(windows) - 300) <= 30
    sides = (windows[:, 2:] - windows[:, :2]).round()
    assert (sides[:, 0] == sides[:, 1]).all()
    counts = sides[:, 0].int().bincount()[[16, 32, 64]]
    assert counts.max() == counts.min()
    for side in (16, 32, 64):
        mine = windows[sides[:, 0] == side]
        assert mine[:, :2].min() == 0
        assert torch.allclose(mine[:, 2:].max(0).values, torch.tensor(size[::-1]).float())
