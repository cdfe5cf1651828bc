"""Chapter 3's own code, taken from its cells: word pieces and BERT equal to transformers', and the networks learn."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertModel, BertTokenizer
from transformers import logging as library_logging

from aibook import recipes
from helpers import studies
from helpers.data import movie_snippets
from helpers.nlp.batches import padded
from helpers.training import NonFiniteLoss, seed_everything

library_logging.set_verbosity_error()


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("nlp/03-bert")


# ---- Word pieces -------------------------------------------------------------------------------------------------


def test_training_takes_the_pairs_of_the_worked_example_of_hugging_faces_course(chapter):
    counts = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
    learnt = chapter.train_wordpiece(counts, 3)
    assert learnt[:7] == ["##g", "##n", "##s", "##u", "b", "h", "p"]
    assert learnt[7] == "##gs"  # 5 / (20 · 5) is the highest score
    assert learnt[8] in ("hu", "pu", "bu", "##ug", "##un")  # all score 1/36: in the course a tie is broken by order


def test_by_frequency_the_most_frequent_pair_goes_first(chapter):
    counts = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}
    assert chapter.train_wordpiece(counts, 1, score=lambda n, a, b: n)[-1] == "##ug"


def test_the_counts_stay_right_while_pairs_are_joined(chapter):
    counts = {"banana": 3, "bandana": 2, "ananas": 4, "aaaa": 5}
    pairs = chapter.Pairs(counts)
    for pair in (("##n", "##a"), ("##a", "##a"), ("a", "##na")):
        pairs.join(pair)
        single, double = Counter(), Counter()
        for word, pieces in pairs.words.items():
            assert pieces[0] + "".join(p.removeprefix("##") for p in pieces[1:]) == word
            for piece in pieces:
                single[piece] += counts[word]
            for one in pairwise(pieces):
                double[one] += counts[word]
        assert +pairs.single == single and +pairs.double == double
        assert all(pair in pairs.where and pairs.where[pair] for pair in double)


def test_training_stops_when_nothing_is_left_to_join(chapter):
    assert chapter.train_wordpiece({"ab": 1}, 50) == ["##b", "a", "ab"]
    assert chapter.train_wordpiece({"ab": 1}, 50, least=2) == ["##b", "a"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory, chapter):
    """The library's tokenizer with a vocabulary that our trainer made of film snippets."""
    words = Counter(w for text in movie_snippets.load("train").texts[:1500] for w in chapter.basic(text))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *chapter.train_wordpiece(words, 300, least=20)]
    file = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(pieces), encoding="utf-8")
    return BertTokenizer(str(file))


ODD = [
    "",
    " \t\n",
    "naïve café don’t",
    "3.50€ (approx.)…",
    "服务员态度不错",
    "a\tb\u200bc\x00",
    "full\u3000width",
    "É\u0301",
]
ODD += ["x" * 101, "-- #hash_tag! $5 ^^ `code` ~", "[MASKED]", "emoji 😀 end", "İstanbul ß"]


def test_cutting_equals_the_librarys_on_real_and_odd_texts(chapter, tokenizer):
    vocabulary = tokenizer.get_vocab()
    texts = movie_snippets.load("test").texts[:400] + ODD
    assert len({len(tokenizer.tokenize(text)) for text in texts}) > 20
    for text in texts:
        assert chapter.tokenize(text, vocabulary) == tokenizer.tokenize(text), text


def test_a_word_that_cannot_be_cut_is_unknown_as_a_whole(chapter):
    assert chapter.cut("abc", {"a", "##b"}) == ["[UNK]"]
    assert chapter.cut("abc", {"a", "ab", "##b", "##c"}) == ["ab", "##c"]
    assert chapter.cut("a" * 101, {"a", "##a"}) == ["[UNK]"]
    assert chapter.tokenize("", {"a"}) == []


# ---- The input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [64, 9, 6])
def test_assembled_pairs_equal_the_librarys_cut_or_not(chapter, tokenizer, longest):
    vocabulary = tokenizer.get_vocab()
    special = {"cls": vocabulary["[CLS]"], "sep": vocabulary["[SEP]"], "longest": longest}
    for one, two in (("a good film", "the best one of the year"), ("the best one of the year", "good"), ("good", None)):
        a, b = ([vocabulary[p] for p in chapter.tokenize(text or "", vocabulary)] for text in (one, two))
        ids, segments = chapter.assemble(a, b if two else None, **special)
        assert len(ids) == len(segments) <= longest
        if longest == 64:
            theirs = tokenizer(one, two)
            assert (ids, segments) == (theirs["input_ids"], theirs["token_type_ids"])
        else:
            assert len(ids) == min(longest, len(a) + (len(b) + 3 if two else 2))
            assert ids.count(special["sep"]) == (2 if two else 1) and ids[-1] == special["sep"]


