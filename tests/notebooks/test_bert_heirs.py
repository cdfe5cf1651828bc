"""Chapter 5's own code, taken from its cells: RoBERTa, XLNet and ALBERT equal to transformers', masks and exercises."""

import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    AlbertModel,
    BertConfig,
    BertModel,
    RobertaConfig,
    RobertaModel,
    XLNetConfig,
    XLNetLMHeadModel,
    XLNetModel,
)
from transformers import logging as library_logging

from aibook import recipes
from helpers import studies
from helpers.nlp.encoder import fresh
from helpers.nlp.from_library import ENCODER, XLNET, take
from helpers.nlp.token_budget import fit
from helpers.training import seed_everything

library_logging.set_verbosity_error()
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
SIZES |= {"vocab_size": 50, "max_position_embeddings": 20}
XL = XLNetConfig(vocab_size=50, d_model=32, n_layer=3, n_head=4, d_inner=48)


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("nlp/05-roberta-xlnet-albert")


@pytest.fixture(scope="module")
def tiny(chapter):
    return chapter.Config(50, d=32, layers=3, heads=4, inner=48, longest=20)


def stirred(network, seed=0):
    g = torch.Generator().manual_seed(seed)
    for name, p in network.named_parameters():
        p.data.copy_(("orm.weight" in name) + 0.15 * torch.randn(p.shape, generator=g))
    return network.eval()


def a_batch(pad=0):
    ids = torch.randint(5, 50, (3, 11), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(11) < torch.tensor([11, 7, 4])[:, None]
    return ids.masked_fill(~mask, pad), (torch.arange(11) > 4).long().expand(3, 11), mask


def orders(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(11, generator=g) for _ in range(3)])


# ---- The encoder's three lives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert", "roberta", "albert"])
def test_equal_to_transformers_with_padding_segments_and_gradients(chapter, tiny, name):
    lite = {"narrow": 16, "shared": True, "tanh": True}
    library, config = {
        "bert": (BertModel(BertConfig(**SIZES)), tiny),
        "roberta": (RobertaModel(RobertaConfig(**SIZES)), replace(tiny, first=2)),
        "albert": (AlbertModel(AlbertConfig(embedding_size=16, **SIZES)), replace(tiny, **lite)),
    }[name]
    ours, (ids, segments, mask) = chapter.Encoder(config).eval(), a_batch(library.config.pad_token_id)
    take(ours, dict(stirred(library).named_parameters()), ENCODER)
    x = ours(ids, segments, mask)
    answer = library(ids, attention_mask=mask.long(), token_type_ids=segments)
    assert (x - answer.last_hidden_state)[mask].abs().max() < 1e-5 and x.std() > 0.5
    assert (ours.pooled(x) - answer.pooler_output).abs().max() < 1e-5
    assert (ours(ids, segments) - x)[mask].abs().max() < 1e-6  # the mask follows from [PAD]
    (x[mask] ** 3).sum().backward()
    (answer.last_hidden_state[mask] ** 3).sum().backward()
    a, b = ours.tables.word.weight.grad, library.get_input_embeddings().weight.grad
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-4) and a.abs().max() > 1


def test_alberts_two_losses_equal_the_librarys(chapter, tiny):
    library = stirred(AlbertForPreTraining(AlbertConfig(embedding_size=16, classifier_dropout_prob=0.0, **SIZES)))
    ours = chapter.Pretraining(chapter.Encoder(replace(tiny, narrow=16, shared=True, tanh=True))).eval()
    take(ours.body, dict(library.albert.named_parameters()), ENCODER)
    words = library.predictions
    ours.dense.load_state_dict(words.dense.state_dict())
    ours.norm.load_state_dict(words.LayerNorm.state_dict())
    ours.pair.load_state_dict(library.sop_classifier.classifier.state_dict())
    ours.bias.data.copy_(words.bias.data)
    ids, segments, mask = a_batch()
    torch.manual_seed(0)
    x, targets = chapter.masked(ids, 50, 0.4)
    swapped = torch.tensor([0, 1, 1])
    losses = ours(x, targets, segments, swapped)
    answer = library(x, attention_mask=mask.long(), token_type_ids=segments, labels=targets)
    logits = answer.sop_logits
    assert abs(losses[1] - F.cross_entropy(logits, swapped)) < 1e-5 and losses[1] > 0.1
    chosen = targets != -100
    assert abs(losses[0] - F.cross_entropy(answer.prediction_logits[chosen], targets[chosen])) < 1e-5


