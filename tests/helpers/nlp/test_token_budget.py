"""Training for so many tokens: they are counted right, and what cannot be trained is refused."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.nlp.token_budget import fit
from helpers.training import NonFiniteLoss, seed_everything


def endless(ids):
    while True:
        yield (ids,)


def loss(network, batch):
    x = network(batch[0].float())
    return [F.mse_loss(x, torch.ones_like(x)), 0 * x.sum()]


def test_tokens_are_counted_without_padding_and_the_budget_ends_training():
    ids = torch.tensor([[5, 6, 7, 0], [5, 0, 0, 0]])  # four tokens
    done = fit(nn.Linear(4, 1), loss, endless(ids), tokens=41, lr=1e-2)
    assert done.losses.shape == (11, 2) and done.tokens.tolist() == list(range(4, 48, 4))
    assert done.losses[-1, 0] < done.losses[0, 0] and done.cpu >= 0


def test_a_seed_repeats_a_training_and_the_network_is_left_in_evaluation_mode():
    curves = []
    for _ in range(2):
        seed_everything(0)
        network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        curves.append(fit(network, loss, endless(torch.full((2, 4), 6)), tokens=80, lr=1e-2).losses.tolist())
    assert curves[0] == curves[1] and not network.training


def test_what_cannot_be_trained_is_refused_clearly():
    with pytest.raises(ValueError, match="budget of 0 tokens"):
        fit(nn.Linear(4, 1), loss, endless(torch.ones(1, 4)), tokens=0, lr=1e-2)
    with pytest.raises(ValueError, match="ended after 4 of 100 tokens"):
        fit(nn.Linear(4, 1), loss, [(torch.ones(1, 4),)], tokens=100, lr=1e-2)
    broken = lambda network, batch: [loss(network, batch)[0] * float("nan")]  # noqa: E731
    with pytest.raises(NonFiniteLoss, match="step 0"):
        fit(nn.Linear(4, 1), broken, endless(torch.ones(1, 4)), tokens=100, lr=1e-2)