def test_an_empty_text_is_cls_and_sep_and_no_room_is_refused(chapter):
    assert chapter.assemble([], cls=2, sep=3, longest=8) == ([2, 3], [0, 0])
    with pytest.raises(ValueError, match="no room"):
        chapter.assemble([7], [8], cls=2, sep=3, longest=3)


# ---- BERT --------------------------------------------------------------------------------------------------------

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}


def stirred(network, seed=0):
    g = torch.Generator().manual_seed(seed)
    for name, p in network.named_parameters():
        p.data.copy_(("Norm.weight" in name) * 1.0 + 0.15 * torch.randn(p.shape, generator=g))
    return network.eval()


def a_batch():
    g = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 60, (4, 11), generator=g)
    for row, length in enumerate((11, 7, 3, 9)):
        ids[row, length:] = 0
    return ids, (torch.arange(11) > 4).long().expand(4, 11), (ids != 0).long()


def test_bert_equals_transformers_with_padding_segments_and_all(chapter):
    theirs = stirred(BertModel(BertConfig(vocab_size=60, max_position_embeddings=16, **SIZES)))
    ours, (ids, segments, mask) = chapter.as_ours(theirs), a_batch()
    with torch.inference_mode():
        reference = theirs(ids, token_type_ids=segments, attention_mask=mask)
        for x, pooled in (ours(ids, segments, mask), ours(ids, segments)):  # the mask may be left out
            assert (x - reference.last_hidden_state).abs()[mask.bool()].max() < 1e-5
            assert (pooled - reference.pooler_output).abs().max() < 1e-5
        assert reference.last_hidden_state.std() > 0.5
        assert (ours(ids)[0] - reference.last_hidden_state).abs()[mask.bool()].max() > 1e-2  # segments matter


def test_gradients_and_both_losses_equal_those_of_bert_for_pretraining(chapter):
    theirs = stirred(BertForPreTraining(BertConfig(vocab_size=60, max_position_embeddings=16, **SIZES)))
    ours, (ids, segments, mask) = chapter.Pretraining(chapter.as_ours(theirs.bert)).eval(), a_batch()
    chapter.take_pretraining(ours, theirs)
    torch.manual_seed(0)
    x, targets = chapter.masked(ids, 60, rate=0.4)
    follows = torch.tensor([0, 1, 1, 0])
    mlm, nsp = ours(x, segments, targets, follows)
    answer = theirs(x, token_type_ids=segments, attention_mask=mask, labels=targets, next_sentence_label=follows)
    assert abs(mlm + nsp - answer.loss) < 1e-5 and mlm > 0.5 and nsp > 0.1
    (mlm + nsp).backward()
    answer.loss.backward()
    pairs = list(zip(ours.bert.named_parameters(), theirs.bert.parameters(), strict=True))
    for (name, a), b in pairs:
        assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-5), name
    assert torch.allclose(ours.bias.grad, theirs.cls.predictions.bias.grad, atol=1e-5)
    assert sum(p.grad.abs().sum() > 1e-3 for p in ours.parameters()) > 40


def test_weights_that_do_not_fit_are_refused_by_name(chapter):
    theirs = BertModel(BertConfig(vocab_size=60, max_position_embeddings=16, **SIZES))
    with pytest.raises(ValueError, match=r"embeddings\.word"):
        chapter.take_weights(chapter.Bert(chapter.Config(61, 32, 3, 4, 48, 16)), theirs)


def test_too_long_a_text_and_another_models_ids_are_refused_clearly(chapter):
    bert = chapter.Bert(chapter.Config(20, 8, 1, 2, 8, longest=6))
    with pytest.raises(ValueError, match="cut the text"):
        bert(torch.ones(1, 7, dtype=torch.int64))
    with pytest.raises(ValueError, match="tokenizer"):
        bert(torch.tensor([[2, 20, 3]]))


