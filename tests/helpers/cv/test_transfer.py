"""Transfer: pictures reach a borrowed network as its weights expect them."""

import pytest
import torch
from torch import nn

from helpers.cv.transfer import Pretrained


@pytest.fixture
def seen():
    """A network whose backbone hands on what it is given, for means of 0.5, 0.4, 0.3 and deviations of 0.5."""
    return Pretrained(nn.Identity(), width=3, size=8, mean=(0.5, 0.4, 0.3), std=(0.5, 0.5, 0.5))


def test_grey_becomes_three_normalised_channels(seen):
    x = seen(torch.full((2, 1, 8, 8), 255, dtype=torch.uint8))
    assert x.shape == (2, 3, 8, 8) and x.dtype == torch.float32
    assert x[0, :, 0, 0].tolist() == pytest.approx([1.0, 1.2, 1.4])


def test_colours_keep_their_order(seen):
    picture = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    picture[:, 2] = 255
    assert seen(picture)[0, :, 0, 0].tolist() == pytest.approx([-1.0, -0.8, 1.4])


def test_any_size_is_brought_to_the_networks_by_averaging_not_by_dropping_pixels(seen):
    stripes = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    x = seen(stripes)
    assert x.shape == (1, 3, 8, 8)
    assert x[:, 0].abs().max() < 0.05  # grey all over: 0.5 is the first channel's mean
