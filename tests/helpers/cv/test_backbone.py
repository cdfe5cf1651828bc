"""The shared backbone: the same numbers as timm's network, a stem that never changes, a top that learns."""

import pytest
import torch
from torch import nn

from helpers.cv.backbone import CHANNELS, Stem, Top, _network, stem_features


@pytest.fixture(scope="module")
def pictures():
    return torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_stem_and_top_are_the_stages_of_timms_network(pictures):
    x = network = _network().eval()
    x = network.bn1(network.conv_stem(pictures.float() / 127.5 - 1))
    theirs = []
    for stage in network.blocks:
        x = stage(x)
        theirs.append(x)
    features = Stem()(pictures)
    maps = Top().eval()(features)
    assert torch.allclose(features, theirs[2], atol=1e-4)
    assert torch.allclose(maps[16], theirs[4], atol=1e-4) and torch.allclose(maps[32], theirs[6], atol=1e-4)


def test_shapes_by_stride(pictures):
    features = Stem()(pictures)
    maps = {8: features} | Top()(features)
    assert {s: tuple(m.shape[1:]) for s, m in maps.items()} == {s: (c, 64 // s, 96 // s) for s, c in CHANNELS.items()}
    assert list(Top(strides=(16,))(features)) == [16]


def test_features_for_keeping_are_the_stems_in_half_precision(pictures):
    kept = stem_features(pictures, batch_size=1)
    assert kept.dtype == torch.float16
    assert torch.allclose(kept.float(), Stem()(pictures), rtol=1e-3, atol=1e-3)


def test_training_moves_the_tops_weights_and_neither_statistics_nor_stem(pictures):
    stem, top = Stem().train(), Top(strides=(16,)).train()
    norms = [layer for layer in top.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms], [p.clone() for p in top.parameters()]
    optimizer = torch.optim.SGD([*stem.parameters(), *top.parameters()], lr=0.1)
    top(stem_features(pictures).float())[16].square().mean().backward()
    optimizer.step()
    assert all(torch.equal(old, norm.running_mean) for old, norm in zip(before[0], norms, strict=True))
    assert any(not torch.equal(old, p) for old, p in zip(before[1], top.parameters(), strict=True))
    assert not stem.training and all(p.grad is None for p in stem.parameters())