def test_the_company_of_a_text_does_not_matter_with_the_mask_and_does_without(chapter):
    torch.manual_seed(0)
    bert = chapter.fresh(chapter.Config(30, 32, 2, 4, 64, 16)).eval()
    alone, company = padded([[2, 7, 8, 3]]), padded([[2, 7, 8, 3], [2, *range(5, 15), 3]])
    with torch.inference_mode():
        first, second = bert(alone)[0][0], bert(company)[0][0, :4]
        broken = bert(company, mask=torch.ones_like(company))[0][0, :4]
        shares = bert.blocks[0].attention.shares(bert.embeddings(company, 0 * company), company != 0)
    assert torch.allclose(first, second, atol=1e-5) and (first - broken).abs().max() > 1e-2
    assert torch.allclose(shares.sum(-1), torch.ones(())) and shares[0, :, :, 4:].abs().max() == 0


def test_a_hub_model_is_asked_by_the_ordinary_way(chapter, tmp_path, capsys):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"酒店的位置很好"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    network = BertForMaskedLM(BertConfig(vocab_size=len(pieces), max_position_embeddings=16, **SIZES))
    network.cls.predictions.bias.data[pieces.index("店")] = 50.0
    network.save_pretrained(tmp_path)
    found = chapter.library_guesses(str(tmp_path), "酒▢很好")
    assert found[0] == "店" and len(found) == 3


# ---- The exercises -----------------------------------------------------------------------------------------------


def test_hiding_keeps_the_shares_and_never_touches_special_pieces(chapter):
    torch.manual_seed(0)
    ids = torch.randint(5, 1000, (400, 60))
    ids[:, 0], ids[:, -1], ids[:, 30], ids[:, 31] = 2, 3, 1, 0
    x, targets = chapter.masked(ids, 1000)
    chosen = targets != -100
    assert torch.equal(targets[chosen], ids[chosen]) and torch.equal(x[~chosen], ids[~chosen])
    assert not chosen[:, [0, -1, 30, 31]].any()
    share = chosen[:, 1:30].float().mean().item()
    hidden, kept = (x[chosen] == 4).float().mean().item(), (x[chosen] == ids[chosen]).float().mean().item()
    assert abs(share - 0.15) < 0.01 and abs(hidden - 0.8) < 0.02 and abs(kept - 0.1) < 0.015
    assert x[chosen & (x != 4)].min() > 4
    x, targets = chapter.masked(ids, 1000, split=(1.0, 0.0))
    assert (x[targets != -100] == 4).all()


def test_nothing_hidden_is_no_loss_and_no_error(chapter):
    network = chapter.Pretraining(chapter.fresh(chapter.Config(20, 8, 1, 2, 8, 6)))
    ids = torch.tensor([[2, 7, 3]])
    mlm, nsp = network(ids, 0 * ids, torch.full_like(ids, -100), torch.tensor([1]))
    assert mlm == 0 and torch.isfinite(nsp)


def toy_windows(n=60):
    """Windows of clauses 5 6 7 … or 25 26 27 …: what follows is of the same ten."""
    draw = random.Random(0)
    out = []
    for i in range(n):
        start = 5 + 20 * (i % 2) + draw.randrange(6)
        out.append([[start, start + 1, start + 2], [start + 3, start + 4]])
    return out