def test_robertas_places_start_after_paddings_id_and_ignore_padding_on_the_left(chapter, tiny):
    roberta = fresh(chapter.Encoder(replace(tiny, first=2))).eval()
    short = torch.randint(5, 50, (1, 7), generator=torch.Generator().manual_seed(0))
    left = torch.cat([torch.ones(1, 3, dtype=torch.long), short], 1)
    with torch.inference_mode():
        assert torch.allclose(roberta(left)[:, 3:], roberta(short), atol=1e-5)
        roberta(torch.full((1, 18), 7))
        with pytest.raises(ValueError, match="needs place 20, but this table ends at 19: cut the text"):
            roberta(torch.full((1, 19), 7))
        chapter.Encoder(tiny)(torch.full((1, 20), 7))
        with pytest.raises(ValueError, match="cut the text"):
            chapter.Encoder(tiny)(torch.full((1, 21), 7))


def test_heads_that_do_not_divide_the_width_are_refused_by_both_networks(chapter, tiny):
    for network in (chapter.Encoder, chapter.XLNet):
        with pytest.raises(ValueError, match="width of 32 cannot be shared out among 5 heads"):
            network(replace(tiny, heads=5))


def test_a_shared_block_is_one_block_and_depth_still_counts(chapter, tiny):
    shared = chapter.Encoder(replace(tiny, shared=True)).eval()
    once = chapter.Encoder(replace(tiny, shared=True, layers=1)).eval()
    once.load_state_dict(shared.state_dict())  # the same weights, whatever the depth
    ids, *_ = a_batch()
    with torch.inference_mode():
        assert not torch.allclose(shared(ids), once(ids), atol=1e-2)


# ---- XLNet -------------------------------------------------------------------------------------------------------


def test_both_streams_equal_transformers_with_padding_orders_and_segments(chapter, tiny):
    library, ours = stirred(XLNetModel(XL)), chapter.XLNet(tiny).eval()
    take(ours, dict(library.named_parameters()), XLNET)
    (ids, segments, mask), order = a_batch(), orders()
    for which in (segments, None):
        hidden, at = chapter.permutation_mask(order, 4), order[:, -4:]
        inputs = {"attention_mask": mask.float(), "perm_mask": hidden.float(), "token_type_ids": which}
        h, g = ours(ids, hidden, at, which, mask)
        queries = library(ids, target_mapping=F.one_hot(at, 11).float(), **inputs).last_hidden_state
        sees = (~(hidden | ~mask[:, None, :])).any(-1)  # a row that sees nothing at all means nothing
        good = (mask & sees).gather(1, at)
        assert (g - queries)[good].abs().max() < 1e-5 and good.sum() > 4
        contents = library(ids, **inputs).last_hidden_state
        assert (h - contents)[mask].abs().max() < 1e-5 and h.std() > 0.5
    plain = library(ids, attention_mask=mask.float()).last_hidden_state
    assert (ours(ids) - plain)[mask].abs().max() < 1e-5  # as it is fine-tuned: one stream, [PAD] hidden


def test_the_loss_equals_that_of_the_librarys_head(chapter, tiny):
    library = stirred(XLNetLMHeadModel(XL))
    ours = chapter.Permuted(chapter.XLNet(tiny)).eval()
    take(ours.body, dict(library.transformer.named_parameters()), XLNET)
    ours.bias.data.copy_(library.lm_loss.bias.data)
    ids = torch.randint(5, 50, (3, 12), generator=torch.Generator().manual_seed(2))
    torch.manual_seed(0)
    order, predicted = chapter.drawn_order(ids, 1 / 3)
    torch.manual_seed(0)
    (loss,) = chapter.permuted_loss(ours, ids, 1 / 3)
    at, hidden = order[:, -predicted:], chapter.permutation_mask(order, predicted)
    mapping = F.one_hot(at, 12).float()
    answer = library(ids, perm_mask=hidden.float(), target_mapping=mapping, labels=ids.gather(1, at))
    assert predicted == 4 and abs(loss - answer.loss) < 1e-5 and loss > 1


def test_shift_puts_the_distance_of_row_and_column_where_it_belongs(chapter):
    for t in (1, 2, 7):
        distances = torch.arange(t, -t, -1).expand(2, 3, t, 2 * t)
        i, j = torch.meshgrid(torch.arange(t), torch.arange(t), indexing="ij")
        assert (chapter.shift(distances) == i - j).all()


def test_an_order_hides_itself_and_all_that_come_later_but_never_the_context(chapter):
    order = orders(3)
    hidden = chapter.permutation_mask(order, 4)
    for row, mask in zip(order.tolist(), hidden, strict=True):
        for turn, i in enumerate(row):
            visible = set((~mask[i]).nonzero().flatten().tolist())
            assert visible == set(row[: max(7, turn)])
    assert chapter.permutation_mask(order, 1).sum() == 3 * 11


