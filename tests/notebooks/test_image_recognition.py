"""Chapter 1's own code, taken from its cells: equal to torchvision, and it learns."""

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from benchmarks.image_recognition import recipe
from helpers import studies
from helpers.evaluation import accuracy
from helpers.training import outputs, seed_everything


@pytest.fixture(scope="module")
def chapter():
    return recipe()


@pytest.mark.parametrize("channels", [8, 64])
def test_the_residual_block_equals_torchvisions_in_values_and_gradients(chapter, channels):
    seed_everything(0)
    theirs, ours = BasicBlock(channels, channels), chapter["ResidualBlock"](channels)
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    inputs = [torch.randn(5, channels, 7, 7, requires_grad=True) for _ in range(2)]
    inputs[1].data = inputs[0].data.clone()
    results = [block(x) for block, x in zip((ours, theirs), inputs, strict=True)]
    assert torch.allclose(*results, atol=1e-6)
    for result in results:
        result.square().sum().backward()
    assert torch.allclose(inputs[0].grad, inputs[1].grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 75, 75)])
def test_resnet9_takes_pictures_of_any_size_and_gives_a_score_for_each_class(chapter, shape):
    images = torch.randint(0, 256, (6, *shape), dtype=torch.uint8)
    assert chapter["resnet9"](images, width=4, classes=7)(images).shape == (6, 7)


def test_standardised_pixels_have_mean_zero_and_deviation_one_in_each_channel(chapter):
    images = torch.randint(0, 200, (50, 3, 16, 16), dtype=torch.uint8)
    x = chapter["Standardise"](images)(images)
    assert x.dtype == torch.float32
    assert x.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert (x.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-5


def test_one_cycle_climbs_for_a_fifth_and_falls_to_zero(chapter):
    cycle = chapter["one_cycle"]
    assert cycle(0.2) == pytest.approx(1)
    assert cycle(0.1) == pytest.approx(0.5) and cycle(0.6) == pytest.approx(0.5)
    assert cycle(0.0) == 0 and cycle(1.0) == 0


def stripes(n):
    """Pictures with upright or level stripes in noise, at a random offset: a task for kernels, not for templates."""
    labels = torch.randint(0, 2, (n,))
    wave = 60 * torch.sin(torch.arange(12) * 2.1 + 6.3 * torch.rand(n, 1)).clamp(-1, 1)  # (N, 12)
    upright = wave[:, None, :].expand(n, 12, 12)
    images = torch.where(labels[:, None, None] == 0, upright, upright.mT) + 127 + 20 * torch.randn(n, 12, 12)
    return images.clamp(0, 255).to(torch.uint8)[:, None], labels


def test_fit_learns_a_task_in_seconds_and_a_seed_repeats_it(chapter):
    seed_everything(0)
    images, labels = stripes(512)
    test_images, test_labels = stripes(256)
    losses = []
    for _ in range(2):
        seed_everything(1)
        network = chapter["resnet9"](images, width=4, classes=2)
        log, watch = chapter["fit"](network, images, labels, steps=60, batch_size=64, lr=0.1)
        losses.append(log["loss"])
    assert accuracy(outputs(network, test_images), test_labels) > 0.95
    assert len(losses[0]) == 60 and losses[0] == losses[1]
    assert watch.cpu > 0


def test_fit_trains_batch_norm_even_in_a_network_that_was_only_evaluated_before(chapter):
    images, labels = stripes(64)
    network = chapter["resnet9"](images, width=4, classes=2).eval()
    norm = next(layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    chapter["fit"](network, images, labels, steps=2, batch_size=32)
    assert not torch.equal(before, norm.running_mean)


def test_the_stored_study_is_as_good_as_the_chapter_says():
    study = studies.load("cv/01-image-recognition")
    assert len(study.seeds) >= 5
    assert study.mean("test_accuracy") >= 93.0
