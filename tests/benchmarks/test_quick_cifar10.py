"""The network against the clock: each of its tricks does what it says, and together they learn."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import quick_cifar10 as quick
from helpers.training import seed_everything

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
WIDTHS = (24, 32, 32)


def pictures(n=256, seed=0):
    """Noise with a bright half: above for label 0, below for label 1."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (n, 3, 32, 32), generator=generator)
    labels = torch.randint(0, 2, (n,), generator=generator)
    images[labels == 0, :, :16] += 60
    images[labels == 1, :, 16:] += 60
    return images.to(torch.uint8), labels


def test_whitened_patches_are_uncorrelated_and_of_variance_one():
    images = torch.randn(400, 3, 8, 8) @ torch.randn(8, 8)  # neighbours are alike
    images[:, 1] += images[:, 0]
    said = quick.whitening(images, eps=0)(images)  # (N, 24, 7, 7)
    flat = said[:, :12].permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(flat @ flat.T / flat.shape[1], torch.eye(12), rtol=0, atol=2e-3)
    torch.testing.assert_close(said[:, 12:], -said[:, :12])


def test_a_convolution_begins_by_handing_its_channels_on():
    x = torch.randn(2, 24, 5, 5)
    torch.testing.assert_close(quick.conv(24, 40)(x)[:, :24], x)


def test_shifted_pictures_are_windows_of_their_frames():
    images = torch.randint(0, 255, (300, 3, 32, 32)).to(torch.uint8)
    frames = quick.padded(images, 2)
    torch.testing.assert_close(frames[..., 2:-2, 2:-2], images)
    windows = frames.unfold(2, 32, 1).unfold(3, 32, 1)  # (N, 3, 5, 5, 32, 32)
    alike = (windows == quick.shifted(frames)[:, :, None, None]).flatten(4).all(-1).all(1)  # (N, 5, 5)
    assert alike.flatten(1).any(1).all()
    assert alike.sum(0).bool().all(), "each of the 25 shifts occurs"


def test_the_average_follows_and_at_last_gives_the_weights():
    layer = torch.nn.Linear(1, 1, bias=False)
    kept = [torch.zeros(1, 1)]
    layer.weight.data.fill_(1.0)
    quick.look_back(layer, kept, share=0.75)
    assert kept[0].item() == layer.weight.item() == 0.25
    layer.weight.data.fill_(9.0)
    quick.look_back(layer, kept, share=1.0)
    assert layer.weight.item() == 0.25


def test_it_learns_which_half_is_bright():
    seed_everything(0)
    images, labels = pictures()
    model = quick.network(images, WIDTHS)
    frozen = model[1].weight.clone()
    quick.train(model, images, labels, epochs=6, batch_size=32, bf16=False)
    new, truth = pictures(seed=1)
    for looks in (False, True):
        said = quick.probabilities(model, new, looks=looks, bf16=False)
        torch.testing.assert_close(said.sum(1), torch.ones(len(new)))
        assert (said.argmax(1) == truth).float().mean() > 0.9
    torch.testing.assert_close(model[1].weight, frozen)


def test_a_training_that_diverges_says_so():
    images, labels = pictures()
    with pytest.raises(ValueError, match="lower `rate`"):
        quick.train(quick.network(images, WIDTHS), images, labels, epochs=2, batch_size=32, rate=1e38, bf16=False)


def test_the_bar_is_met_by_the_stored_result():
    stored = json.loads((RESULTS / "image_recognition_cifar10.json").read_text(encoding="utf-8"))
    assert stored["machine"]["threads"] == 2 and stored["machine"]["gpu"] is None
    for run in stored["ours"]:
        assert run["accuracy_more_looks"] >= 90
        assert run["wall_seconds"] <= 12 * 60
