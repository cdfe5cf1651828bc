"""The small encoder: rotations as Llama's, padding invisible, it learns to fill blanks, and bad input is refused."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from helpers.nlp import masked_lm
from helpers.nlp.masked_lm import Config, MaskedLM, classify, fit, predicted, turned
from helpers.training import NonFiniteLoss

SMALL = Config(30, d=32, layers=2, heads=4, longest=16)


def test_rotary_positions_equal_those_of_transformers():
    torch.manual_seed(0)
    q, k = torch.randn(2, 2, 4, 9, 8)
    angle = torch.arange(9)[:, None] / 10_000 ** (torch.arange(4) / 4)
    angle = torch.cat([angle, angle], -1)[None]  # (1, T, d of a head)
    theirs = apply_rotary_pos_emb(q, k, angle.cos(), angle.sin())
    for ours, reference in zip((turned(q, 10_000.0), turned(k, 10_000.0)), theirs, strict=True):
        assert (ours - reference).abs().max() < 1e-5
    products = turned(q, 100.0)[..., 3, :] * turned(k, 100.0)[..., 5, :]  # a shift of both places changes nothing
    q2, k2 = (F.pad(x, (0, 0, 2, 0)) for x in (q, k))
    moved = turned(q2, 100.0)[..., 5, :] * turned(k2, 100.0)[..., 7, :]
    assert torch.allclose(products.sum(-1), moved.sum(-1), atol=1e-5)


def test_a_block_equals_torchs_attention_on_the_turned_vectors():
    torch.manual_seed(0)
    block = masked_lm.Block(SMALL).eval()
    x, gone = torch.randn(3, 7, 32), torch.arange(7) >= torch.tensor([[7], [4], [1]])
    q, k, v = (p.unflatten(-1, (4, 8)).transpose(1, 2) for p in block.qkv(block.norm1(x)).chunk(3, -1))
    told = F.scaled_dot_product_attention(turned(q, 100.0), turned(k, 100.0), v, attn_mask=~gone[:, None, None])
    y = x + block.out(told.transpose(1, 2).flatten(2))
    assert (block(x, gone) - (y + block.mlp(block.norm2(y)))).abs().max() < 1e-5


def test_padding_is_invisible_and_order_is_not():
    torch.manual_seed(0)
    network = MaskedLM(SMALL).eval()
    ids = torch.tensor([[5, 9, 7, 3]])
    longer = F.pad(ids, (0, 6))
    with torch.inference_mode():
        assert torch.allclose(network(ids), network(longer)[:, :4], atol=1e-5)
        assert not torch.allclose(network(ids).mean(1), network(ids.flip(1)).mean(1), atol=1e-3)


def test_it_learns_that_each_token_follows_its_predecessor():
    torch.manual_seed(0)
    network = MaskedLM(SMALL)

    def loss(net):
        ids = (torch.randint(27, (32, 1)) + torch.arange(8)) % 27 + 3
        blank = torch.rand(ids.shape) < 0.25
        return net.loss(ids.masked_fill(blank, 2), ids.masked_fill(~blank, -100))

    losses = fit(network, loss, 200, lr=3e-3)
    assert losses[0] > 2.5 and np.mean(losses[-10:]) < 1.0  # chance: 3.3


def test_without_a_blank_the_loss_is_zero_and_has_a_gradient():
    network = MaskedLM(SMALL)
    loss = network.loss(torch.tensor([[3, 4]]), torch.full((1, 2), -100))
    loss.backward()
    assert loss.item() == 0


def test_a_classifier_trains_a_copy_and_answers_in_order():
    torch.manual_seed(0)
    network = MaskedLM(SMALL)
    before = {name: p.clone() for name, p in network.state_dict().items()}
    rng = np.random.default_rng(0)
    rows = [[4 + label, *rng.integers(6, 30, rng.integers(2, 9)).tolist()] for label in (0, 1) * 40]
    labels = np.array([0, 1] * 40)
    model = classify(network, rows, labels, steps=60, lr=3e-3)
    assert (predicted(model, rows) == labels).mean() > 0.95
    assert all(torch.equal(p, before[name]) for name, p in network.state_dict().items())


def test_bad_input_is_refused_with_a_clear_message():
    network = MaskedLM(SMALL)
    with pytest.raises(ValueError, match="cut the text"):
        network(torch.ones(1, 17, dtype=torch.int64))
    with pytest.raises(ValueError, match="own vocabulary"):
        network(torch.tensor([[30]]))
    with pytest.raises(ValueError, match="same label"):
        classify(network, [[3], [4]], np.array([1, 1]), 2)
    with pytest.raises(ValueError, match="at least one step"):
        fit(network, lambda net: net.bias.sum(), 0, 1e-3)
    with pytest.raises(NonFiniteLoss, match="step 1"):
        fit(network, lambda net: net.bias.sum() * float("nan"), 2, 1e-3)