def test_bad_orders_and_masks_are_refused_clearly(chapter, tiny):
    with pytest.raises(ValueError, match="each of 0 to 3 exactly once"):
        chapter.permutation_mask(torch.tensor([[0, 1, 1, 3]]), 2)
    for predicted in (0, 4):
        with pytest.raises(ValueError, match=f"not {predicted}: the first needs a context"):
            chapter.permutation_mask(torch.arange(4)[None], predicted)
    ids, *_ = a_batch()
    for wrong in (torch.zeros(3, 11, 10), torch.zeros(11, 11), torch.zeros(2, 11, 11)):
        with pytest.raises(ValueError, match=r"3 texts of 11 pieces need \(3, 11, 11\)"):
            chapter.XLNet(tiny)(ids, wrong.bool())


def test_a_query_cannot_know_its_own_piece_nor_a_later_one_and_knows_the_earlier(chapter, tiny):
    torch.manual_seed(0)
    ours, (ids, *_), order = fresh(chapter.XLNet(tiny)).eval(), a_batch(), orders()
    ids, order = ids[:1], order[:1]
    hidden, at = chapter.permutation_mask(order, 4), order[:, -4:]
    with torch.inference_mode():
        before = ours(ids, hidden, at)[1]
        for turn, place in enumerate(at[0].tolist()):
            other = ids.clone()
            other[0, place] = 49 if ids[0, place] != 49 else 48
            moved = (ours(other, hidden, at)[1] - before).abs().amax(-1)[0] > 1e-6
            assert moved.tolist() == [False] * (turn + 1) + [True] * (3 - turn)


def test_only_text_is_ever_predicted_and_special_pieces_are_context(chapter):
    torch.manual_seed(0)
    ids = torch.randint(5, 50, (8, 20))
    ids[:, 0], ids[:, 7], ids[:, 12] = 2, 3, 1
    order, predicted = chapter.drawn_order(ids, 0.5)
    assert predicted == 8 and (ids.gather(1, order[:, -predicted:]) > 4).all()
    assert torch.equal(order.sort(1).values, torch.arange(20).expand(8, 20))


def test_one_stream_leaks_and_two_do_not(chapter):
    rows, ends = torch.randint(5, 40, (64, 16), generator=torch.Generator().manual_seed(0)), {}
    for stream in ("content", "query"):
        seed_everything(0)
        network = fresh(chapter.Permuted(chapter.XLNet(chapter.Config(40, d=32, layers=1, inner=64)), stream))
        loss = lambda n, batch: chapter.permuted_loss(n, batch[0], 0.25)  # noqa: E731
        ends[stream] = fit(network, loss, chapter.row_batches(rows, 16), tokens=60 * 256, lr=1e-2).losses[-5:].mean()
    assert ends["content"] < 0.1 and ends["query"] > 2.5  # random ids: nothing to learn from others


def test_the_control_with_a_table_knows_places_by_the_table_alone(chapter, tiny):
    ours, (ids, *_) = fresh(chapter.ByTable(tiny)).eval(), a_batch()
    turned = ids[:1].flip(1)
    with torch.inference_mode():
        assert not torch.allclose(ours(ids[:1]).flip(1), ours(turned), atol=1e-2)
        assert ours(ids).shape == (3, 11, 32)
        ours.place.weight.zero_()
        assert torch.allclose(ours(ids[:1]).flip(1), ours(turned), atol=1e-5)


# ---- Masks, inputs, exercises ------------------------------------------------------------------------------------


def test_static_blanks_repeat_after_their_versions_and_dynamic_ones_do_not(chapter):
    rows = torch.randint(5, 50, (3, 30), generator=torch.Generator().manual_seed(0))
    for versions, different in ((1, 1), (4, 4), (None, 12)):
        batches = chapter.versioned(rows, 3, versions, 50, 0.3)
        seen = []
        for _ in range(12):
            x, targets = next(batches)
            order = (torch.where(targets == -100, x, targets)[:, None] == rows[None]).all(-1).int().argmax(1)
            seen.append((targets != -100)[order.argsort()].flatten())
            assert torch.equal(torch.where(targets == -100, x, targets).sort(0).values, rows.sort(0).values)
        assert len(torch.unique(torch.stack(seen), dim=0)) == different


def test_packed_rows_are_full_lose_nothing_but_the_tail_and_mark_the_ends(chapter):
    rows = chapter.packed([[7, 8, 9], [10, 11], [12]], 4)
    assert rows.tolist() == [[2, 7, 8, 9], [2, 3, 10, 11], [2, 3, 12, 3]]
    assert chapter.packed([[7, 8, 9]], 4).tolist() == [[2, 7, 8, 9]]
    with pytest.raises(ValueError, match="do not fill one input of 9"):
        chapter.packed([[7]], 9)


