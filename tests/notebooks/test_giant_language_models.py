"""Chapter 6's own code, taken from its cells: GPT, cache, drawing, in-context scores and Switch layers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    SwitchTransformersConfig,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers import logging as library_logging
from transformers.models.switch_transformers import modeling_switch_transformers as library

from aibook import recipes
from helpers.nlp.texts import Vocabulary
from helpers.training import NonFiniteLoss

library_logging.set_verbosity_error()


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("nlp/06-giant-language-models")


def stirred(network, seed=0, by=0.15):
    g = torch.Generator().manual_seed(seed)
    for name, p in network.named_parameters():
        norm = "ln_" in name or "norm" in name
        p.data.copy_((norm and name.endswith("weight")) * 1.0 + by * torch.randn(p.shape, generator=g))
    return network.eval()


# ---- GPT ---------------------------------------------------------------------------------------------------------

SIZES = {"vocab_size": 60, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 20}


@pytest.fixture(scope="module")
def theirs():
    return stirred(GPT2LMHeadModel(GPT2Config(**SIZES, bos_token_id=0, eos_token_id=0)))


@pytest.fixture
def ids():
    return torch.randint(3, 60, (3, 20), generator=torch.Generator().manual_seed(1))


def test_gpt_equals_transformers_in_logits_loss_and_gradients(chapter, theirs, ids):
    ours = chapter.as_ours(theirs)
    expected = theirs(ids, labels=ids)
    logits, _ = ours(ids)
    assert (logits - expected.logits).abs().max() < 1e-5
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    assert abs(loss - expected.loss) < 1e-5
    loss.backward()
    expected.loss.backward()
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        same_way = p.dim() == 1 or name in ("token.weight", "place.weight")
        assert (p.grad - (q.grad if same_way else q.grad.T)).abs().max() < 1e-5, name
    theirs.zero_grad()


def test_the_cache_changes_nothing(chapter, theirs, ids):
    ours = chapter.as_ours(theirs)
    whole, _ = ours(ids)
    for cuts in ([7, 1, 5, 7], [1] * 20, [20]):
        cache, parts = None, []
        for part in ids.split(cuts, 1):
            logits, cache = ours(part, cache)
            parts.append(logits)
        assert (torch.cat(parts, 1) - whole).abs().max() < 1e-5
    assert chapter.cache_bytes(cache) == 2 * 3 * 3 * 20 * 32 * 4  # keys and values, layers, texts, places, d, bytes


def test_greedy_drawing_equals_the_librarys_with_and_without_cache(chapter, theirs, ids):
    ours, prompt = chapter.as_ours(theirs), ids[:, :4]
    expected = theirs.generate(prompt, max_new_tokens=12, do_sample=False, suppress_tokens=[0, 1], pad_token_id=0)
    for cached in (True, False):
        found = chapter.generate(ours, prompt, 12, cached, top_k=1)
        assert torch.equal(found[:, : expected.shape[1]], expected)


def test_with_the_same_dice_the_cache_draws_the_same(chapter, theirs, ids):
    ours, drawn = chapter.as_ours(theirs), []
    for cached in (True, False):
        torch.manual_seed(3)
        drawn.append(chapter.generate(ours, ids[:, :2], 15, cached, temperature=0.8, top_p=0.95))
    assert torch.equal(*drawn)
    assert drawn[0].min() > 1  # neither padding nor unknown


def test_no_place_sees_the_future(chapter, theirs, ids):
    ours, other = chapter.as_ours(theirs), ids.clone()
    other[:, 12:] = 5
    assert torch.allclose(ours(ids)[0][:, :12], ours(other)[0][:, :12], atol=1e-6)


def test_a_different_shape_is_named(chapter, theirs):
    wrong = GPT2LMHeadModel(GPT2Config(**SIZES, n_inner=16, bos_token_id=0, eos_token_id=0))
    with pytest.raises(ValueError, match=r"mlp\.wide\.weight is"):
        chapter.as_ours(wrong)


def test_too_long_and_empty_prompts_are_refused(chapter, theirs, ids):
    ours = chapter.as_ours(theirs)
    with pytest.raises(ValueError, match="21 tokens: this model takes 1 to 20"):
        ours(torch.cat([ids, ids[:, :1]], 1))
    with pytest.raises(ValueError, match="takes 1 to 20"):
        ours(ids[:, :0])
    with pytest.raises(ValueError, match="takes 1 to 20"):
        ours(ids[:, :1], ours(ids)[1])
    with pytest.raises(ValueError, match="an empty prompt"):
        chapter.generate(ours, ids[:, :0], 3)
    with pytest.raises(ValueError, match="more than the context of 20"):
        chapter.generate(ours, ids[:, :10], 12)
    assert chapter.generate(ours, ids[:, :10], 11).shape == (3, 21)


# ---- Counting, drawing -------------------------------------------------------------------------------------------


def test_the_bigram_model_is_a_distribution_and_counts(chapter):
    ids = torch.tensor([2, 3, 4, 3, 4, 3, 5])
    model = chapter.Bigram(ids, 6, k=1.0)
    assert torch.allclose(model.after.exp().sum(1), torch.ones(6))
    assert math.isclose(model.frequency.exp().sum(), 1, rel_tol=1e-6)
    p = (torch.bincount(ids[1:], minlength=6) + 1) / (len(ids) - 1 + 6)
    assert math.isclose(model.after[3, 4].exp(), (2 + p[4]) / (3 + 1), rel_tol=1e-5)
    assert torch.equal(model(ids[None])[0][0, 2], model.after[4])


def test_the_trigram_model_is_a_distribution_counts_and_falls_back_on_pairs(chapter):
    ids = torch.tensor([2, 3, 4, 2, 3, 5, 2, 3, 4])
    pairs = chapter.Bigram(ids, 6, k=1.0)
    model = chapter.Trigram(ids, pairs, k=2.0)
    p = torch.stack([model.losses(torch.tensor([2, 3, c])) for c in range(6)])[:, 0].neg().exp()
    assert math.isclose(p.sum(), 1, rel_tol=1e-5)
    assert math.isclose(p[4], (2 + 2 * pairs.after[3, 4].exp()) / (3 + 2), rel_tol=1e-5)
    assert torch.allclose(model.losses(torch.tensor([5, 4, 3])), -pairs.after[4, 3])  # a pair that never came
    assert model.losses(ids).shape == (7,)


@pytest.fixture
def logits():
    return 3 * torch.randn(5, 40, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("k", [1, 3, 100])
def test_top_k_equals_the_librarys(chapter, logits, k):
    expected = TopKLogitsWarper(k)(None, logits).softmax(-1)
    assert torch.allclose(chapter.chances(logits, top_k=k), expected, atol=1e-6)


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9, 1.0])
def test_top_p_equals_the_librarys(chapter, logits, p):
    expected = (TopPLogitsWarper(p)(None, logits) if p < 1 else logits).softmax(-1)
    assert torch.allclose(chapter.chances(logits, top_p=p), expected, atol=1e-6)


def test_temperature_and_all_three_together(chapter, logits):
    assert torch.allclose(chapter.chances(logits, temperature=0.5), (2 * logits).softmax(-1), atol=1e-6)
    expected = TopPLogitsWarper(0.7)(None, TopKLogitsWarper(8)(None, logits / 1.3)).softmax(-1)
    assert torch.allclose(chapter.chances(logits, 1.3, 8, 0.7), expected, atol=1e-6)


@pytest.mark.parametrize("choice", [{"top_p": 0}, {"top_p": 1.2}, {"top_p": -0.5}, {"top_k": 0}, {"temperature": 0}])
def test_knobs_out_of_range_are_refused(chapter, logits, choice):
    with pytest.raises(ValueError, match=next(iter(choice))):
        chapter.chances(logits, **choice)


def test_a_poem_begins_with_its_own_token_and_known_characters_only(chapter):
    vocabulary = Vocabulary([list("春风吹")], extra=("<poem>",))
    assert chapter.begin("春风", vocabulary).tolist() == [[2, *vocabulary.encode("春风")]]
    assert chapter.begin("", vocabulary).tolist() == [[2]]
    with pytest.raises(ValueError, match="no token for x 柳"):
        chapter.begin("春x柳", vocabulary)


# ---- Training ----------------------------------------------------------------------------------------------------


def test_windows_are_shifted_by_one_and_each_comes_once_a_pass(chapter):
    source = chapter.batches(torch.arange(101), 5, 10)
    pairs = [next(source) for _ in range(2)]
    for x, y in pairs:
        assert x.shape == y.shape == (5, 10) and torch.equal(y, x + 1)
    assert sorted(torch.cat([x for x, _ in pairs]).flatten().tolist()) == list(range(100))
    with pytest.raises(ValueError, match="too few for a batch"):
        next(chapter.batches(torch.arange(30), 5, 10))


@pytest.fixture(scope="module")
def rhythm():
    """A text whose next token is certain from the last two: 3 3 4 3 3 4 …"""
    return torch.tensor([3, 3, 4] * 400)


@pytest.mark.parametrize("experts", [0, 2])
def test_it_learns_a_rule_that_pairs_do_not_show(chapter, rhythm, experts):
    model = chapter.fresh(chapter.Config(6, d=16, layers=2, heads=2, longest=16, experts=experts))
    chapter.fit(model, rhythm, 120, lr=1e-2, size=8)
    assert chapter.loss_on(model, rhythm) < 0.2 < 0.4 < -chapter.Bigram(rhythm, 6, k=0.1).after[3, 3]


def test_losses_come_token_by_token_and_in_order(chapter, rhythm):
    model = chapter.fresh(chapter.Config(6, d=16, longest=16))
    found = chapter.losses_on(model, rhythm[:40], size=1)
    assert found.shape == (32,) and math.isclose(found.mean(), chapter.loss_on(model, rhythm[:40]), rel_tol=1e-5)
    expected = F.cross_entropy(model(rhythm[None, 16:32])[0][0].float(), rhythm[17:33], reduction="none")
    assert torch.allclose(found[16:], expected, atol=0.05)  # bfloat16 where that is fast


def test_without_the_mask_a_place_sees_the_future(chapter, ids):
    model, other = chapter.fresh(chapter.Config(60, d=16, longest=20, causal=False)), ids.clone()
    other[:, 12:] = 5
    assert not torch.allclose(model(ids)[0][:, :12], model(other)[0][:, :12], atol=1e-3)


def test_the_scale_of_fresh_weights_leaves_the_tables_alone(chapter):
    config = chapter.Config(6, d=16, longest=16)
    one, small = (dict(chapter.fresh(config, scale=scale).named_parameters()) for scale in (1.0, 0.5))
    assert torch.equal(one["token.weight"], small["token.weight"])
    assert torch.allclose(0.5 * one["blocks.0.mlp.wide.weight"], small["blocks.0.mlp.wide.weight"])


def test_a_loss_that_is_no_number_stops_training(chapter, rhythm):
    model = chapter.fresh(chapter.Config(6, d=16, longest=16))
    model.token.weight.data[3] = torch.nan
    with pytest.raises(NonFiniteLoss, match="lower learning rate"):
        chapter.fit(model, rhythm, 3)


def test_the_law_is_found_again_in_its_own_numbers(chapter):
    n, d = (grid.ravel() for grid in np.meshgrid(np.logspace(3, 7, 6), np.logspace(4, 8, 6)))
    truth = (math.log(1.7), math.log(40), 0.3, math.log(90), 0.28)
    found = chapter.fit_law(n, d, chapter.law(truth, n, d))
    assert np.allclose(found, truth, atol=0.05)
    assert np.allclose(chapter.straight(n, d, 5 * n**-0.07 * d**-0.1), (5, 0.07, 0.1), rtol=1e-6)


# ---- In context --------------------------------------------------------------------------------------------------


def test_reading_the_examples_once_equals_reading_them_each_time(chapter):
    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(**sizes, **heads, bos_token_id=0, eos_token_id=0)
    lm, g = stirred(LlamaForCausalLM(config), by=0.3), torch.Generator().manual_seed(4)
    head = torch.randint(1, 50, (9,), generator=g).tolist()
    rows = [torch.randint(1, 50, (n,), generator=g).tolist() for n in (4, 1, 7, 3, 7, 2)]
    found = chapter.last_logits(lm, head, rows, [5, 11], size=4)
    with torch.inference_mode():
        expected = torch.stack([lm(torch.tensor([head + row])).logits[0, -1, [5, 11]] for row in rows])
    assert (found - expected).abs().max() < 1e-5


# ---- Switch ------------------------------------------------------------------------------------------------------

EXPERTS, ROOM = 4, 3


@pytest.fixture
def their_layer():
    config = SwitchTransformersConfig(d_model=16, d_ff=64, num_experts=EXPERTS, expert_capacity=ROOM, dropout_rate=0.0,
                                      dense_act_fn="gelu_new", router_jitter_noise=0.0)  # fmt: skip
    return stirred(library.SwitchTransformersSparseMLP(config), by=0.3)


@pytest.fixture
def x():
    return torch.randn(3, 10, 16, generator=torch.Generator().manual_seed(5))


def test_the_router_equals_transformers_drops_included(chapter, their_layer, x):
    sent, gates, logits = their_layer.router(x)
    p, expert, gate, kept = chapter.route(logits, ROOM)
    assert not kept.all()
    assert torch.equal(F.one_hot(expert, EXPERTS) * kept[..., None], sent)
    assert (gate - gates[..., 0]).abs().max() < 1e-6
    assert (chapter.balance(p, expert).mean() - library.load_balancing_loss_func(p, expert)).abs() < 1e-6


def as_ours(chapter, theirs, factor):
    ours = chapter.Switch(chapter.Config(1, d=16, experts=EXPERTS, capacity=factor))
    ours.router.weight.data.copy_(theirs.router.classifier.weight)
    for e, mlp in enumerate(ours.experts):
        other = theirs.experts[f"expert_{e}"]
        for mine, their in ((mlp.wide, other.wi), (mlp.narrow, other.wo)):
            mine.weight.data.copy_(their.weight)
            mine.bias.data.zero_()
    return ours


def test_the_layer_equals_transformers_text_by_text(chapter, their_layer, x):
    ours = as_ours(chapter, their_layer, ROOM * EXPERTS / 10).train()  # ten tokens a text: room for three
    expected = their_layer(x)
    for one, want in zip(x, expected, strict=True):
        assert (ours(one[None])[0] - want).abs().max() < 1e-5


def test_over_a_batch_ours_counts_the_room_for_all_texts_together_as_the_paper_does(chapter, their_layer, x):
    ours = as_ours(chapter, their_layer, 1.0).train()
    ours(x)
    most = np.bincount(ours.expert[ours.kept], minlength=EXPERTS).max()
    assert most <= math.ceil(30 / EXPERTS) and not ours.kept.all()


def test_a_dropped_token_gets_nothing_and_at_test_time_nobody_is_dropped(chapter, their_layer, x):
    ours = as_ours(chapter, their_layer, 0.5).train()
    out = ours(x).flatten(0, 1)
    assert (~ours.kept).any() and not out[~ours.kept].any()
    ours.eval()(x)
    assert ours.kept.all()


def test_the_balancing_loss_is_one_when_even_and_the_number_of_experts_when_one_gets_all(chapter):
    even = torch.full((8, 4), 0.25)
    assert math.isclose(chapter.balance(even, torch.arange(8) % 4), 1.0)
    one = F.one_hot(torch.zeros(8, dtype=torch.int64), 4).float()
    assert math.isclose(chapter.balance(one, torch.zeros(8, dtype=torch.int64)), 4.0)


def test_the_gate_gives_the_router_a_gradient(chapter, their_layer, x):
    ours = as_ours(chapter, their_layer, 2.0).train()
    ours(x).sum().backward()
    assert ours.router.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experts": 1}, "nothing to choose"),
        ({"capacity": 0}, "above 0"),
        ({"capacity": -1.0}, "above 0"),
    ],
)
def test_layers_that_cannot_route_are_refused(chapter, change, words):
    with pytest.raises(ValueError, match=words):
        chapter.Switch(replace(chapter.Config(1, d=16, experts=4), **change))


@pytest.mark.parametrize("capacity", [0, -2])
def test_an_expert_without_room_is_refused(chapter, capacity):
    with pytest.raises(ValueError, match="room for 1 token"):
        chapter.route(torch.randn(5, 3), capacity)


def test_top_two_of_two_is_the_full_mixture(chapter, x):
    two = stirred(chapter.TopTwo(chapter.Config(1, d=16, experts=2)))
    p = two.router(x).softmax(-1)
    expected = sum(p[..., e, None] * mlp(x) for e, mlp in enumerate(two.experts))
    assert (two(x) - expected).abs().max() < 1e-5
