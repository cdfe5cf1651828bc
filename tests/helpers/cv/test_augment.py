"""Augmentation: each image of a batch changes by itself, and only as promised."""

import pytest
import torch

from helpers.cv.augment import cutout, flip, shift, turn
from helpers.training import seed_everything


@pytest.fixture
def images():
    seed_everything(0)
    return torch.randint(1, 256, (64, 3, 12, 10), dtype=torch.uint8)


@pytest.mark.parametrize("change", [flip, shift, cutout])
def test_shape_and_type_stay_and_the_input_is_left_alone(images, change):
    before = images.clone()
    after = change(images)
    assert after.shape == images.shape and after.dtype == images.dtype
    assert (images == before).all()
    assert not (after == images).all()


def test_flip_mirrors_about_half_of_the_images(images):
    same = (flip(images) == images).flatten(1).all(1)
    mirrored = (flip(images).flip(-1) == images).flatten(1).all(1)
    assert 16 < same.sum() < 48 and 16 < mirrored.sum() < 48
    once = flip(images)
    assert ((once == images).flatten(1).all(1) | (once.flip(-1) == images).flatten(1).all(1)).all()


def test_shift_moves_all_channels_of_an_image_by_the_same_offset(images):
    moved, seen = shift(images, 2), set()
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for item in range(len(images)):
        offsets = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if (padded[item, :, dy : dy + 12, dx : dx + 10] == moved[item]).all()
        ]
        assert len(offsets) == 1
        seen.update(offsets)
    assert len(seen) > 15


def test_cutout_blackens_one_square_at_most(images):
    hidden = (cutout(images, 4) == 0).all(1)
    assert (hidden.flatten(1).sum(1) <= 16).all() and (hidden.flatten(1).sum(1) >= 1).all()


def test_turn_reaches_all_eight_symmetries_of_a_square_and_nothing_else():
    square = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3)
    symmetries = {tuple(torch.rot90(s, k, (-2, -1)).flatten().tolist()) for s in (square, square.mT) for k in range(4)}
    seed_everything(0)
    assert {tuple(x.flatten().tolist()) for x in turn(square.repeat(200, 1, 1, 1))} == symmetries