def test_pairs_are_what_they_say(chapter):
    windows = [[[10 + i, 60 + i], [110 + i]] for i in range(40)]
    draw, seen = random.Random(0), Counter()
    for i, window in enumerate(windows * 5):
        k = i % 40
        a, b, wrong = chapter.sentence_order(window, windows, draw)
        assert (a, b) == (([110 + k], [10 + k, 60 + k]) if wrong else ([10 + k, 60 + k], [110 + k]))
        seen["order"] += wrong
        a, b, wrong = chapter.next_sentence(window, windows, draw)
        assert a == [10 + k, 60 + k] and len(b) == 1 and (wrong or b == [110 + k])
        seen["next"] += wrong
    assert all(60 < n < 140 for n in seen.values())


def test_pair_batches_fit_and_their_segments_start_after_the_first_mark(chapter):
    windows = [[[10 + i] * (1 + i % 5), [60 + i] * (1 + i % 7)] for i in range(30)]
    batches = chapter.pair_batches(windows, chapter.next_sentence, 8, random.Random(0), 12)
    for ids, segments, wrong in (next(batches) for _ in range(8)):
        assert ids.shape[1] <= 12 and len(wrong) == len(ids) and set(wrong.tolist()) <= {0, 1}
        for row, which in zip(ids.tolist(), segments.tolist(), strict=True):
            first, last = row.index(3), 11 - row[::-1].index(3) if len(row) == 12 else len(row) - 1 - row[::-1].index(3)
            assert row[0] == 2 and first < last
            assert which == [0] * (first + 1) + [1] * (last - first) + [0] * (len(row) - last - 1)


def test_nothing_hidden_is_no_loss_and_no_error(chapter, tiny):
    network = chapter.Pretraining(fresh(chapter.Encoder(tiny)))
    ids, *_ = a_batch()
    (loss,) = network(ids, torch.full_like(ids, -100))
    assert loss == 0


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("nlp/05-roberta-xlnet-albert")
    assert len(study.seeds) >= 3
    assert max(study.values("loss_from_content")) < 0.5 < 4 < min(study.values("loss_from_query"))
    assert max(study.values("unseen_loss_dynamic")) < min(study.values("unseen_loss_static"))
    assert max(study.values("seen_loss_static")) < min(study.values("seen_loss_dynamic"))
    assert max(study.values("weights_albert")) < min(study.values("weights_bert"))
    # Distances, not the order, are what fills blanks at this budget; one after the other is better than all at once.
    stuck = max(max(study.values(f"blanks_{name}")) for name in ("bert", "roberta", "albert", "packed", "table"))
    assert stuck < 2 * study.mean("blanks_frequency") < min(study.values("blanks_control"))
    assert max(study.values("blanks_bert") + study.values("blanks_albert")) < study.mean("blanks_frequency")
    assert min(study.values("blanks_xlnet")) > 25 and min(study.values("blanks_control")) > 25
    assert study.mean("blank_loss_table") < study.mean("entropy") < study.mean("blank_loss_bert")
    assert min(study.values("order_gain")) > 0 and study.mean("order_gain") < 0.5 * study.mean("chain_gain")
    assert min(study.values("chain_gain")) > 0.1
    assert study.mean("blanks_xlnet") - study.mean("blanks_control") < study.sd("blanks_xlnet")
    # "TF-IDF with an SVM is ahead of all of them"; "neither has learned its second exercise"
    for name in ("bert", "roberta", "xlnet", "albert", "control"):
        assert study.mean(f"accuracy_{name}") < study.mean("accuracy_tfidf")
    for name in ("bert_next_sentence", "albert_sentence_order"):
        assert 45 < study.mean(name) < 55 < min(study.values(f"bag_{name.split('_', 1)[1]}"))
    assert study.mean("bag_marked_sentence_order") > study.mean("bag_sentence_order") + 2
    assert study.mean("bag_sentence_order") > study.mean("bag_next_sentence") - 1
    # Likeness, which is topic, tells the next sentence and not the order; the difference does the reverse.
    for name in ("bag_sentence_order_by_likeness", "bag_next_sentence_by_difference"):
        assert 47 < study.mean(name) < 53
    for name in ("bag_sentence_order_by_difference", "bag_next_sentence_by_likeness"):
        assert min(study.values(name)) > 60
    # "only the control's is larger, a single point"; the two that fill blanks stand highest, RoBERTa follows
    for name in ("bert", "roberta", "xlnet", "albert"):
        assert study.mean(f"gain_{name}") < study.sd(f"gain_{name}")
    assert study.sd("gain_control") < study.mean("gain_control") < 1.5
    means = {name: study.mean(f"accuracy_{name}") for name in ("bert", "roberta", "xlnet", "albert", "control")}
    assert sorted(means, key=lambda name: -means[name])[:3] == ["control", "xlnet", "roberta"]
    assert min(study.values("accuracy_scratch_bert")) < min(means.values()) - 4  # the run that got stuck
    assert study.mean("pretraining_roberta") < 0.5 * study.mean("pretraining_bert")
    assert study.mean("pretraining_control") < study.mean("pretraining_xlnet")