def test_a_pair_is_the_windows_own_or_anothers_and_says_which(chapter):
    windows, draw = toy_windows(), random.Random(1)
    rows = [chapter.draw_pair(w, windows, draw, 16) for w in windows for _ in range(10)]
    for i, (ids, segments, follows) in enumerate(rows):
        window = windows[i // 10]
        cut = ids.index(3)
        assert ids[0] == 2 and ids[-1] == 3 and segments == [0] * (cut + 1) + [1] * (len(ids) - cut - 1)
        assert ids[1:cut] == window[0]
        assert not follows or ids[cut + 1 : -1] == window[1]
    assert abs(np.mean([follows for *_, follows in rows]) - 0.5) < 0.1
    assert all(len(chapter.draw_pair(w, windows, draw, 7)[0]) <= 7 for w in windows)


def test_pretraining_learns_blanks_and_pairs_and_a_seed_repeats_it(chapter):
    windows, curves = toy_windows(), []

    def loss(network, batch):
        x, targets = chapter.masked(batch[0], 40, 0.3)
        return network(x, batch[1], targets, batch[2])

    for steps in (10, 10, 250):
        seed_everything(0)
        network = chapter.Pretraining(chapter.fresh(chapter.Config(40, 32, 2, 4, 64, 16, dropout=0.0)))
        batches = chapter.pair_batches(windows, 16, 16, random.Random(0))
        curves.append(chapter.fit(network, loss, batches, steps, 4e-3))
    assert np.array_equal(*curves[:2]) and curves[2].shape == (250, 2)
    answer = lambda ids, rows, columns: network.names(network.bert(ids)[0][rows, columns])  # noqa: E731
    hit, _ = chapter.blanks(windows, 40, answer)
    counted = chapter.Neighbours([np.array(chapter.flat(w)) for w in windows], 40)
    by_counts = lambda ids, r, c: torch.tensor(counted.logits(ids[r, c - 1], ids[r, c + 1]))  # noqa: E731
    by_frequency = lambda ids, r, c: torch.tensor(counted.p).expand(len(r), -1)  # noqa: E731
    alone = chapter.blanks(windows, 40, by_frequency)[0]
    assert hit > alone + 20 and chapter.blanks(windows, 40, by_counts)[0] > alone + 40
    assert curves[2][-20:, 1].mean() < 0.65  # half of the false pairs are of the other kind: below log 2, not near 0


def test_neighbours_are_probabilities_of_counts(chapter):
    rows = [np.array([5, 6, 7]), np.array([5, 6, 8]), np.array([9, 6, 7])]
    count = chapter.Neighbours(rows, 12, k=1.0)
    logits = count.logits(np.array([5, 4, 2]), np.array([7, 4, 7]))
    assert logits[0].argmax() == 6 and np.allclose(logits[1], count.p)  # hidden neighbours say nothing
    assert np.isclose(np.exp(count.p).sum(), 1) and np.isclose(np.exp(count.after + count.p).sum(1), 1).all()
    assert logits[2].argmax() == 6


def test_a_classifier_learns_few_texts_and_answers_in_their_order(chapter):
    seed_everything(0)
    labels = np.arange(40) % 2
    rows = [[2, *([7, 8] if y else [17, 18]) * (1 + i % 4), 3] for i, y in enumerate(labels)]
    network = chapter.fine_tune(chapter.fresh(chapter.Config(20, 16, 1, 2, 32, 16)), rows, labels, 60, 3e-3)
    assert (chapter.predicted(network, rows) == labels).mean() == 1
    with pytest.raises(ValueError, match="two classes"):
        chapter.fine_tune(chapter.fresh(chapter.Config(20, 16, 1, 2, 32, 16)), rows, 0 * labels, 60, 3e-3)


def test_a_loss_that_is_no_number_stops_training(chapter):
    network = torch.nn.Linear(2, 2)
    broken = lambda n, batch: (F.mse_loss(n(batch), batch) * float("nan"),)  # noqa: E731
    with pytest.raises(NonFiniteLoss, match="step 0"):
        chapter.fit(network, broken, [torch.zeros(1, 2)] * 3, 3, 1e-3)


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("nlp/03-bert")
    assert len(study.seeds) >= 3
    for name in ("bert", "neighbours"):
        assert min(study.values(f"blank_accuracy_{name}")) > max(study.values("blank_accuracy_frequency"))
        assert max(study.values(f"blank_loss_{name}")) < min(study.values("blank_loss_frequency"))
    assert min(study.values("probe_proper")) > max(study.values("probe_null"))
    # Another vocabulary, and [CLS] where the mean was meant, are the mistakes that leave nothing.
    worthless = ("another_vocabulary", "cls_instead_of_mean")
    mild = ("padding_looked_at", "padding_on_the_left", "no_cls_no_sep", "segment_ids_1", "capitals_kept")
    for what in ("probe", "cosine"):
        worst = max(study.mean(f"{what}_{name}") for name in worthless)
        assert worst < min(study.mean(f"{what}_{name}") for name in mild)
    by_seed = lambda a, b: zip(study.values(a), study.values(b), strict=True)  # noqa: E731
    # "these differences are as small as their spread"
    for place in ("mask", "random", "kept"):
        names = [f"restored_{rule}_{place}" for rule in ("80_10_10", "all_mask")]
        assert abs(study.mean(names[0]) - study.mean(names[1])) < max(map(study.sd, names))
    assert all(a > b for a, b in by_seed("probe_proper", "english_tfidf"))
    # "Two counts fill more blanks than this network does"; "BERT's great gains are not here"
    assert min(study.values("blank_loss_bert")) > max(study.values("blank_loss_neighbours"))
    assert max(study.values("blank_accuracy_bert")) < min(study.values("blank_accuracy_neighbours"))
    assert max(study.mean(f"gain_{n}") for n in (100, 300, 1000, 3000)) < 5
    assert min(study.values("accuracy_tfidf_3000")) > max(study.values("accuracy_null"))
