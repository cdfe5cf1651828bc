"""The block, the start and the classifier that BERT, RoBERTa and ALBERT share."""

import numpy as np
import pytest
import torch
from torch import nn

from helpers.nlp.encoder import Block, Classifier, fine_tuned, fresh, predicted, sinusoids
from helpers.training import seed_everything


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.word, self.place = nn.Embedding(20, 8), nn.Embedding(6, 8)

    def forward(self, ids):
        return self.word(ids)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="width of 10 cannot be shared out among 4 heads"):
        Block(10, 4, 16)


def test_what_is_masked_has_no_influence_and_order_has_none_without_places():
    torch.manual_seed(0)
    block = fresh(Block(16, 4, 32, dropout=0.0)).eval()
    x, mask = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    mask[:, 3:] = False
    changed = x.clone()
    changed[:, 3:] += 1
    with torch.inference_mode():
        assert torch.allclose(block(x, mask)[:, :3], block(changed, mask)[:, :3], atol=1e-6)
        flipped = block(x[:, :3].flip(1), mask[:, :3]).flip(1)
        assert torch.allclose(flipped, block(x, mask)[:, :3], atol=1e-5)
        assert not torch.allclose(block(x, mask)[:, :3], block(changed, torch.ones_like(mask))[:, :3], atol=1e-2)


def test_a_fresh_network_has_sinusoids_for_places_and_untouched_norms():
    network = nn.ModuleDict({"bag": Bag(), "norm": nn.LayerNorm(8), "linear": nn.Linear(64, 8)})
    fresh(network)
    assert torch.allclose(network["bag"].place.weight, 0.1 * sinusoids(torch.arange(6), 8))
    assert (network["norm"].weight == 1).all() and (network["linear"].bias == 0).all()
    assert 0.09 < network["linear"].weight.std() < 0.16


def test_sinusoids_of_a_distance_and_its_opposite_share_their_cosines():
    waves = sinusoids(torch.tensor([-3, 3]), 8)
    assert torch.allclose(waves[0, 4:], waves[1, 4:]) and torch.allclose(waves[0, :4], -waves[1, :4])


def test_a_classifier_learns_and_answers_in_the_texts_order():
    seed_everything(0)
    labels = np.arange(40) % 2
    rows = [[2, *([7, 8] if y else [17, 18]) * (1 + i % 4), 3] for i, y in enumerate(labels)]
    network = fine_tuned(fresh(Bag()), 8, rows, labels, passes=30, lr=2e-2)
    assert (predicted(network, rows) == labels).mean() == 1
    with pytest.raises(ValueError, match="two classes"):
        fine_tuned(Bag(), 8, rows, 0 * labels, passes=1)


def test_padding_does_not_count_in_the_mean():
    network = Classifier(Bag(), 8).eval()
    short, padded = torch.tensor([[2, 7, 3]]), torch.tensor([[2, 7, 3, 0, 0]])
    with torch.inference_mode():
        assert torch.allclose(network(short), network(padded))
