"""Chapter 2 of the NLP part, its own code: equal to torch.nn, its properties, and it learns."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from aibook import recipes
from helpers import studies
from helpers.nlp.punctuation import MARKS
from helpers.nlp.texts import PAD, Vocabulary
from helpers.training import NonFiniteLoss, TensorBatches, seed_everything


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    torch.set_num_threads(1)
    return recipes.load("nlp/02-transformer")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


SIZES = {"d_model": 32, "nhead": 4, "dim_feedforward": 128, "batch_first": True}

# ---- Attention ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [None, torch.ones(5, 7, dtype=torch.bool).tril(1)])
def test_attention_equals_pytorchs_in_values_and_gradients(chapter, mask):
    grads = []
    for function in (lambda *x: chapter.attention(*x, mask)[0], lambda *x: F.scaled_dot_product_attention(*x, mask)):
        q, k, v = (noise(2, 3, n, 8, seed=i).requires_grad_() for i, n in enumerate((5, 7, 7)))
        y = function(q, k, v)
        y.square().sum().backward()
        grads.append((y, q.grad, k.grad, v.grad))
    for ours, theirs in zip(*grads, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5) and theirs.abs().max() > 0.1


def test_shares_add_up_to_one_and_none_goes_to_what_is_hidden(chapter):
    _, shares = chapter.attention(noise(1, 6, 4), noise(1, 6, 4, seed=1), noise(1, 6, 4), chapter.causal(6))
    assert torch.allclose(shares.sum(-1), torch.ones(1, 6))
    assert (shares[0].triu(1) == 0).all() and (shares[0].tril() > 0).sum() == 21


def test_without_the_root_products_are_larger_by_it(chapter):
    q, k, v = noise(1, 3, 16), noise(1, 5, 16, seed=1), noise(1, 5, 16, seed=2)
    assert torch.allclose(
        chapter.attention(q, k, v, scaled=False)[0], chapter.attention(4 * q, k, v)[0], atol=1e-5
    )  # √16 = 4


def test_heads_equal_multihead_attention_across_with_padding(chapter):
    theirs = chapter.stirred(nn.MultiheadAttention(32, 4, batch_first=True))
    chapter.take_weights(ours := chapter.Heads(32, 4), theirs)
    x, y, ids = noise(2, 5, 32), noise(2, 7, 32, seed=1), torch.tensor([[3] * 7, [3] * 4 + [PAD] * 3])
    out, shares = theirs(x, y, y, key_padding_mask=ids == PAD, average_attn_weights=False)
    assert torch.allclose(ours(x, y, chapter.real(ids)), out, atol=1e-5)
    assert torch.allclose(ours.shares, shares, atol=1e-5) and (ours.shares[1, ..., 4:] == 0).all()


def test_heads_that_do_not_divide_are_refused(chapter):
    with pytest.raises(ValueError, match="30 channels cannot be cut into 4"):
        chapter.Heads(30, 4)


# ---- Positions ---------------------------------------------------------------------------------------------------


def test_sinusoids_are_the_papers_formula(chapter):
    codes = chapter.sinusoids(50, 8)
    for t, i in itertools.product((0, 1, 49), range(4)):
        angle = t / 10_000 ** (2 * i / 8)
        assert codes[t, 2 * i] == pytest.approx(math.sin(angle), abs=1e-5)
        assert codes[t, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-5)


def test_rotation_equals_the_one_of_llama_in_transformers(chapter):
    q, k = noise(1, 2, 9, 16), noise(1, 2, 9, 16, seed=1)
    angles = torch.arange(9)[:, None] * chapter.frequencies(16)
    angles = torch.cat([angles, angles], -1)[None]  # (1, 9, 16)
    for ours, theirs in zip(
        map(chapter.rotate, (q, k)), apply_rotary_pos_emb(q, k, angles.cos(), angles.sin()), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_rotated_products_depend_on_the_distance_alone_and_lengths_stay(chapter):
    q, k = noise(16).expand(40, 16), noise(16, seed=1).expand(40, 16)
    table = chapter.rotate(q) @ chapter.rotate(k).T
    for distance in (-7, 0, 3):
        diagonal = table.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4)
    assert abs(table[0, 1] - table[0, 9]) > 0.1
    assert torch.allclose(chapter.rotate(q).norm(dim=1), q.norm(dim=1), atol=1e-5)


@pytest.mark.parametrize(
    ("positions", "blind"), [("none", True), ("sinusoidal", False), ("learned", False), ("rotary", False)]
)
def test_only_without_positions_is_the_order_lost(chapter, positions, blind):
    seed_everything(0)
    network = chapter.Tagger(20, 3, 16, positions=positions).eval()
    ids, order = torch.arange(4, 12)[None], torch.tensor([3, 1, 7, 0, 5, 2, 6, 4])
    with torch.inference_mode():
        assert torch.allclose(network(ids[:, order]), network(ids)[:, order], atol=1e-4) == blind


def test_a_text_longer_than_the_table_of_positions_is_refused(chapter):
    embedding = chapter.Embedding(10, 8, "learned", longest=5)
    assert embedding(torch.ones(1, 5, dtype=torch.int64)).shape == (1, 5, 8)
    with pytest.raises(ValueError, match="6 tokens, but positions for 5"):
        embedding(torch.ones(1, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match="'rotatory'"):
        chapter.Embedding(10, 8, "rotatory")


# ---- The block, against torch.nn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pre", [False, True])
def test_an_encoder_layer_equals_pytorchs_in_values_and_gradients(chapter, pre):
    theirs = chapter.stirred(nn.TransformerEncoderLayer(**SIZES, norm_first=pre, dropout=0.0)).train()
    chapter.take_weights(ours := chapter.Layer(32, 4, pre), theirs)
    a, b = noise(2, 9, 32).requires_grad_(), noise(2, 9, 32).requires_grad_()
    mine, yours = ours(a, chapter.causal(9)), theirs(b, src_mask=~chapter.causal(9))
    assert torch.allclose(mine, yours, atol=1e-5) and yours.std() > 0.1
    mine.square().sum().backward(), yours.square().sum().backward()
    assert torch.allclose(a.grad, b.grad, atol=1e-4, rtol=1e-4)
    assert torch.allclose(ours.linear1.weight.grad, theirs.linear1.weight.grad, atol=1e-4, rtol=1e-4)
    assert torch.allclose(ours.self_attn.v.weight.grad, theirs.self_attn.in_proj_weight.grad[64:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pre", [False, True])
def test_a_decoder_layer_equals_pytorchs(chapter, pre):
    theirs = chapter.stirred(nn.TransformerDecoderLayer(**SIZES, norm_first=pre))
    chapter.take_weights(ours := chapter.Layer(32, 4, pre, cross=True), theirs)
    x, y, ids = noise(2, 6, 32), noise(2, 8, 32, seed=1), torch.tensor([[3] * 8, [3] * 5 + [PAD] * 3])
    told = theirs(x, y, tgt_mask=~chapter.causal(6), memory_key_padding_mask=ids == PAD)
    assert torch.allclose(ours(x, chapter.causal(6), y, chapter.real(ids)), told, atol=1e-5)


def test_the_stack_without_a_last_norm_is_pytorchs_post_norm_encoder(chapter):
    theirs = nn.TransformerEncoder(nn.TransformerEncoderLayer(**SIZES), 3, enable_nested_tensor=False)
    chapter.take_weights(ours := chapter.Stack(3, 32, 4, pre=False), chapter.stirred(theirs))
    assert torch.allclose(ours(noise(2, 9, 32)), theirs(noise(2, 9, 32)), atol=1e-5)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_encoder_and_decoder_equal_nn_transformer(chapter):
    theirs = chapter.stirred(nn.Transformer(**SIZES, num_encoder_layers=2, num_decoder_layers=2, norm_first=True))
    chapter.take_weights(ours := chapter.EncoderDecoder(32, 4, 2), theirs)
    x, y = noise(2, 9, 32), noise(2, 6, 32, seed=1)
    assert torch.allclose(ours(x, y), theirs(x, y, tgt_mask=~chapter.causal(6)), atol=1e-5)


def test_weights_that_do_not_fit_are_refused(chapter):
    with pytest.raises(RuntimeError, match="norm3"):
        chapter.take_weights(chapter.Layer(32, 4, cross=True), nn.TransformerEncoderLayer(**SIZES))


def test_padding_and_the_future_change_nothing(chapter):
    seed_everything(0)
    network = chapter.Transformer(12, 12, 16).eval()
    source, target = torch.tensor([[5, 6, 7]]), torch.tensor([[2, 4, 5, 6]])
    with torch.inference_mode():
        logits = network(source, target)
        assert torch.allclose(network(F.pad(source, (0, 3)), target), logits, atol=1e-5)
        other = target.clone()
        other[0, 3] = 9
        assert torch.allclose(network(source, other)[:, :3], logits[:, :3], atol=1e-5)
        back, ahead = (chapter.Tagger(12, 3, 16, ahead=ahead).eval() for ahead in (False, True))
        assert torch.allclose(back(target)[:, :3], back(other)[:, :3], atol=1e-5)
        assert not torch.allclose(ahead(target)[:, :3], ahead(other)[:, :3], atol=1e-3)


# ---- Training, scoring -------------------------------------------------------------------------------------------


def neighbours(n=256):
    """Windows in which a token is marked if a 3 follows it, and batches of them."""
    ids = torch.randint(2, 6, (n, 12), generator=torch.Generator().manual_seed(0))
    marks = (ids.roll(-1, 1) == 3).long()
    return ids, marks, TensorBatches(ids, marks, 32, shuffle=True)


def test_a_tagger_learns_to_look_ahead_if_it_may(chapter):
    ids, marks, batches = neighbours()
    right = {}
    for ahead, steps in ((True, 100), (False, 40)):
        seed_everything(0)
        network = chapter.Tagger(6, 2, 16, ahead=ahead)
        chapter.fit(network, chapter.tag_loss, batches, steps, 1e-2)
        predicted = chapter.probabilities(network, ids).argmax(-1)
        right[ahead] = (predicted == marks)[:, :-1].float().mean()
    assert right[True] > 0.95 and right[False] < 0.85


def test_a_seed_repeats_the_training(chapter):
    curves = []
    for seed in (0, 0, 1):
        seed_everything(seed)
        network = chapter.Tagger(6, 2, 16, dropout=0.1)
        curves.append(chapter.fit(network, chapter.tag_loss, neighbours()[2], 4, 1e-2)[0])
    assert curves[0] == curves[1] != curves[2]


def test_training_stops_at_a_loss_that_is_no_number(chapter):
    loss = lambda network, x, y: network(x).sum() * math.nan  # noqa: E731
    batches = TensorBatches(torch.ones(8, 4), torch.ones(8), 4, shuffle=True)
    with pytest.raises(NonFiniteLoss, match="step 0"):
        chapter.fit(nn.Linear(4, 2), loss, batches, 5, 1e-3)


def test_warm_up_rises_to_the_full_rate_and_then_falls(chapter):
    rate = [chapter.warmed(100, 0.1)(s) for s in range(101)]
    assert rate[0] < 0.1 and 8 <= int(np.argmax(rate)) <= 11 and rate[100] == 0
    assert chapter.warmed(100, 0.0)(0) == 1


def test_f1_counts_place_and_mark(chapter):
    true, ours = torch.tensor([0, 1, 0, 2, 3]), torch.tensor([0, 1, 1, 3, 0])
    assert chapter.f1(ours, true) == pytest.approx(200 * 1 / (3 + 3))
    assert chapter.f1(ours, true, 1) == pytest.approx(200 * 1 / (2 + 1))
    assert chapter.f1(true, true) == 100 and chapter.f1(torch.zeros(5), true) == 0
    assert chapter.f1(ours, true, 6) == 0  # a class that is missing altogether


def test_the_threshold_decides_whether_and_the_likeliest_mark_what(chapter):
    shares = torch.tensor([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]])
    assert chapter.decide(shares, 0.5).tolist() == [0, 1] and chapter.decide(shares, 0.25).tolist() == [2, 1]
    assert 0.25 < chapter.best_threshold(shares, torch.tensor([0, 1])) < 0.8
    assert chapter.best_threshold(shares, torch.tensor([2, 1])) < 0.3


def test_attention_by_distance_averages_diagonals(chapter):
    shares = torch.zeros(2, 1, 6, 6)
    shares[..., torch.arange(5), torch.arange(1, 6)] = 0.5  # half to the right neighbour
    assert torch.allclose(chapter.by_distance(shares, 2), torch.tensor([[0, 0, 0, 0.5, 0]]))


def test_punctuating_says_what_is_wrong_with_its_input(chapter):
    vocabulary = Vocabulary(["我来他走"])
    network = chapter.Tagger(len(vocabulary), 1 + len(MARKS), 16)
    text = chapter.punctuate(network, vocabulary, "我 来，鑫！走", 0.0)  # one is unknown, the marks are taken out
    assert [c for c in text if c not in MARKS] == list("我来鑫走") and len(text) == 8
    for nothing in ("", " ，。"):
        with pytest.raises(ValueError, match="nothing to punctuate"):
            chapter.punctuate(network, vocabulary, nothing, 0.5)
    with pytest.raises(ValueError, match="another vocabulary"):
        chapter.punctuate(network, Vocabulary(["我来他走好"]), "我", 0.5)
    assert len(chapter.punctuate(network, vocabulary, "我" * 700, 1.0)) == 700  # rotary: no longest text


# ---- Numbers, decoding -------------------------------------------------------------------------------------------


SPELLED = {0: "零", 10: "十", 15: "十五", 110: "一百一十", 3005: "三千零五", 4_030: "四千零三十", 20_000: "二万"}
SPELLED |= {100_000: "十万", 30_050: "三万零五十", 10_010_000: "一千零一万", 99_990_000: "九千九百九十九万"}


@pytest.mark.parametrize(("n", "words"), SPELLED.items())
def test_numbers_are_spelled_as_one_says_them(chapter, n, words):
    assert chapter.spelled(n) == words


def test_no_two_numbers_are_spelled_alike_and_others_are_refused(chapter):
    assert len({chapter.spelled(n) for n in range(0, 30_000)}) == 30_000
    for n in (-1, 10**8):
        with pytest.raises(ValueError, match="numbers from 0"):
            chapter.spelled(n)


def table(texts):
    """A language of four tokens in which everything depends on all that was written."""
    rows = [noise(6, seed=sum(7**i * token for i, token in enumerate(text))) for text in texts.tolist()]
    logits = 2 * torch.stack(rows)
    logits[:, :3] = -math.inf  # neither padding nor unknown nor a second beginning
    return logits.log_softmax(-1)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_what_exhaustive_search_finds(chapter, alpha):
    every = []
    for n in range(4):
        every += [[*words, 3] for words in itertools.product((4, 5), repeat=n)]
    every += [list(words) for words in itertools.product((4, 5), repeat=4)]  # cut at the longest
    scores = []
    for text in every:
        total = sum(table(torch.tensor([[2, *text[:i]]]))[0, text[i]].item() for i in range(len(text)))
        scores.append((total / len(text) ** alpha, chapter.until_end(text)))
    found = [one for one in chapter.beam(table, width=64, longest=4, alpha=alpha) if one[0] > -math.inf]
    assert len(found) == len(every)
    for (a, ours), (b, theirs) in zip(found, sorted(scores, reverse=True), strict=True):
        assert a == pytest.approx(b, abs=1e-5) and ours == theirs


def test_a_beam_of_one_is_greedy_and_a_wider_one_scores_no_worse(chapter):
    seed_everything(0)
    network = chapter.stirred(chapter.Transformer(9, 9, 16))
    for source in ([4, 5, 6], [7, 8], [5, 5, 5, 5]):
        score = chapter.next_token(network, source)
        with torch.inference_mode():
            narrow, wide = (chapter.beam(score, width, 6, alpha=0)[0] for width in (1, 4))
        assert narrow[1] == chapter.greedy(network, torch.tensor([source]), 6)[0]
        assert wide[0] >= narrow[0] - 1e-6


def test_a_transformer_learns_to_reverse(chapter):
    rng = np.random.default_rng(0)
    sources = [rng.integers(4, 8, rng.integers(2, 5)).tolist() for _ in range(600)]
    targets = [source[::-1] for source in sources]
    seed_everything(0)
    network = chapter.Transformer(8, 8, 32)
    chapter.fit(network, chapter.write_loss, chapter.pairs(sources, targets), 200, 1e-2)
    written = [chapter.greedy(network, torch.tensor([source]), 5)[0] for source in sources[:60]]
    assert chapter.exact(written, targets[:60]) > 90


def test_dice_are_foretold_only_by_who_sees_the_future(chapter):
    dice = torch.randint(2, 8, (500, 13), generator=torch.Generator().manual_seed(0))
    for ahead in (False, True):
        seed_everything(0)
        network = chapter.Tagger(8, 8, 16, ahead=ahead)
        losses, _ = chapter.fit(
            network, chapter.next_loss, TensorBatches(dice, dice[:, 0], 32, shuffle=True), 150, 1e-2
        )
        assert (np.mean(losses[-10:]) < 1) == ahead
        assert chapter.last_loss(network, dice[:, :7]) > 1.6


def test_written_marks_are_judged_by_their_place(chapter):
    comma, stop = 4, 6  # ids in the writer's vocabulary
    truth, ours = [20, 21, comma, 22, stop, 23], [20, comma, 21, 22, stop, 23]
    assert chapter.written_f1([ours], [truth]) == 50
    assert chapter.written_f1([truth], [truth]) == 100
    assert chapter.bare(truth) == [20, 21, 22, 23] and chapter.placed([]) == set()
    assert chapter.written_f1([[20]], [[20]]) == 0  # no marks at all


def test_the_lstm_has_nearly_as_many_weights(chapter):
    goal = sum(p.numel() for p in chapter.Layer(128, 4).parameters())
    lstm = chapter.lstm_of(goal, 128)
    assert sum(p.numel() for p in lstm.parameters()) == pytest.approx(goal, rel=0.01)
    assert chapter.tokens_per_second(lstm, 8, 128, 64, train=True, repeats=1) > 0
    assert chapter.Lstm(9, 3, 8, 5)(torch.ones(2, 4, dtype=torch.int64)).shape == (2, 4, 3)


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("nlp/02-transformer")
    assert len(study.seeds) >= 3
    assert min(study.values("f1_encoder")) > 3 * max(study.values("f1_null"))
    assert min(study.values("worth_none")) > 3 and min(study.values("worth_only_back")) > 3
    assert min(study.values("exact_numbers")) > 95
    assert max(study.values("loss_cheat")) < 1 < 1.75 < min(study.values("loss_honest"))
    assert min(study.values("loss_cheat_writing")) > 1.7
    for writer, tagger in zip(study.values("copied_beam"), study.values("copied_tagger"), strict=True):
        assert writer < tagger == 100
